"""What is remembered of files and folders, and what makes it be forgotten."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from skykite.model.disk import Disk

NAMES = ("a.ts", "b.ts")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def aged(*paths: Path) -> None:
    """Have the last change be so long ago that stats tell of the next. Times of modification can be set; those of a
    status change cannot."""
    while any(time.time_ns() - path.stat().st_ctime_ns <= 25_000_000 for path in paths):
        time.sleep(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "a.ts").write_text("one")
    (root / "real.txt").write_text("real")
    return root


@pytest.mark.parametrize("old", [True, False])
def test_a_change_that_leaves_size_and_name_is_seen_at_once(folder: Path, old: bool) -> None:
    disk, file = Disk(), folder / "a.ts"
    for text in ("one", "two", "six"):
        file.write_text(text)
        if old:
            aged(file)
        assert disk.digest(str(file)) == sha256(text)
        assert disk.parsed(str(file), str.upper) == (text.upper(), sha256(text))
        assert disk.parsed(str(file), str.title) == (text.title(), sha256(text)), "another's answer was given"


@pytest.mark.parametrize("old", [True, False])
def test_files_that_come_and_go_are_seen_at_once(folder: Path, old: bool) -> None:
    disk, path = Disk(), str(folder)

    def found() -> list[str]:
        if old:
            aged(folder)
        return [Path(one).name for one in disk.folder(path).files(NAMES)]

    assert found() == ["a.ts"]
    (folder / "b.ts").write_text("")
    assert found() == ["a.ts", "b.ts"]
    (folder / "a.ts").unlink()
    (folder / "a.ts").mkdir()
    assert found() == ["b.ts"], "a folder passes for a file"
    assert disk.folder(path).has_folder("a.ts")


def test_what_is_not_there_becomes_known_when_it_comes(folder: Path) -> None:
    disk = Disk()
    assert disk.folder(str(folder / "later")).files(NAMES) == []
    (folder / "later").mkdir()
    (folder / "later" / "b.ts").write_text("")
    assert disk.folder(str(folder / "later")).files(NAMES) == [str(folder / "later" / "b.ts")]


def test_links_count_as_what_they_lead_to(folder: Path) -> None:
    (folder / "b.ts").symlink_to("real.txt")
    (folder / "linked").symlink_to("inner")
    aged(folder)
    disk = Disk()
    here = disk.folder(str(folder))
    assert here.files(NAMES) == [str(folder / "a.ts"), str(folder / "b.ts")]
    assert here.has_folder("linked")
    (folder / "real.txt").unlink()
    aged(folder)
    assert disk.folder(str(folder)).files(NAMES) == [str(folder / "a.ts")]
    assert disk.folder(str(folder)).has("b.ts"), "a link that leads nowhere is there nevertheless"


def test_a_name_is_found_however_it_is_spelled_if_the_file_system_says_so(folder: Path) -> None:
    (folder / "Größe.ts").write_text("")
    aged(folder)
    assert [Path(one).name for one in Disk().folder(str(folder)).files(("Größe.ts",))] == ["Größe.ts"]
    assert bool(Disk().folder(str(folder)).files(("A.TS",))) == (folder / "A.TS").is_file()


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "a.ts").write_text("two"),
    "a new file": lambda folder: (folder / "b.ts").write_text(""),
    "a file that went": lambda folder: (folder / "a.ts").unlink(),
    "a folder that was not there": lambda folder: (folder / "later").mkdir(),
    "a file with the times of the old": lambda folder: replaced(folder / "a.ts"),
}


def replaced(file: Path) -> None:
    status = file.stat()
    file.with_name("new").write_text("two")
    os.utime(file.with_name("new"), ns=(status.st_atime_ns, status.st_mtime_ns))
    file.with_name("new").replace(file)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_a_look_at_everything_at_once_knows_what_has_changed_since(folder: Path, change: str, old: bool) -> None:
    if old:
        aged(folder, folder / "a.ts")
    disk = Disk(at_once=True)
    disk.folder(str(folder)).files(NAMES)
    disk.folder(str(folder / "later")).files(NAMES)
    disk.digest(str(folder / "a.ts"))
    assert disk.is_as_it_was()
    CHANGES[change](folder)
    assert not disk.is_as_it_was()


def test_a_look_at_once_does_not_vouch_for_what_stats_cannot_tell(folder: Path) -> None:
    (folder / "b.ts").symlink_to("real.txt")
    aged(folder, folder / "a.ts")
    unlinked, linked, asked = (Disk(at_once=True) for _ in range(3))
    unlinked.folder(str(folder)).files(("a.ts",))
    assert unlinked.is_as_it_was()
    linked.folder(str(folder)).files(NAMES)
    assert not linked.is_as_it_was(), "the link may lead elsewhere next"
    asked.doubt()
    assert not asked.is_as_it_was()
