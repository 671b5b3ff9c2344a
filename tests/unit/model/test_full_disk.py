"""What is said of a disk that is full, and of what it leaves."""

from __future__ import annotations

import errno

import pytest

from skykite.errors import SkykiteError
from skykite.model.full_disk import explain_full_disk, explain_last_words


def shown(error: SkykiteError | None) -> str | None:
    return error and f"{error.code}: {error.message}"


def test_a_full_disk_is_no_bug_and_is_told_with_the_file_that_was_to_be_written() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "a.zip", None, "b.zip")
    assert shown(explain_full_disk(full)) == "disk-full: `b.zip` cannot be written: No space left on device"
    quota = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert shown(explain_full_disk(quota)) == "disk-full: cannot write: Disk quota exceeded"
    assert explain_full_disk(OSError(errno.ENOENT, "No such file or directory", "a.zip")) is None
    assert explain_full_disk(ValueError("28")) is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"OSError: [Errno {errno.ENOSPC}] No space left on device", "disk-full"),
        (f"NotADirectoryError: [Errno {errno.ENOTDIR}] Not a directory: '/cache/synth'", "cache-unwritable"),
        (f"PermissionError: [Errno {errno.EACCES}] Permission denied: '/cache/synth'", "cache-unwritable"),
        ("  EOFError: marshal data too short", "bytecode-damaged"),
        ("ValueError: [Errno 28]", None),
        ("", None),
    ],
)
def test_a_process_that_could_not_start_is_explained_by_its_last_line(line: str, code: str | None) -> None:
    found = explain_last_words(line, bytecode=None)
    assert (found and found.code) == code


def test_where_compiled_files_are_is_told() -> None:
    for folder, named in (("/cache/bytecode", "`/cache/bytecode`"), (None, "`__pycache__`")):
        found = explain_last_words("EOFError: marshal data too short", bytecode=folder)
        assert found is not None
        assert named in str(found.hint)
