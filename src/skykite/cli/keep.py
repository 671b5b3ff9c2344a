"""`kite cloud start`, `stop` and `status`: makes the adapters of a keeper, here or in a process that stays behind.

In: settings from the command line. Out: commands that have run. I/O: whatever a keeper does; starts its process.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from skykite.cli.compose import CLOCK, IDS
from skykite.cli.console import open_console
from skykite.cli.loop import run_loop
from skykite.cli.project import find_project, prepare_state
from skykite.cli.settings import Settings
from skykite.errors import SkykiteError
from skykite.model.project import Project
from skykite.ports import EventSink

if TYPE_CHECKING:
    from skykite.dev.keeping import Keeping


def run_cloud_start(settings: Settings, *, foreground: bool, iam: bool) -> None:
    """`kite cloud start`."""
    from skykite.cli import kept_cloud

    project = find_project(Path.cwd(), explicit=settings.project)
    prepare_state(project)
    with open_console(settings) as (events, _):

        async def start(stop: asyncio.Event) -> None:
            if already := await kept_cloud.running_already(project):
                events.emit(already)
                return
            try:
                kept_cloud.make_way(project, events)
                if foreground:
                    await _keeping(project, events, log=None, iam=iam).run(stop)
                else:
                    await _detach(project, events, iam=iam)
            except SkykiteError as error:
                # Another one that was started at the same moment may have been faster.
                if error.code not in ("cloud-kept", "cloud-in-use"):
                    raise
                already = await kept_cloud.running_already(project)
                if already is None:
                    raise
                events.emit(already)

        run_loop(start, stoppable=foreground)


async def _detach(project: Project, events: EventSink, *, iam: bool) -> None:
    from skykite.cli import kept_cloud
    from skykite.cloud import ensure_environment, ensure_function_environment
    from skykite.cloud.files import make_private_directory
    from skykite.dev.detach import launch_keeper

    began = CLOCK.monotonic()
    # Here, where there is somebody to see how far it is.
    await ensure_environment(events, CLOCK)
    await ensure_function_environment(events, CLOCK)
    directory = kept_cloud.local_directory(project)
    make_private_directory(directory)
    started = await launch_keeper(
        kept_cloud.keeper_command(project, iam=iam),
        directory=directory,
        environment=kept_cloud.keeper_environment(os.environ),
        events=events,
    )
    events.emit(msgspec.structs.replace(started, elapsed_ms=(CLOCK.monotonic() - began) * 1000))


def run_keeper(settings: Settings, *, iam: bool) -> None:
    """The process that `kite cloud start` leaves behind."""
    from skykite.cli.keeper_log import DetachedSink, LogStream
    from skykite.cli.kept_cloud import local_directory
    from skykite.cli.render import open_renderer
    from skykite.dev.kept import LOG_FILE

    project = find_project(Path.cwd(), explicit=settings.project)
    log = local_directory(project) / LOG_FILE
    stream = LogStream(log, CLOCK)
    renderer = open_renderer("plain", stdout=stream, stderr=stream, environment=os.environ, clock=CLOCK)
    sink = DetachedSink(renderer, CLOCK)
    renderer.start()
    try:
        run_loop(lambda stop: _keeping(project, sink, log=log, iam=iam).run(stop), stoppable=True)
    except SkykiteError as error:
        sink.fail(error)
        raise
    finally:
        renderer.stop()


def run_cloud_stop(settings: Settings) -> None:
    """`kite cloud stop`."""
    from skykite.cli.kept_cloud import stop_kept

    project = find_project(Path.cwd(), explicit=settings.project)
    with open_console(settings) as (events, _):
        events.emit(run_loop(lambda _: stop_kept(project, CLOCK)))


def run_cloud_status(settings: Settings) -> int:
    """`kite cloud status`; the exit code says whether a cloud can be worked with."""
    from skykite.cli.kept_cloud import look

    project = find_project(Path.cwd(), explicit=settings.project)
    with open_console(settings) as (events, _):
        status = run_loop(lambda _: look(project))
        events.emit(status)
    return 0 if status.state in ("kept", "dev") else 1


def _keeping(project: Project, events: EventSink, *, log: Path | None, iam: bool) -> Keeping:
    from skykite.cli.kept_cloud import local_directory
    from skykite.dev.keeping import Keeping, KeepOptions

    options = KeepOptions(app=project.name, directory=local_directory(project), region=project.region, log=log, iam=iam)
    return Keeping(options=options, events=events, clock=CLOCK, ids=IDS)
