"""Start a keeper that outlives the command and its terminal, and wait until it is ready.

The keeper is a process in a session of its own. Its stdout is ours until it is ready: events as lines of JSON, of which
`cloud.started` or `error` is the last. Everything it says also goes to its log. I/O: starts that process, writes the
log's first bytes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

from skykite.cloud import own_session
from skykite.dev.kept import LOG_FILE
from skykite.errors import SkykiteError
from skykite.model.events import CloudStarted, ErrorRaised, Notice
from skykite.ports import EventSink

LOG_LIMIT: Final = 5 * 1024 * 1024
_LOG_TAIL_LINES: Final = 20


async def launch_keeper(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str], events: EventSink
) -> CloudStarted:
    """Raises what the keeper met, or `cloud-start-failed` if it ended without a word. Notices are passed on.

    `directory` is the project's `.kite/local`, which exists.
    """
    log = directory / LOG_FILE
    keeper = _spawn(command, log, environment)
    assert keeper.stdout is not None
    ready = False
    try:
        found = await asyncio.to_thread(_hear, keeper.stdout, events.emit)
        ready = isinstance(found, CloudStarted)
    finally:
        if not ready:
            keeper.kill()  # what it started ends with it
        keeper.stdout.close()
    if isinstance(found, CloudStarted):
        keeper.returncode = 0  # not ours any more: nobody is to wait for it
        return found
    await asyncio.to_thread(keeper.wait)
    if found is not None:
        raise SkykiteError(
            found.error, found.message, context=found.context, hint=found.hint, link=found.link, blame=found.blame
        )
    raise SkykiteError(
        "cloud-start-failed",
        "the process that was to keep the embedded cloud ended while it started",
        context=_tail(log),
        hint=f"its log is `{log}`",
        blame="skykite",
    )


def _spawn(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with open_log(log) as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            cwd=log.parent,
            env=environment,
            **own_session(),
        )


def open_log(log: Path) -> IO[bytes]:
    """To write at its end, for its owner's eyes. One that has grown large makes room first."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _hear(stream: IO[bytes], tell: Callable[[Notice], None]) -> CloudStarted | ErrorRaised | None:
    for line in stream:
        found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        match msgspec.json.decode(found.get("code", msgspec.Raw(b'""'))):
            case CloudStarted.code:
                return msgspec.json.decode(line, type=CloudStarted)
            case ErrorRaised.code:
                return msgspec.json.decode(line, type=ErrorRaised)
            case Notice.code:
                tell(msgspec.json.decode(line, type=Notice))
    return None


def _tail(log: Path) -> str | None:
    lines = deque(log.read_text(encoding="utf-8", errors="replace").splitlines(), maxlen=_LOG_TAIL_LINES)
    return "\n".join(lines) or None
