"""Files of the embedded cloud that hold secrets: whole or not at all, and readable by their owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from skykite.errors import SkykiteError


def make_private_directory(directory: Path) -> None:
    """Make a directory only its owner can enter. Raises `state-unwritable`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise _unwritable(directory, error) from error


def write_private(file: Path, data: bytes) -> None:
    """Write `file` in one step, mode 0600 (on Windows the user's profile protects it). Raises `state-unwritable`."""
    make_private_directory(file.parent)
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mkstemp makes 0600
    except OSError as error:
        raise _unwritable(file.parent, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritable(file.parent, error) from error


def _unwritable(directory: Path, error: OSError) -> SkykiteError:
    return SkykiteError(
        "state-unwritable",
        f"cannot write into `{directory}`: {error.strerror or error}",
        hint="the embedded cloud keeps its data there: make the folder writable for you",
    )
