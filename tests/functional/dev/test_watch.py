"""Watching folders, with the operating system's own notifications."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import pytest

from skykite.dev.inotify import Inotify
from skykite.dev.watch import Directories, by_inotify, by_watchfiles

Watch = Callable[[Directories, asyncio.Event], AsyncIterator[frozenset[Path]]]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
either = pytest.mark.parametrize("watch", [pytest.param(by_inotify, marks=on_linux), by_watchfiles])


class Vanishing(type(Path())):  # type: ignore[misc]
    """A folder that goes as soon as somebody has seen that it is there."""

    def is_dir(self) -> bool:
        there = bool(super().is_dir())
        if there:
            self.rmdir()
        return there


class Watching:
    """What is yielded, as it comes."""

    def __init__(self, watch: Watch, *folders: Path) -> None:
        self.folders = frozenset(folders)
        self.moved = asyncio.Event()
        self._sets: asyncio.Queue[frozenset[Path]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(watch))

    async def __aenter__(self) -> Self:
        await self.look()  # it stands
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, watch: Watch) -> None:
        async for changed in watch(lambda: self.folders, self.moved):
            self._sets.put_nowait(changed)

    async def look(self) -> None:
        """Until the next set that is empty."""
        async with asyncio.timeout(30):
            while await self._sets.get():
                pass

    async def sees(self, path: Path) -> None:
        async with asyncio.timeout(30):
            while path not in await self._sets.get():
                pass

    async def comes_to_see(self, path: Path) -> None:
        """It is saved again and again: when its folder is watched is not known."""
        async with asyncio.timeout(30):
            while path not in await self._sets.get():
                os.close(os.open(path, os.O_CREAT))
                os.utime(path)

    async def next(self) -> frozenset[Path]:
        async with asyncio.timeout(30):
            while not (changed := await self._sets.get()):
                pass
        return changed


@either
async def test_a_folder_that_goes_while_the_watching_is_set_up_does_not_end_it(watch: Watch, tmp_path: Path) -> None:
    for name in ("stays", "goes"):
        (tmp_path / name).mkdir()
    async with Watching(watch, tmp_path / "stays", Vanishing(tmp_path / "goes")) as watching:
        (tmp_path / "stays" / "saved").touch()
        await watching.sees(tmp_path / "stays" / "saved")
    assert not (tmp_path / "goes").exists()


@either
async def test_every_way_to_save_a_file_is_seen(watch: Watch, tmp_path: Path) -> None:
    file, draft = tmp_path / "file", tmp_path / "draft"
    async with Watching(watch, tmp_path) as watching:
        file.write_text("new")
        await watching.sees(file)
        with file.open("a") as opened:
            opened.write("longer")
            opened.flush()
            await watching.sees(file)  # though it is not closed
        draft.write_text("by way of another")
        await watching.sees(draft)
        draft.replace(file)
        await watching.sees(file)
        os.utime(file, (1, 1))
        await watching.sees(file)
        file.unlink()
        await watching.sees(file)


@either
async def test_only_what_is_directly_in_a_folder_is_seen(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    async with Watching(watch, tmp_path) as watching:
        (tmp_path / "deep" / "deeper" / "file").touch()
        (tmp_path / "file").touch()
        seen = await watching.next()
    assert tmp_path / "deep" / "deeper" / "file" not in seen


@either
async def test_other_folders_are_watched_once_they_moved(watch: Watch, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    async with Watching(watch, one) as watching:
        watching.folders = frozenset({other})
        watching.moved.set()
        await watching.comes_to_see(other / "file")
        (one / "file").touch()
        (other / "file").touch()
        assert one / "file" not in await watching.next()


@on_linux
async def test_a_folder_made_again_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with Watching(by_inotify, folder) as watching:
        folder.rmdir()
        await watching.sees(folder)
        folder.mkdir()
        await watching.comes_to_see(folder / "first")
        folder.rename(tmp_path / "aside")
        folder.mkdir()
        await watching.comes_to_see(folder / "second")


@on_linux
async def test_a_folder_with_two_names_is_seen_under_both(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder, target_is_directory=True)
    async with Watching(by_inotify, folder, link) as watching:
        (folder / "file").touch()
        assert await watching.next() == {folder / "file", link / "file"}
        watching.folders = frozenset({link})
        watching.moved.set()
        await watching.comes_to_see(link / "other")


@on_linux
async def test_a_name_that_is_no_text_is_watched_too(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    async with Watching(by_inotify, folder) as watching:
        (folder / os.fsdecode(b"\xff.py")).touch()
        await watching.sees(folder / os.fsdecode(b"\xff.py"))


@on_linux
async def test_what_changed_before_a_folder_was_followed_is_for_the_caller_to_find(tmp_path: Path) -> None:
    with Inotify() as inotify:
        inotify.follow([tmp_path])
        await asyncio.wait_for(inotify.news.wait(), 30)
        assert inotify.take() == (frozenset(), False)
        assert inotify.take() == (frozenset(), True)


@on_linux
async def test_more_changes_than_the_system_keeps_are_not_all(tmp_path: Path) -> None:
    with open("/proc/sys/fs/inotify/max_queued_events") as told:  # noqa: ASYNC230, PTH123  (it is in memory)
        most = int(told.read())
    files = [os.open(tmp_path / name, os.O_CREAT | os.O_WRONLY) for name in ("one", "two")]
    with Inotify() as inotify:
        inotify.follow([tmp_path])
        inotify.take()
        for number in range(most + 1):  # in turns: the same twice is told once
            os.write(files[number % 2], b".")
        await asyncio.wait_for(inotify.news.wait(), 30)
        changed, everything = inotify.take()
    for file in files:
        os.close(file)
    assert changed == {tmp_path / "one", tmp_path / "two"}
    assert not everything


@on_linux
async def test_without_any_left_to_be_had_it_looks_for_itself(tmp_path: Path) -> None:
    import resource

    taken = [os.open("/dev/null", os.O_RDONLY)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 1, before[1]))
    try:
        sets = by_inotify(lambda: frozenset({tmp_path}), asyncio.Event())
        assert await asyncio.wait_for(anext(sets), 30) == frozenset()
        await sets.aclose()  # type: ignore[attr-defined]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        os.close(taken[0])
