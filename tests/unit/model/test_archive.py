"""The zip writer, read back by the standard library and by unzip."""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
import zipfile
import zlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite.model.archive import ArchiveEntry, write_archive

NAMES = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\\0"), min_size=1, max_size=12).filter(
        lambda name: name not in (".", "..")
    ),
    min_size=1,
    max_size=4,
).map("/".join)
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=2000), st.booleans()), max_size=70)


def written(files: dict[str, tuple[bytes, bool]]) -> bytes:
    stream = io.BytesIO()
    write_archive(
        stream,
        [
            ArchiveEntry(path=path, read=partial(bytes, data), executable=executable)
            for path, (data, executable) in files.items()
        ],
    )
    return stream.getvalue()


@given(FILES)
def test_names_contents_modes_and_order_are_what_was_given(files: dict[str, tuple[bytes, bool]]) -> None:
    with zipfile.ZipFile(io.BytesIO(written(files))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(files)
        for entry in archive.infolist():
            data, executable = files[entry.filename]
            assert archive.read(entry) == data
            assert stat.S_IMODE(entry.external_attr >> 16) == (0o755 if executable else 0o644)
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.create_system == 3


@given(FILES)
def test_it_is_the_same_to_the_byte_however_many_threads_made_it(files: dict[str, tuple[bytes, bool]]) -> None:
    assert written(files) == written(files)


@pytest.mark.parametrize("bits", range(16))
def test_files_of_every_size_are_read_back_and_as_small_as_with_all_memory(bits: int) -> None:
    for size in {max(0, (1 << bits) + more) for more in (-263, -262, -1, 0, 1)}:
        data = b"".join(b"%d," % (number * number % 1009) for number in range(size))[:size]
        stream = io.BytesIO(written({"a": (data, False)}))
        with zipfile.ZipFile(stream) as archive:
            assert archive.read("a") == data
            whole = zlib.compressobj(3, zlib.DEFLATED, -zlib.MAX_WBITS)
            most = len(whole.compress(data) + whole.flush())
            assert archive.getinfo("a").compress_size <= max(most * 1.05, most + 20)


def test_what_does_not_get_smaller_is_stored() -> None:
    data = bytes(range(256))
    with zipfile.ZipFile(io.BytesIO(written({"a": (data, False), "b": (data * 50, False)}))) as archive:
        assert [entry.compress_type for entry in archive.infolist()] == [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


@pytest.mark.slow
def test_a_zip_of_more_files_than_the_old_format_counts_is_whole() -> None:
    files = {f"f{number}": (b"", False) for number in range(66_000)}
    with zipfile.ZipFile(io.BytesIO(written(files))) as archive:
        assert len(archive.namelist()) == 66_000
        assert archive.testzip() is None


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip here")
def test_unzip_finds_nothing_wrong(tmp_path: Path) -> None:
    zipped = tmp_path / "a.zip"
    zipped.write_bytes(
        written({"straße/日本.py": (b"x = 1\n" * 100, False), "run": (b"#!", True), "empty": (b"", False)})
    )
    done = subprocess.run(["unzip", "-t", zipped], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_cannot_be_read_stops_the_writing() -> None:
    def broken() -> bytes:
        raise PermissionError("no")

    entries = [ArchiveEntry(path=str(number), read=partial(bytes, b"x")) for number in range(100)]
    with pytest.raises(PermissionError):
        write_archive(io.BytesIO(), [*entries, ArchiveEntry(path="z", read=broken)])
