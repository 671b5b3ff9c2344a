"""Makes every adapter and introduces the rooms to each other: the only place that knows them all.

In: settings from the command line. Out: commands that have run. I/O: whatever the rooms do.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from skykite.cli.clock import SystemClock
from skykite.cli.console import looked_at, open_console
from skykite.cli.environment import load_environment
from skykite.cli.invoking import shown_log
from skykite.cli.late import LateBuilds, LateBundles
from skykite.cli.loop import run_loop
from skykite.cli.project import prepare_state, read_project
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.errors import SkykiteError
from skykite.model.events import (
    ErrorRaised,
    Event,
    InvocationFinished,
    Notice,
    StepFinished,
    StepProgress,
    StepStarted,
)
from skykite.model.live import STUB_VARIABLE
from skykite.model.locations import cache_directory
from skykite.model.manifest import MANIFEST_FILE
from skykite.model.names import AppName, RequestId, StageName
from skykite.ports import Asker, EventSink, SourceBuilds

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.bundle import Bundler, EsbuildTool
    from skykite.cloud import CloudAddress, EmbeddedCloud
    from skykite.deploy import Deployer
    from skykite.dev.place import Place, Surroundings
    from skykite.dev.session import DevSession
    from skykite.live.cleanup import LiveRemains
    from skykite.model.invocation import FunctionKind
    from skykite.model.manifest import Manifest
    from skykite.model.project import Project


class SystemIds:
    """The machine's randomness. Asked for every request, so it is fetched for many at once."""

    def __init__(self) -> None:
        self._random = b""

    def request_id(self) -> RequestId:
        """A version 4 UUID."""
        if not self._random:
            self._random = os.urandom(16 * 256)
        taken, self._random = self._random[:16].hex(), self._random[16:]
        variant = "89ab"[int(taken[16], 16) & 3]
        return RequestId(f"{taken[:8]}-{taken[8:12]}-4{taken[13:16]}-{variant}{taken[17:20]}-{taken[20:]}")

    def token(self) -> str:
        return secrets.token_urlsafe(24)


CLOCK = SystemClock()
IDS = SystemIds()


def run_dev(
    settings: Settings,
    *,
    local: bool,
    bridge: bool,
    port: int | None,
    functions: tuple[str, ...] | None,
    iam: bool = True,
    wait: bool | None = None,
    inspect: int | None = None,
    python: str | None = None,
) -> None:
    """`kite dev`, until Ctrl-C. Under a debugger another process does it, and this one only waits."""
    from skykite.cli.kept_cloud import refuse_kept
    from skykite.runtime import run_outside_debugger

    run_outside_debugger(sys.argv[1:])
    workspace = open_workspace(settings, local=local)
    prepare_state(workspace.project)
    if local and not bridge:
        refuse_kept(workspace.project)
    with open_console(settings) as (events, asker):
        run_loop(
            lambda stop: _dev_session(
                workspace,
                events,
                asker,
                local=local,
                bridge=bridge,
                port=port,
                functions=functions,
                iam=iam,
                wait=looked_at(settings) if wait is None else wait,
                inspect=inspect,
                python=python,
            ).run(stop),
            stoppable=True,
        )


def _dev_session(
    workspace: Workspace,
    events: EventSink,
    asker: Asker,
    *,
    local: bool = True,
    bridge: bool = False,
    port: int | None,
    functions: tuple[str, ...] | None = None,
    iam: bool = True,
    wait: bool = False,
    inspect: int | None = None,
    python: str | None = None,
) -> DevSession:
    from skykite.dev.place import DevOptions
    from skykite.dev.session import DevSession
    from skykite.runtime import detect_debugger, detect_editor

    project = workspace.project
    return DevSession(
        options=DevOptions(
            project=project,
            stage=workspace.stage,
            load_project=lambda: read_project(project.root),
            load_environment=lambda: _environment(workspace),
            bundles=LateBundles(lambda: make_bundler(workspace, events)),
            functions=functions,
            port=port,
            debugger=detect_debugger(),
            iam=iam,
            wait=wait,
            inspect=inspect,
            python=python,
            editor=detect_editor(),
            builds=_source_builds(workspace, events),
        ),
        make_place=lambda surroundings: _place(workspace, surroundings, local=local, bridge=bridge),
        clock=CLOCK,
        ids=IDS,
        events=events,
        asker=asker,
    )


def _source_builds(workspace: Workspace, events: EventSink) -> Mapping[FunctionKind, SourceBuilds]:
    """What makes functions ready to run here, where that is not their source."""
    variables = workspace.environment.variables

    def node() -> SourceBuilds:
        from skykite.bundle import NodeBuilds

        return NodeBuilds(_esbuild(workspace, events), environment=variables)

    def executable() -> SourceBuilds:
        from skykite.bundle import ExecutableBuilds

        return ExecutableBuilds(cache=cache_directory(variables), environment=variables, events=events)

    return {"node": LateBuilds(node), "executable": LateBuilds(executable)}


def _place(workspace: Workspace, surroundings: Surroundings, *, local: bool, bridge: bool) -> Place:
    if local and not bridge:
        from skykite.dev.local import LocalPlace

        return LocalPlace(surroundings)
    from skykite.dev.clouds import AwsCloud, KeptEmbeddedCloud, OwnEmbeddedCloud
    from skykite.dev.kept import kept_cloud
    from skykite.dev.live import LivePlace

    if not local:
        return LivePlace(surroundings, AwsCloud(aws_session(workspace)))
    kept = kept_cloud(workspace.project.state / "local")
    if kept is not None and not surroundings.options.iam:
        raise SkykiteError(
            "option-conflict",
            f"`--no-iam` comes too late for the embedded cloud that process {kept.note.pid} keeps",
            hint="`kite cloud stop`, then `kite cloud start --no-iam`",
        )
    return LivePlace(surroundings, OwnEmbeddedCloud(surroundings) if kept is None else KeptEmbeddedCloud(kept))


def _environment(workspace: Workspace) -> tuple[Mapping[str, str], tuple[Path, ...]]:
    found = load_environment(workspace.project.root, workspace.stage, os.environ)
    return found.variables, found.files


def run_bootstrap(settings: Settings) -> None:
    """`kite bootstrap`."""
    workspace = open_workspace(settings, local=False)
    with open_console(settings) as (events, asker):

        async def bootstrap(_: asyncio.Event) -> None:
            await make_deployer(workspace.project, aws_session(workspace), events, asker).bootstrap()

        run_loop(bootstrap)


def run_remove(settings: Settings, *, local: bool) -> None:
    """`kite remove`; with `local`, also when nothing runs."""
    from skykite.dev.kept import kept_cloud
    from skykite.dev.lock import hold_stage

    workspace = open_workspace(settings, local=local)
    prepare_state(workspace.project)
    with (
        open_console(settings) as (events, asker),
        hold_stage(workspace.state, workspace.stage, now=CLOCK.now()),
    ):

        async def remove(_: asyncio.Event) -> None:
            kept = kept_cloud(workspace.project.state / "local") if local else None
            if not local or kept is not None:
                session = aws_session(workspace) if kept is None else session_at(kept.address())
                await _remove(workspace, session, events, asker)
                return
            cloud = embedded_cloud(workspace, events)
            address = await cloud.start()
            try:
                await _remove(workspace, session_at(address), events, asker)
            finally:
                await cloud.stop()

        run_loop(remove)


async def _remove(workspace: Workspace, session: AwsSession, events: EventSink, asker: Asker) -> None:
    deployer = make_deployer(workspace.project, session, events, asker)
    manifest = read_manifest(workspace) if (workspace.assembly / MANIFEST_FILE).is_file() else None
    remains = live_remains(workspace.project.name, workspace.stage, session, events, command="kite remove")
    holder = await remains.holder()
    await remains.agree_to_end(holder, asker, doing="removing")
    removed = await deployer.remove(workspace.project.name, workspace.stage, manifest=manifest)
    await remains.clear(expected=removed.was_live)
    if holder is not None and await deployer.is_live(workspace.project.name, workspace.stage):
        message = f"{holder.holder}, deployed the stage again meanwhile: it is removed once more"
        events.emit(Notice(notice="live-came-back", message=message))
        await deployer.remove(workspace.project.name, workspace.stage, manifest=manifest)
    await _remove_secrets(workspace, session, events)


async def _remove_secrets(workspace: Workspace, session: AwsSession, events: EventSink) -> None:
    """With everything else of a personal stage. Those of production stay, as its data does."""
    from skykite.aws import AwsError
    from skykite.deploy import SecretStore
    from skykite.model.secrets import reads_fallback

    if not reads_fallback(workspace.stage):
        return
    try:
        count = await SecretStore(session, app=workspace.project.name, stage=workspace.stage).clear()
    except AwsError as error:
        if error.code != "aws-access-denied":
            raise
        hint = f"remove them with `kite secrets remove`, or allow what is missing: {error.hint}"
        message = f"secrets of stage `{workspace.stage}`, if it has any, are still there: {error.message}"
        events.emit(Notice(notice="secrets-kept", message=message, hint=hint))
        return
    if count:
        secrets = "1 secret" if count == 1 else f"{count} secrets"
        events.emit(Notice(notice="secrets-removed", message=f"{secrets} of stage `{workspace.stage}` removed"))


def run_invoke(settings: Settings, *, function: str, event: Path | None, local: bool, python: str | None = None) -> int:
    """`kite invoke`; returns the exit code.

    A running `kite dev --local` of this project takes the invocation, so that breakpoints and reload work; else it
    goes to the function deployed on AWS, or with `local` to a session started for this one invocation.
    """
    from skykite.cloud import read_address

    workspace = open_workspace(settings, local=True)
    payload = _read_event(event)
    address = read_address(workspace.project.state / "local")
    with open_console(settings) as (events, asker):
        if address is not None:
            return run_loop(lambda _: _invoke_beside(workspace, address, function, payload))
        if local:
            preparations = _Preparations(events)
            return run_loop(lambda _: _invoke_alone(workspace, preparations, asker, function, payload, python))
        manifest = read_manifest(workspace)
        if manifest.mode == "local":
            raise SkykiteError(
                "session-not-running",
                f"no `kite dev --local` runs for `{manifest.app}`, and stage `{manifest.stage}` was only run locally",
                hint="start `kite dev --local` in another terminal, or add --local",
            )
        return run_loop(lambda _: _invoke(workspace, aws_session(workspace), function, payload))


async def _invoke_beside(workspace: Workspace, address: CloudAddress, function: str, payload: bytes) -> int:
    """In the embedded cloud that runs; but a stage that was deployed to AWS is not looked for in one that is kept."""
    from skykite.dev.kept import kept_cloud

    session, manifest = session_at(address), read_manifest(workspace)
    if manifest.mode == "deploy" and kept_cloud(workspace.project.state / "local") is not None:
        found = await asyncio.gather(
            *(session.run(session.cloudformation.stack, stack.name) for stack in manifest.stacks)
        )
        if not any(found):
            session = aws_session(workspace)
    return await _invoke(workspace, session, function, payload)


class _Preparations:
    """Shows how far a session for one invocation is. Its outputs and its log are not what was asked for; what would
    mend a failure is, and is in no answer of Lambda's."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._hints: dict[str, str] = {}

    def emit(self, event: Event) -> None:
        if isinstance(event, StepStarted | StepProgress | StepFinished | Notice | ErrorRaised):
            self._events.emit(event)
        elif isinstance(event, InvocationFinished) and event.error is not None and event.error.hint is not None:
            self._hints[event.error.hint] = event.function

    def tell_hints(self) -> None:
        """Of the functions that failed: that which was asked for, and those it called."""
        for hint, function in self._hints.items():
            sys.stderr.write(f"hint: `{function}`: {hint}\n")
        sys.stderr.flush()


async def _invoke(workspace: Workspace, session: AwsSession, function: str, payload: bytes) -> int:
    from skykite.model.find_function import find_function

    manifest = read_manifest(workspace)
    entry = find_function(manifest, function)
    resources = await session.run(session.cloudformation.resources, entry.stack)
    name = next((r.physical_id for r in resources if r.logical_id == entry.logical_id), None)
    if name is None:
        raise SkykiteError(
            "function-not-deployed",
            f"`{entry.id}` is not deployed on stage `{workspace.stage}` yet",
            hint="run `kite deploy`, or `kite dev --local`",
        )
    result, live = await asyncio.gather(
        session.run(session.lambda_.invoke, name, payload, tail=True), _is_stub(session, name)
    )
    sys.stderr.buffer.write(shown_log(result.log, function=entry.id, live=live))
    sys.stderr.flush()
    sys.stdout.buffer.write(result.payload + b"\n")
    sys.stdout.flush()
    return 0 if result.function_error is None else 1


async def _is_stub(session: AwsSession, name: str) -> bool:
    """Who may not look at the function, is not told."""
    from skykite.aws import AwsError

    try:
        return STUB_VARIABLE in (await session.run(session.lambda_.get_configuration, name)).environment
    except AwsError:
        return False


async def _invoke_alone(
    workspace: Workspace, events: _Preparations, asker: Asker, function: str, payload: bytes, python: str | None
) -> int:
    """A whole session for one invocation: it has what the function may call."""
    from skykite.cloud import read_address

    session = _dev_session(workspace, events, asker, port=0, python=python)
    stop = asyncio.Event()

    async def invoke_when_ready() -> int:
        try:
            await session.wait_ready()
            address = read_address(workspace.project.state / "local")
            assert address is not None
            return await _invoke(workspace, session_at(address), function, payload)
        finally:
            stop.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run(stop))
        invoking = tasks.create_task(invoke_when_ready())
    events.tell_hints()
    return invoking.result()


def _read_event(event: Path | None) -> bytes:
    import json

    if event is None:
        return b"{}"
    source = "stdin" if str(event) == "-" else f"`{event}`"
    payload = sys.stdin.buffer.read() if str(event) == "-" else event.read_bytes()
    try:
        json.loads(payload)
    except ValueError as error:
        raise SkykiteError("event-invalid", f"{source} is not JSON: {error}") from error
    return payload


def read_manifest(workspace: Workspace) -> Manifest:
    from skykite.model.manifest import decode_manifest

    path = workspace.assembly / MANIFEST_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SkykiteError(
            "stage-not-deployed",
            f"stage `{workspace.stage}` of `{workspace.project.name}` was never run from here",
            hint="run `kite dev --local` or `kite deploy` first",
        ) from error
    return decode_manifest(data, source=str(path))


def session_at(address: CloudAddress) -> AwsSession:
    """An embedded cloud."""
    from skykite.dev.reach import session_at

    return session_at(address)


def aws_session(workspace: Workspace) -> AwsSession:
    """AWS as the user's environment says; a profile may come from a `.env` file."""
    from skykite.aws import AwsSession

    return AwsSession(
        region=workspace.project.region,
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None,
        profile=workspace.environment.variables.get("AWS_PROFILE") or None,
    )


def make_deployer(project: Project, session: AwsSession, events: EventSink, asker: Asker) -> Deployer:
    """One project's way to one cloud."""
    from skykite.deploy import Deployer

    return Deployer(
        session=session, events=events, clock=CLOCK, asker=asker, project_root=project.root, state=project.state
    )


def live_remains(
    app: AppName, stage: StageName, session: AwsSession, events: EventSink, *, command: str
) -> LiveRemains:
    """What Live may have left of a stage, and who still uses it."""
    from skykite.live.cleanup import LiveRemains
    from skykite.live.lease import holder_name

    return LiveRemains(
        aws=session,
        events=events,
        app=app,
        stage=stage,
        who=f"`{command}` of {holder_name()}",
    )


def make_bundler(workspace: Workspace, events: EventSink) -> Bundler:
    """What makes and knows the bundles of a project."""
    from skykite.bundle import Bundler, NodeBundles
    from skykite.cloud import uv_environment
    from skykite.synth.node import find_node

    variables, root = workspace.environment.variables, workspace.project.root
    cache = cache_directory(variables)
    return Bundler(
        project_root=root,
        cache=cache,
        environment=uv_environment(variables),
        events=events,
        nodes=NodeBundles(
            _esbuild(workspace, events),
            node=find_node(variables),
            project_root=root,
            cache=cache,
            environment=variables,
        ),
    )


def _esbuild(workspace: Workspace, events: EventSink) -> EsbuildTool:
    from skykite.bundle import EsbuildTool
    from skykite.synth.node import find_node

    variables = workspace.environment.variables
    return EsbuildTool(
        node=find_node(variables), cache=cache_directory(variables), environment=variables, events=events
    )


def embedded_cloud(workspace: Workspace, events: EventSink) -> EmbeddedCloud:
    from skykite.cloud import EmbeddedCloud

    project = workspace.project
    return EmbeddedCloud(
        directory=project.state / "local", region=project.region, handoff=None, events=events, clock=CLOCK, ids=IDS
    )
