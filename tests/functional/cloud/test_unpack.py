"""Zips of functions, honest and hostile: all of it below the folder, or nothing."""

from __future__ import annotations

import io
import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skykite.cloud import unpack as module
from skykite.cloud.unpack import seal, unpack, unseal
from skykite.errors import SkykiteError

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links and modes")


def zip_of(*entries: tuple[str, str | bytes], links: dict[str, str] | None = None, mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(info, text)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return buffer.getvalue()


def refused(data: bytes, into: Path) -> str:
    with pytest.raises(SkykiteError) as error:
        unpack(data, into)
    assert error.value.code == "function-code-invalid"
    return error.value.message.removeprefix("the zip of the code cannot be unpacked: ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    return tmp_path / "code"


def test_files_and_folders_come_out_as_they_went_in(folder: Path) -> None:
    unpack(zip_of(("./", ""), ("a.py", "1"), ("pkg/", ""), ("pkg/b.py", "2"), ("ü/c.txt", b"\xff")), folder)

    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == {
        *("a.py", "pkg", "pkg/b.py", "ü", "ü/c.txt"),
    }
    assert (folder / "ü" / "c.txt").read_bytes() == b"\xff"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..", "//evil", "a/b/../../../evil"])
def test_a_path_that_leads_out_is_refused_and_nothing_lands_there(folder: Path, name: str) -> None:
    assert refused(zip_of((name, "x")), folder) == f"`{name}` is no path inside it"
    assert not (folder.parent / "evil").exists()


@posix
@pytest.mark.parametrize("target", ["..", "/etc", "../../x", "sub/../../x"])
def test_a_link_that_leads_out_is_refused(folder: Path, target: str) -> None:
    assert refused(zip_of(("sub/f", ""), links={"out": target}), folder) == "the symbolic link `out` leads out of it"


@posix
def test_nothing_is_written_through_a_link(folder: Path) -> None:
    said = refused(zip_of(("out/evil", "x"), links={"out": ".."}), folder)

    assert said == "`out/evil` is behind a symbolic link"
    assert not (folder.parent / "evil").exists()


@posix
def test_a_link_that_only_leads_out_through_another_is_refused(folder: Path) -> None:
    said = refused(zip_of(links={"here": ".", "out": "here/../x"}), folder)

    assert said == "the symbolic link `out` leads out of it"


@posix
def test_nothing_of_a_later_layer_leaves_through_a_link_of_an_earlier_one(folder: Path) -> None:
    unpack(zip_of(("sub/f", ""), links={"d": "sub"}), folder)

    assert refused(zip_of(links={"d/out": "../../x"}), folder) == "the symbolic link `d/out` leads out of it"


@posix
def test_links_inside_work(folder: Path) -> None:
    unpack(zip_of(("lib/libfoo.so.1", "code"), links={"lib/libfoo.so": "libfoo.so.1"}), folder)

    assert (folder / "lib" / "libfoo.so").read_text() == "code"


def test_what_unpacks_to_more_than_lambda_takes_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNPACKED_LIMIT", 3 * 1024 * 1024)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(16 * 1024 * 1024))

    assert refused(buffer.getvalue(), folder) == "it has more than 3 MB unpacked"
    assert (folder / "bomb").stat().st_size <= 3 * 1024 * 1024


def test_a_zip_that_lies_about_its_sizes_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNPACKED_LIMIT", 1024 * 1024)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(8 * 1024 * 1024))
    lying = buffer.getvalue().replace((8 * 1024 * 1024).to_bytes(4, "little"), (10).to_bytes(4, "little"))

    refused(lying, folder)
    assert not (folder / "bomb").exists() or (folder / "bomb").stat().st_size <= 1024 * 1024


def test_a_file_that_is_no_zip_is_refused(folder: Path) -> None:
    assert refused(b"PK\x03\x04 not really", folder) == "it is not a zip that can be read: File is not a zip file"


def test_a_later_zip_wins_over_an_earlier_one(folder: Path) -> None:
    unpack(zip_of(("a", "first"), ("b", "first")), folder)
    unpack(zip_of(("a", "second")), folder)

    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("second", "first")


@posix
def test_sealed_code_changes_no_more_but_python_may_keep_its_cache(folder: Path) -> None:
    unpack(zip_of(("pkg/a.py", "1"), ("bin/tool", "#!"), mode=0o755), folder)
    seal(folder)

    modes = {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {"pkg": 0o555, "pkg/a.py": 0o555, "pkg/__pycache__": 0o755, "bin": 0o555, "bin/tool": 0o555}
    unseal(folder)
    assert os.access(folder / "pkg", os.W_OK)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), at=st.integers(0, 400))
def test_broken_zips_are_refused_and_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int
) -> None:
    whole = zip_of(("pkg/a.py", "print('hello')"), ("b.txt", "x" * 50))
    folder = tmp_path_factory.mktemp("code")
    try:
        unpack(whole[:at] + data + whole[at:], folder)
    except SkykiteError as error:
        assert error.code == "function-code-invalid"  # noqa: PT017 - both ends are right
