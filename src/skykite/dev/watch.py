"""File changes as they happen. Only a way to react before the next request: correctness never depends on it.

Watches the directories that hold files somebody read, not the whole tree: a `.venv` or `node_modules` costs nothing.
I/O: the operating system's file notifications, on Linux through `inotify`, elsewhere through watchfiles.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skykite.dev.inotify import Inotify

_DEBOUNCE_MS = 50  # an editor's save is several operations
_STEP_MS = 10
_LOOK_MS = 1000

Directories = Callable[[], frozenset[Path]]


def watch(directories: Directories, moved: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """Yield sets of changed files. Set `moved` when `directories()` may answer something else than before.

    Now and then the set is empty: what nobody was told of is for the caller to find, as on file systems that tell of
    nothing, or what was saved while the watching was moved.
    """
    return by_inotify(directories, moved) if sys.platform == "linux" else by_watchfiles(directories, moved)


async def by_inotify(directories: Directories, moved: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """Linux alone has it."""
    from skykite.dev.inotify import Inotify

    try:
        inotify = Inotify()
    except OSError:  # there are no more of them to be had: it has to do without
        while True:
            await asyncio.sleep(_LOOK_MS / 1000)
            yield frozenset()
    with inotify:
        moved.clear()
        inotify.follow(_existing(directories()))
        follower = asyncio.create_task(_follow(inotify, directories, moved))
        try:
            while not follower.done():
                try:
                    async with asyncio.timeout(_LOOK_MS / 1000):
                        await inotify.news.wait()
                except TimeoutError:
                    inotify.look_again()
                    yield frozenset()
                changed, everything = inotify.take()
                if changed:
                    yield changed
                if not everything:
                    yield frozenset()
            follower.result()
        finally:
            follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await follower


async def _follow(inotify: Inotify, directories: Directories, moved: asyncio.Event) -> None:
    while True:
        await moved.wait()
        moved.clear()
        inotify.follow(_existing(directories()))


async def by_watchfiles(directories: Directories, moved: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """It looks for news a hundred times a second."""
    from watchfiles import awatch

    while True:
        moved.clear()
        current = _nameable(directories())
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
    return {path for path in directories if path.is_dir()}


def _nameable(directories: frozenset[Path]) -> set[Path]:
    return {path for path in _existing(directories) if _is_text(path)}


def _is_text(path: Path) -> bool:
    """Names may be bytes that are no text, which watchfiles cannot be given."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


async def _relay(source: asyncio.Event, target: asyncio.Event, directories: Directories, known: set[Path]) -> None:
    """Set `target` once the directories are others than those known."""
    await source.wait()
    while _nameable(directories()) == known:
        source.clear()
        await source.wait()
    target.set()
