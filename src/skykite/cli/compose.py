"""Makes every adapter and introduces the rooms to each other: the only place that knows them all.

In: settings from the command line. Out: commands that have run. I/O: whatever the rooms do.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from skykite.cli.project import find_project, prepare_state, read_project
from skykite.cli.render import open_console
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.errors import SkykiteError
from skykite.model.names import RequestId
from skykite.model.synthesis import Synthesis
from skykite.ports import Asker, EventSink

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.deploy import Deployer
    from skykite.dev.session import DevSession

_T = TypeVar("_T")


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        return time.perf_counter()

    def now(self) -> datetime:
        return datetime.now(UTC)


class SystemIds:
    """The machine's randomness."""

    def request_id(self) -> RequestId:
        return RequestId(str(uuid.uuid4()))

    def token(self) -> str:
        return secrets.token_urlsafe(24)


CLOCK = SystemClock()
IDS = SystemIds()


def run_dev(settings: Settings, *, port: int | None) -> None:
    """`kite dev --local`, until Ctrl-C."""
    workspace = open_workspace(settings, local=True)
    prepare_state(workspace.project)
    with open_console(settings) as (events, asker):
        _run(lambda stop: _dev_session(workspace, events, asker, port=port).run(stop))


def _dev_session(workspace: Workspace, events: EventSink, asker: Asker, *, port: int | None) -> DevSession:
    from skykite.cli.environment import load_environment
    from skykite.dev.session import DevOptions, DevSession
    from skykite.runtime import detect_debugger

    project = workspace.project
    return DevSession(
        options=DevOptions(
            project=project,
            stage=workspace.stage,
            load_project=lambda: read_project(project.root),
            load_environment=lambda: load_environment(project.root, workspace.stage, os.environ),
            port=port,
            debugger=detect_debugger(),
        ),
        clock=CLOCK,
        ids=IDS,
        events=events,
        asker=asker,
    )


def run_deploy(settings: Settings) -> None:
    """`kite deploy`: synth, bundles, change sets; outputs on stdout."""
    from skykite.synth import synthesize

    workspace = open_workspace(settings, local=False)
    prepare_state(workspace.project)
    with open_console(settings) as (events, asker):

        async def deploy(_: asyncio.Event) -> None:
            session = _aws_session(workspace)
            result = await synthesize(
                _deploy_synthesis(workspace), environment=workspace.environment.variables, events=events, clock=CLOCK
            )
            await _deployer(workspace, session, events, asker).deploy(
                result.manifest, result.assembly, build=_builder(workspace)
            )

        _run(deploy)


def run_bootstrap(settings: Settings) -> None:
    """`kite bootstrap`."""
    workspace = open_workspace(settings, local=False)
    with open_console(settings) as (events, asker):

        async def bootstrap(_: asyncio.Event) -> None:
            await _deployer(workspace, _aws_session(workspace), events, asker).bootstrap()

        _run(bootstrap)


def run_remove(settings: Settings, *, local: bool) -> None:
    """`kite remove`."""
    workspace = open_workspace(settings, local=local)
    prepare_state(workspace.project)
    with open_console(settings) as (events, asker):

        async def remove(_: asyncio.Event) -> None:
            project = workspace.project
            if not local:
                await _deployer(workspace, _aws_session(workspace), events, asker).remove(project.name, workspace.stage)
                return
            from skykite.dev.lock import hold_stage

            with hold_stage(workspace.state, workspace.stage, now=CLOCK.now()):
                cloud = _embedded_cloud(workspace, events)
                address = await cloud.start()
                try:
                    session = _session_at(address)
                    await _deployer(workspace, session, events, asker).remove(project.name, workspace.stage)
                finally:
                    await cloud.stop()

        _run(remove)


def run_invoke(settings: Settings, *, function: str, event: Path | None, local: bool) -> int:
    """`kite invoke`; returns the exit code."""
    raise NotImplementedError


def _deploy_synthesis(workspace: Workspace) -> Synthesis:
    project = workspace.project
    return Synthesis(
        app=project.name,
        stage=workspace.stage,
        region=project.region,
        mode="deploy",
        project_root=str(project.root),
        main=str(project.main),
        outdir=str(workspace.assembly),
    )


def _run(main: Callable[[asyncio.Event], Coroutine[object, object, _T]]) -> _T:
    """Run to the end, or until Ctrl-C or SIGTERM sets the event that `main` gets; a second Ctrl-C leaves at once.

    Leaving at once leaves no process behind: every child of ours ends when its parent does.
    """

    async def supervised() -> _T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            if stop.is_set():
                os._exit(130)
            stop.set()

        if sys.platform == "win32":
            signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(on_signal))
        else:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, on_signal)
        return await main(stop)

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(supervised())
