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
_LOOK_MS = 1000


async def watch(directories: Callable[[], frozenset[Path]], moved: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """Yield sets of changed files. Set `moved` when `directories()` may answer something else than before.

    Now and then the set is empty: what was saved while the watching was moved is for the caller to find.
    """
    from watchfiles import awatch

    while True:
        moved.clear()
        current = _existing(directories())
        if not current:
            await moved.wait()
            continue
        stop = asyncio.Event()
        relay = asyncio.create_task(_relay(moved, stop, directories, current))
        try:
            async for changes in awatch(
                *current,
                recursive=False,
                stop_event=stop,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                watch_filter=None,
            ):
                yield frozenset(Path(path) for _, path in changes)
        except FileNotFoundError:  # one of them has gone since it was looked for
            continue
        finally:
            relay.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await relay


def _existing(directories: frozenset[Path]) -> set[Path]:
    return {path for path in directories if _is_text(path) and path.is_dir()}


def _is_text(path: Path) -> bool:
    """Names may be bytes that are no text, which watchfiles cannot be given."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


async def _relay(
    source: asyncio.Event, target: asyncio.Event, directories: Callable[[], frozenset[Path]], known: set[Path]
) -> None:
    """Set `target` once the directories are others than those known."""
    await source.wait()
    while _existing(directories()) == known:
        source.clear()
        await source.wait()
    target.set()
