"""File changes as they happen. Only a way to react before the next request: correctness never depends on it.

Watches the directories that hold files somebody read, not the whole tree: a `.venv` or `node_modules` costs nothing.
I/O: the operating system's file notifications, through watchfiles.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

_DEBOUNCE_MS = 50  # an editor's save is several operations
_STEP_MS = 10


async def watch(directories: Callable[[], frozenset[Path]], moved: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """Yield sets of changed files. Set `moved` when `directories()` may answer something else than before."""
    from watchfiles import awatch

    while True:
        moved.clear()
        current = {path for path in directories() if _is_text(path) and path.is_dir()}
        if not current:
            await moved.wait()
            continue
        stop = asyncio.Event()
        relay = asyncio.create_task(_relay(moved, stop))
        try:
            async for changes in awatch(
                *current, recursive=False, stop_event=stop, debounce=_DEBOUNCE_MS, step=_STEP_MS, watch_filter=None
            ):
                yield frozenset(Path(path) for _, path in changes)
        finally:
            relay.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await relay


def _is_text(path: Path) -> bool:
    """Names may be bytes that are no text, which watchfiles cannot be given."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


async def _relay(source: asyncio.Event, target: asyncio.Event) -> None:
    await source.wait()
    target.set()
