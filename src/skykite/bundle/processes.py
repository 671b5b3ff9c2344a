"""Runs a tool to its end. In: a command. Out: how it ended, and what it complained of. I/O: a child process, which ends
with whoever waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`complaint` is what was written to stderr."""

    status: int
    complaint: str


async def run_tool(command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str]) -> Ended:
    """Raises OSError if it cannot be started. Cancelling ends the tool."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
    )
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(status=process.returncode, complaint=complaint.decode(errors="replace"))
