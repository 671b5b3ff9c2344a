"""`kite deploy --from`: a build that `kite build` made, perhaps on another machine, brought to a cloud.

In: settings and the build's folder. Out: what is deployed, its outputs on stdout and under `.kite/`. I/O: reads the
build, and what `deploy` does. Neither the project is needed, nor CDK, Node or uv.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.cli.compose import CLOCK, live_remains
from skykite.cli.console import open_console
from skykite.cli.deploying import deploy_locally, ship
from skykite.cli.loop import run_loop
from skykite.cli.project import find_project, prepare_folder
from skykite.cli.settings import Settings
from skykite.cli.stages import STAGE_VARIABLE
from skykite.errors import SkykiteError
from skykite.model.events import Notice, StepFinished, StepStarted
from skykite.model.project import STATE_DIRECTORY, Project
from skykite.ports import Asker, EventSink

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.deploy import Shipment
    from skykite.model.build import BuildRecord
    from skykite.model.manifest import Manifest

_REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")


def run_deploy_from(settings: Settings, folder: Path, *, local: bool) -> None:
    """Look at the build, then deploy it."""
    from skykite.dev.lock import hold_stage

    with open_console(settings) as (events, asker):
        shipment = _read(folder, events)
        record = shipment.record
        _refuse_other_stage(record, settings.stage, os.environ)
        project = _project(settings, record, needed=local)
        if not local:
            _refuse_other_region(record, os.environ)
        with (
            _state(project, record, events) as state,
            hold_stage(state / record.stage, record.stage, now=CLOCK.now()),
        ):

            async def deploy(session: AwsSession, events: EventSink) -> Manifest:
                return await _deploy(shipment, session, state, events, asker)

            async def run(_: asyncio.Event) -> None:
                if local:
                    assert project is not None
                    await deploy_locally(project, state, events, deploy)
                else:
                    await deploy(_aws_session(record, os.environ), events)

            run_loop(run)


def _read(folder: Path, events: EventSink) -> Shipment:
    from skykite.deploy import read_shipment

    start = CLOCK.monotonic()
    events.emit(StepStarted(step="build", message=f"checking {folder}"))
    shipment = read_shipment(folder)
    record = shipment.record
    commit = "" if record.commit is None else f", commit {record.commit.id[:12]}"
    events.emit(
        StepFinished(
            step="build",
            message=f"{record.app} for stage {record.stage}, {len(record.files)} files as they were built"
            f" ({shipment.digest[:12]}{commit})",
            elapsed_ms=(CLOCK.monotonic() - start) * 1000,
        )
    )
    return shipment


async def _deploy(shipment: Shipment, session: AwsSession, state: Path, events: EventSink, asker: Asker) -> Manifest:
    record = shipment.record
    if session.region != record.region:  # an embedded cloud has the region of its project
        raise _other_region(record, "the embedded cloud", session.region)
    if record.account is not None:
        await _refuse_other_account(record, session)
    remains = live_remains(record.app, record.stage, session, events, command="kite deploy")
    await ship(
        shipment.manifest,
        shipment.assembly,
        session=session,
        remains=remains,
        holder=await remains.holder(),
        root=shipment.assembly,
        state=state,
        bundles=None,
        findings=False,  # `kite build` has judged them
        events=events,
        asker=asker,
    )
    return shipment.manifest


def _refuse_other_stage(record: BuildRecord, option: str | None, environment: Mapping[str, str]) -> None:
    source, wanted = ("--stage", option) if option is not None else (STAGE_VARIABLE, environment.get(STAGE_VARIABLE))
    if wanted and wanted != record.stage:
        raise SkykiteError(
            "build-other-stage",
            f"the build is for stage `{record.stage}`, and {source} says `{wanted}`; "
            "the names and settings of its stage are in a build's templates",
            hint=f"make one for that stage: `kite build --stage {wanted} --out …`; or leave {source} out",
        )


def _refuse_other_region(record: BuildRecord, environment: Mapping[str, str]) -> None:
    for name in _REGION_VARIABLES:
        wanted = environment.get(name)
        if wanted:
            if wanted != record.region:
                raise _other_region(record, name, wanted)
            return


def _other_region(record: BuildRecord, source: str, wanted: str) -> SkykiteError:
    return SkykiteError(
        "build-other-region",
        f"the build is for `{record.region}`, and {source} says `{wanted}`; the region is in a build's templates",
        hint=f"deploy it to {record.region}, or set `region` in kite.toml and build again",
    )


async def _refuse_other_account(record: BuildRecord, session: AwsSession) -> None:
    account = await session.run(session.sts.account)
    if account != record.account:
        raise SkykiteError(
            "build-other-account",
            f"the build is for account `{record.account}`, which its stacks name, "
            f"and these credentials are of `{account}`",
            hint="sign in to that account, for instance with AWS_PROFILE, or build from stacks without `env`",
        )


def _aws_session(record: BuildRecord, environment: Mapping[str, str]) -> AwsSession:
    from skykite.aws import AwsSession

    return AwsSession(
        region=record.region,
        endpoint_url=environment.get("AWS_ENDPOINT_URL") or None,
        profile=environment.get("AWS_PROFILE") or None,
    )


def _project(settings: Settings, record: BuildRecord, *, needed: bool) -> Project | None:
    """The build's project, if we are in it: outputs go there, and the embedded cloud is its own."""
    explicit = settings.project is not None
    try:
        project = find_project(Path.cwd(), explicit=settings.project)
    except SkykiteError:
        if needed or explicit:
            raise
        return None
    if project.name == record.app:
        return project
    if needed or explicit:
        raise SkykiteError(
            "build-other-app",
            f"the build is of app `{record.app}`, and `{project.root}` is the project of `{project.name}`",
            hint="go to the project of the build; without --local and --project, none is needed",
        )
    return None


@contextmanager
def _state(project: Project | None, record: BuildRecord, events: EventSink) -> Iterator[Path]:
    """The `.kite` that outputs go to: the project's; without one, that of the current folder, if nobody else's."""
    state = _own_state(record) if project is None else prepare_folder(project.state)
    if state is not None:
        yield state
        return
    events.emit(
        Notice(
            notice="outputs-not-kept",
            message="outputs are printed, and written nowhere: the current folder is of another app, or read-only",
        )
    )
    with tempfile.TemporaryDirectory(prefix="kite-deploy-") as folder:
        yield Path(folder)


def _own_state(record: BuildRecord) -> Path | None:
    """That of the current folder, where the stage's outputs can be written."""
    here = Path.cwd()
    try:
        if find_project(here).root == here:  # of another app, or it would be the project
            return None
    except SkykiteError as error:
        if error.code != "project-not-found":
            return None
    try:
        state = prepare_folder(here / STATE_DIRECTORY)
        (state / record.stage).mkdir(exist_ok=True)
    except (SkykiteError, OSError):
        return None
    return state
