"""`kite build`: synth, judge, bundle, and put it all into one folder.

In: settings, and where to. Out: the folder, or it is as it was. I/O: runs the stacks and makes bundles; asks git which
commit this is; writes the folder.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.cli.compose import CLOCK, make_bundler
from skykite.cli.console import open_console
from skykite.cli.deploying import deploy_synthesis
from skykite.cli.loop import run_loop
from skykite.cli.project import prepare_state
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.model.build import BUILD_FORMAT, BUILT_ASSEMBLY, BuildRecord, Commit
from skykite.model.events import BuildFinished, StepFinished, StepStarted
from skykite.ports import EventSink

if TYPE_CHECKING:
    from skykite.synth import SynthResult

_GIT_S: Final = 30
_ACCOUNT: Final = re.compile(r"aws://(\d{12})/")


def run_build(settings: Settings, out: Path | None) -> None:
    """Nothing is in place unless all of it is."""
    from skykite.bundle import check_replaceable
    from skykite.dev.lock import hold_stage

    workspace = open_workspace(settings, local=True)
    prepare_state(workspace.project)
    target = (out or workspace.state / "build").absolute()
    check_replaceable(target)
    with (
        open_console(settings) as (events, _),
        hold_stage(workspace.state, workspace.stage, now=CLOCK.now()),  # a running session has its assembly there
    ):
        run_loop(lambda _: _build(workspace, target, shown=str(out or target), events=events))


async def _build(workspace: Workspace, target: Path, *, shown: str, events: EventSink) -> None:
    from skykite.bundle import export_assembly, making, put_in_place, seal
    from skykite.synth import synthesize, validate

    start = CLOCK.monotonic()
    result = await synthesize(
        deploy_synthesis(workspace), environment=workspace.environment.variables, events=events, clock=CLOCK
    )
    if findings := await validate(result.assembly, project_root=workspace.project.root):
        raise ExceptionGroup("the templates have mistakes", findings)
    building = CLOCK.monotonic()
    events.emit(StepStarted(step="build", message="building bundles"))
    with making(workspace.state / "building") as folder:
        (folder / BUILT_ASSEMBLY).mkdir()
        _, bundles = await export_assembly(
            result.manifest,
            result.assembly,
            folder / BUILT_ASSEMBLY,
            build=make_bundler(workspace, events).build,
            events=events,
        )
        record, digest = await asyncio.to_thread(seal, folder, _record(workspace, result, target))
        events.emit(
            StepFinished(
                step="build",
                message="1 bundle" if bundles == 1 else f"{bundles} bundles",
                elapsed_ms=(CLOCK.monotonic() - building) * 1000,
            )
        )
        await asyncio.to_thread(put_in_place, folder, target)
    events.emit(
        BuildFinished(
            path=shown,
            app=record.app,
            stage=record.stage,
            region=record.region,
            digest=digest,
            files=len(record.files),
            size=sum(file.size for file in record.files.values()),
            elapsed_ms=(CLOCK.monotonic() - start) * 1000,
        )
    )


def _record(workspace: Workspace, result: SynthResult, target: Path) -> BuildRecord:
    return BuildRecord(
        format=BUILD_FORMAT,
        skykite=importlib.metadata.version("skykite"),
        app=result.manifest.app,
        stage=result.manifest.stage,
        region=result.manifest.region,
        account=_account(result.assembly),
        commit=_commit(workspace.project.root, target),
    )


def _account(assembly: Path) -> str | None:
    """The one that stacks name with `env`, as CDK has it. None if they go to whichever deploys them."""
    document = json.loads((assembly / "manifest.json").read_bytes())
    places = [str(one.get("environment", "")) for one in document.get("artifacts", {}).values()]
    return next((found[1] for place in places if (found := _ACCOUNT.match(place))), None)


def _commit(root: Path, target: Path) -> Commit | None:
    """What git has checked out; None where there is no repository, no commit or no git."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None
    top = _git(root, "rev-parse", "--show-toplevel") or ""
    own = [":/"]
    if target.resolve().is_relative_to(top):
        own.append(f":(top,exclude){target.resolve().relative_to(top).as_posix()}")
    return Commit(id=head, modified=bool(_git(root, "status", "--porcelain", "--", *own)))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
