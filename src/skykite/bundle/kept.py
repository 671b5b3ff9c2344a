"""What is made once and kept in the cache, under a name that says what it holds: made beside its place, and put there
whole. I/O: the cache folder."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def working_folder(cache: Path) -> AsyncIterator[Path]:
    """An empty folder in `cache` for as long as the block lasts."""
    work = await asyncio.to_thread(_new_folder, cache)
    try:
        yield work
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


def _new_folder(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".making-", dir=cache))


def keep(made: Path, folder: Path) -> None:
    """Put what was made in its place, unless another process was faster, with the same content."""
    try:
        made.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise
