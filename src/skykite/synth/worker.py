"""One process that runs the user's program once: started, told what to do, listened to, ended.

In: the variables and the folder it runs in, an `Order`. Out: what it printed, as events, and its `Report`. I/O: one
child process (`child`) with whatever it starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.model.full_disk import explain_last_words
from skykite.ports import EventSink
from skykite.synth.process_group import OWN_GROUP
from skykite.synth.report import Order, Report, decode_report, encode_order

_OUTPUT_LIMIT: Final = 10 * 1024 * 1024  # bytes
_OUTPUT_SHOWN: Final = 200  # lines
_LINE_SHOWN: Final = 500  # characters
_TAIL: Final = 5  # lines
_LEAVING: Final = 3.0  # seconds that a process gets to leave once its work is done
_LEAVING_UNUSED: Final = 1.5  # the same, without any work


class Worker:
    """Use `run` once, and `end` in any case."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail: list[str] = []
        self._ordered = self._done = False
        self.said = 0
        """Lines that were shown."""

    @classmethod
    async def start(
        cls, variables: Mapping[str, str], project_root: str, *, memory: Path | None = None, ahead: bool = False
    ) -> Worker:
        """See `child` for `memory` and `ahead`."""
        arguments = [] if memory is None else [str(memory), *(["--ahead"] if ahead else [])]
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "skykite.synth.child",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(variables),
                cwd=project_root,
                limit=1 << 16,
                **OWN_GROUP,
            )
        )

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def run(self, order: Order, events: EventSink, *, already_said: int = 0) -> Report | None:
        """None if it ended without a report; `died` then says how. Of what the program prints, `already_said` lines
        are known: another process showed them. Raises `main-endless`."""
        assert self._process.stdin is not None
        self._ordered = True
        self._process.stdin.write(encode_order(order))
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.drain()
        await self._follow(events, already_said)
        report = _read_report(Path(order.report))
        if report is None:
            await self._process.wait()
        self._done = report is not None
        return report

    def died(self, variables: Mapping[str, str]) -> SkykiteError:
        """Of a process that ended without a report. `variables` are those it ran with."""
        returncode = self._process.returncode or 0
        last = self._tail[-1] if returncode > 0 and self._tail else ""
        if explained := explain_last_words(last, bytecode=variables.get("PYTHONPYCACHEPREFIX")):
            return explained
        if returncode < 0:
            name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else str(-returncode)
            ended = f"was ended by the signal {name}"
        else:
            ended = f"ended with status {returncode} and no word"
        return SkykiteError(
            "synth-died",
            f"the process that runs the stacks {ended}",
            context="\n".join(self._tail[-_TAIL:]) or None,
            hint="a native library that crashed, too little memory, or `os._exit` in the stacks can do that",
        )

    async def end(self) -> None:
        """Return once it is gone. One that has done its work, or has none, may leave by itself."""
        if self.alive and (self._done or not self._ordered):
            if not self._ordered and self._process.stdin is not None:
                self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _LEAVING if self._done else _LEAVING_UNUSED)
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._kill()
            await self._process.wait()

    def _kill(self) -> None:
        """With whatever it has started, where a process leads a group: Node, and the user's own programs."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _follow(self, events: EventSink, already_said: int) -> None:
        """Show what the program prints, as far as anyone wants to read it; keep its last lines."""
        assert self._process.stdout is not None
        size = 0
        rest = b""
        while chunk := await self._process.stdout.read(1 << 16):
            size += len(chunk)
            if size > _OUTPUT_LIMIT:
                raise SkykiteError(
                    "main-endless",
                    f"the stacks printed more than {_OUTPUT_LIMIT // 1024 // 1024} MB, and were stopped",
                    context="\n".join(self._tail[-_TAIL:]),
                    hint="look for a loop that does not end",
                )
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._show(line, events, already_said)
        if rest:
            self._show(rest, events, already_said)

    def _show(self, line: bytes, events: EventSink, already_said: int) -> None:
        text = _shorten(line)
        self._tail = [*self._tail[-_TAIL:], text]
        self.said += 1
        if already_said < self.said <= _OUTPUT_SHOWN + 1:
            message = text if self.said <= _OUTPUT_SHOWN else "…"
            events.emit(Notice(notice="synth-output", message=message))


def _read_report(file: Path) -> Report | None:
    try:
        return decode_report(file.read_bytes())
    except OSError:
        return None


def _shorten(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r")
    return text if len(text) <= _LINE_SHOWN else f"{text[:_LINE_SHOWN]}…"
