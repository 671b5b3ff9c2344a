"""Which Node runs functions of a Lambda runtime: the one with its major version, if there is one.

Skykite's own is taken where it has that version, else the `node` on the PATH. Where neither has it, Skykite's own runs
the function, and that is said once. I/O: asks the `node` on the PATH for its version.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from skykite.model.events import Notice
from skykite.ports import EventSink


class NodeChoice:
    """`own` finds the Node that comes with Skykite, or raises `node-missing`."""

    def __init__(self, own: Callable[[], Path], *, host: Mapping[str, str], events: EventSink) -> None:
        self._own = own
        self._host = host
        self._events = events
        self._versions: dict[Path, asyncio.Task[int | None]] = {}
        self._noticed: set[str] = set()

    async def node_for(self, runtime: str) -> Path:
        """Raises SkykiteError."""
        own = self._own()
        wanted = major_of(runtime)
        if wanted is None or await self._version(own) == wanted:
            return own
        found = shutil.which("node", path=self._host.get("PATH"))
        if found is not None and await self._version(Path(found)) == wanted:
            return Path(found)
        if runtime not in self._noticed:
            self._noticed.add(runtime)
            self._events.emit(
                Notice(
                    notice="runtime-differs",
                    message=f"functions for `{runtime}` run on Node {await self._version(own)} here, and on "
                    f"Node {wanted} in AWS",
                    hint=f"for the same one, put a Node {wanted} on the PATH, or set `runtime`",
                )
            )
        return own

    async def _version(self, node: Path) -> int | None:
        if node not in self._versions:
            self._versions[node] = asyncio.create_task(_ask_major(node))
        return await asyncio.shield(self._versions[node])


def major_of(runtime: str) -> int | None:
    """24 of `nodejs24.x`."""
    found = re.fullmatch(r"nodejs(\d+)\.x", runtime)
    return int(found.group(1)) if found else None


async def _ask_major(node: Path) -> int | None:
    """None if it does not say, which shows with its first worker."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(node),
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    answer, _ = await process.communicate()
    found = re.match(rb"v(\d+)\.", answer)
    return int(found.group(1)) if found else None
