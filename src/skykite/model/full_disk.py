"""What to say of a disk that takes nothing any more. Pure.

Anything that writes may meet it, at any place: it is told where errors come out, not where files are written.
"""

from __future__ import annotations

import errno
import re
from typing import Final

from skykite.errors import SkykiteError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SAID: Final = re.compile(r"^\w*Error: \[Errno (?P<number>\d+)\] (?P<what>.*)$")
_DAMAGED: Final = "EOFError: marshal data too short"


def explain_full_disk(error: BaseException) -> SkykiteError | None:
    """None if that is not what it is."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return None
    files = [str(name) for name in (error.filename2, error.filename) if name is not None]
    return _full(f"`{files[0]}` cannot be written: {error.strerror}" if files else f"cannot write: {error.strerror}")


def explain_last_words(line: str, *, bytecode: str | None) -> SkykiteError | None:
    """Of a process that ended by an exception of Python's, by its last line: a disk or a folder that takes nothing, or
    files that a full disk has left incomplete. `bytecode` is the folder of compiled files, if they have one."""
    if line.strip() == _DAMAGED:
        folder = f"`{bytecode}`" if bytecode else "the `__pycache__` folders of the environment that `kite` is in"
        return SkykiteError(
            "bytecode-damaged",
            f"a compiled file of Python's is incomplete: `{_DAMAGED}`",
            hint=f"a disk that was full leaves such files: delete {folder}; they are made again",
        )
    said = _SAID.match(line.strip())
    if said is None:
        return None
    if int(said["number"]) in _FULL:
        return _full(f"the process that runs the stacks cannot write: {said['what']}")
    return SkykiteError(
        "cache-unwritable",
        f"the process that runs the stacks cannot use a file or folder: {said['what']}",
        hint="if that is in the cache, which `kite doctor` names, make it writable, or set KITE_CACHE_DIR to a folder "
        "that is",
    )


def _full(message: str) -> SkykiteError:
    return SkykiteError(
        "disk-full",
        message,
        hint="make room and run the command again: what was left half-way is made anew; set KITE_CACHE_DIR to have "
        "the cache on another disk",
    )
