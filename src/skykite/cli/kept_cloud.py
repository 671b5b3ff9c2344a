"""What commands say and need of the embedded cloud that `kite cloud start` keeps running.

In: a project. Out: its keeper, events about it, or the error that says what to do. I/O: the keeper's lock and note, and
questions to it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from skykite.cloud import cloud_owner, read_address, translate_urls
from skykite.dev.kept import DiedKeeper, KeptCloud, find_keeper, forget_died, kept_cloud, wait_for_keeper
from skykite.errors import SkykiteError
from skykite.model.events import CloudStarted, CloudStatus, CloudStopped, DeployFinished, Event, Notice
from skykite.model.project import Project
from skykite.ports import Clock, EventSink

if TYPE_CHECKING:
    from skykite.deploy import StageFiles

_START_S: Final = 60.0  # for a keeper that another command is starting
_DEBUGGERS: Final = ("KITE_DEBUGGER", "PYDEVD_", "DEBUGPY_")


def local_directory(project: Project) -> Path:
    """Where the embedded cloud of a project, and what keeps it, have their files."""
    return project.state / "local"


def required(project: Project) -> KeptCloud:
    """The kept cloud. Raises `cloud-not-kept` if there is none."""
    directory = local_directory(project)
    found = kept_cloud(directory)
    if found is not None:
        return found
    owner = cloud_owner(directory)
    if owner is not None:
        raise SkykiteError(
            "cloud-in-use",
            f"process {owner} runs the embedded cloud of `{project.name}` for as long as it runs itself, "
            "so nothing can be deployed to it",
            hint="end it (Ctrl-C where `kite dev --local` runs), then run `kite cloud start`",
        )
    raise SkykiteError(
        "cloud-not-kept",
        f"no embedded cloud is kept running for `{project.name}`",
        hint="start one with `kite cloud start`",
    )


def refuse_kept(project: Project) -> None:
    """Raises `cloud-in-use` for a command that wants the embedded cloud to itself."""
    found = find_keeper(local_directory(project))
    if isinstance(found, KeptCloud):
        raise SkykiteError(
            "cloud-in-use",
            f"process {found.note.pid} keeps the embedded cloud of `{project.name}` running",
            hint="`kite cloud stop` ends it; `kite dev --local --bridge` works with it",
        )


async def running_already(project: Project) -> CloudStarted | None:
    """What to say if the cloud is kept before `kite cloud start` has done anything. Waits for one that is starting."""
    directory = local_directory(project)
    found = find_keeper(directory)
    if isinstance(found, KeptCloud) and not found.ready:
        found = await wait_for_keeper(directory, patience_s=_START_S)
    if isinstance(found, KeptCloud):
        status = await found.status()
        return CloudStarted(
            app=project.name,
            pid=found.note.pid,
            since=found.note.since,
            url=status.url,
            log=found.note.log,
            elapsed_ms=0.0,
            already=True,
        )
    return None


def make_way(project: Project, events: EventSink) -> None:
    """Tell of a keeper that died, and refuse where somebody else runs the cloud. Raises `cloud-in-use`."""
    directory = local_directory(project)
    owner = cloud_owner(directory)
    if owner is not None and read_address(directory) is not None:
        raise SkykiteError(
            "cloud-in-use",
            f"process {owner} runs the embedded cloud of `{project.name}` for as long as it runs itself",
            hint="end it (Ctrl-C where `kite dev --local` runs); `kite cloud start` then goes on with its data",
        )
    found = find_keeper(directory)
    if isinstance(found, DiedKeeper):
        events.emit(
            Notice(
                notice="cloud-died",
                message=f"the last kept cloud ended by itself: process {found.note.pid} is gone",
                hint=f"its log is `{found.note.log}`" if found.note.log else None,
            )
        )
        forget_died(directory)


def keeper_command(project: Project, *, iam: bool) -> list[str]:
    """Starts a detached keeper. `-P` keeps a user's folder of our name from being taken for us."""
    start = [sys.executable, "-P", "-m", "skykite", "cloud", "start", "--detached", "--project", str(project.root)]
    return start if iam else [*start, "--no-iam"]


def keeper_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Of the command that starts it, without a debugger that is attached to that."""
    return {name: value for name, value in environment.items() if not name.startswith(_DEBUGGERS)}


async def stop_kept(project: Project, clock: Clock) -> CloudStopped:
    """Stop what is there to stop, and say what there was."""
    directory, began = local_directory(project), clock.monotonic()
    found = find_keeper(directory)
    if isinstance(found, KeptCloud) and not found.ready:
        found = await wait_for_keeper(directory, patience_s=_START_S) or find_keeper(directory)
    match found:
        case None:
            return CloudStopped(app=project.name, result="not-running", elapsed_ms=0.0)
        case DiedKeeper():
            forget_died(directory)
            return CloudStopped(app=project.name, result="died", pid=found.note.pid, log=found.note.log, elapsed_ms=0.0)
        case KeptCloud():
            result = await found.stop()
            elapsed = (clock.monotonic() - began) * 1000
            return CloudStopped(
                app=project.name, result=result, pid=found.note.pid, log=found.note.log, elapsed_ms=elapsed
            )


async def look(project: Project) -> CloudStatus:
    """How the embedded cloud of a project is."""
    directory = local_directory(project)
    found = find_keeper(directory)
    if found is None:
        address = read_address(directory)
        if address is None:
            return CloudStatus(app=project.name, state="stopped")
        return CloudStatus(app=project.name, state="dev", pid=cloud_owner(directory), url=address.url)
    pid, since = found.note.pid, found.note.since
    if isinstance(found, DiedKeeper):
        return CloudStatus(app=project.name, state="died", pid=pid, since=since, log=found.note.log)
    log = found.note.log
    if not found.ready:
        return CloudStatus(app=project.name, state="starting", pid=pid, since=since, log=log)
    try:
        status = await found.status()
    except SkykiteError:
        return CloudStatus(app=project.name, state="unresponsive", pid=pid, since=since, log=log)
    return CloudStatus(
        app=project.name,
        state="kept",
        pid=pid,
        since=since,
        url=status.url,
        functions=status.functions,
        running=status.running,
        memory_mb=status.memory_mb,
        apis=status.apis,
        log=log,
    )


class LocalOutputs:
    """An event sink that holds the outputs of a deploy back until the URLs in them are those that work here."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._finished: DeployFinished | None = None

    def emit(self, event: Event) -> None:
        if isinstance(event, DeployFinished):
            self._finished = event
        else:
            self._events.emit(event)

    async def show(self, kept: KeptCloud, files: StageFiles) -> None:
        """Say them now, and write them for `kite outputs`."""
        if self._finished is None:
            return
        urls = {api.id: api.url for api in await kept.apis()}
        outputs = {
            stack: {key: translate_urls(value, urls) for key, value in values.items()}
            for stack, values in self._finished.outputs.items()
        }
        files.write_outputs(outputs)
        self._events.emit(msgspec.structs.replace(self._finished, outputs=outputs))
