"""The folder of a build is whole or as it was before."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from skykite.bundle import check_replaceable, making, put_in_place, seal
from skykite.errors import SkykiteError
from skykite.model.build import BuildRecord, decode_build
from skykite.model.names import AppName, StageName

RECORD = BuildRecord(
    format=1, skykite="0.1.0", app=AppName("notes"), stage=StageName("prod"), region="eu-west-1", files={}
)


def a_build(root: Path, text: str = "one") -> Path:
    """Made, not yet in place."""
    folder = root / f"making-{text}"
    (folder / "assembly").mkdir(parents=True)
    (folder / "assembly" / "a.json").write_text(text)
    seal(folder, RECORD)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_build_takes_the_place_of_the_former_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "out" / "dist"
    put_in_place(a_build(tmp_path), target)
    second = a_build(tmp_path, "two")
    (second / "assembly" / "b.json").write_text("b")
    seal(second, RECORD)
    expected = contents(second)
    put_in_place(second, target)
    assert contents(target) == expected
    assert sorted(path.name for path in target.parent.iterdir()) == ["dist"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    put_in_place(a_build(tmp_path), tmp_path / "dist")
    assert (tmp_path / "dist" / "assembly" / "a.json").read_text() == "one"


def test_the_record_holds_every_file_and_its_digest_stands_for_all(tmp_path: Path) -> None:
    folder = a_build(tmp_path)
    record, digest = seal(folder, RECORD)
    assert set(record.files) == {"assembly/a.json"}
    assert decode_build((folder / "build.json").read_bytes(), source="build.json") == record
    (folder / "assembly" / "a.json").write_text("two")
    (folder / "build.json").unlink()
    assert seal(folder, RECORD)[1] != digest


@pytest.mark.parametrize("what", ["a folder of the user", "a build with a file of the user", "no build", "a file"])
def test_what_is_not_a_build_is_never_overwritten(tmp_path: Path, what: str) -> None:
    target = tmp_path / "dist"
    if what == "a file":
        target.write_text("mine")
    elif what == "a build with a file of the user":
        put_in_place(a_build(tmp_path, "former"), target)
        (target / "notes.txt").write_text("mine")
    else:
        target.mkdir()
        (target / ("build.json" if what == "no build" else "notes.txt")).write_text("mine")
    before = contents(target) if target.is_dir() else target.read_bytes()
    with pytest.raises(SkykiteError) as caught:
        check_replaceable(target)
    assert caught.value.code == "build-folder-taken"
    with pytest.raises(SkykiteError):
        put_in_place(a_build(tmp_path), target)
    assert (contents(target) if target.is_dir() else target.read_bytes()) == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SkykiteError) as caught:
        put_in_place(a_build(tmp_path), tmp_path / "locked" / "dist")
    assert caught.value.code == "build-unwritable"


def test_a_place_below_a_file_says_so_and_leaves_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SkykiteError) as caught:
        put_in_place(a_build(tmp_path), tmp_path / "file" / "dist")
    assert caught.value.code == "build-unwritable"
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_half_made_stays_after_a_failure_or_a_kill(tmp_path: Path) -> None:
    def fail() -> None:
        with making(tmp_path / "building") as folder:
            (folder / "half").write_text("made")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (tmp_path / "building").exists()
    (tmp_path / "building").mkdir()
    (tmp_path / "building" / "left").write_text("by a kill")
    with making(tmp_path / "building") as folder:
        assert list(folder.iterdir()) == []


def test_a_build_on_another_file_system_is_put_in_place_whole(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    target = elsewhere / f"skykite-test-{os.getpid()}"
    try:
        made = a_build(tmp_path)
        expected = contents(made)
        put_in_place(made, target)
        assert contents(target) == expected
    finally:
        shutil.rmtree(target, ignore_errors=True)
