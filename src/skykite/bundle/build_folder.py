"""The folder of a build: made whole beside its place, then put there at once, or not at all.

In: files in a folder of ours. Out: the user's folder holds them and `build.json`, or is as it was. I/O: both folders.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from skykite.errors import SkykiteError
from skykite.model.build import BUILD_FILE, BuildRecord, BuiltFile, decode_build, encode_build


def check_replaceable(target: Path) -> None:
    """Raises `build-folder-taken` unless there is nothing, or a build and nothing but that."""
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise SkykiteError(
            "build-folder-taken",
            f"`{target}` is a file, where the build should be a folder",
            hint="give --out the name of a folder that does not exist yet",
        )
    present = sorted(
        Path(path, name).relative_to(target).as_posix() for path, _, names in os.walk(target) for name in names
    )
    if not present:
        return
    try:
        known = {BUILD_FILE, *decode_build((target / BUILD_FILE).read_bytes(), source=str(target / BUILD_FILE)).files}
    except (OSError, SkykiteError) as error:
        raise SkykiteError(
            "build-folder-taken",
            f"`{target}` holds other things than a build, for instance `{present[0]}`, and was left as it is",
            hint="give --out another folder, or move what is in this one",
        ) from error
    foreign = [path for path in present if path not in known]
    if foreign:
        raise SkykiteError(
            "build-folder-taken",
            f"`{target}` holds a build and `{foreign[0]}`, which is not of it; it was left as it is",
            hint="give --out another folder, or move what is not of the build",
        )


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """An empty folder for as long as the block lasts. What a killed build left there goes first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seal(folder: Path, record: BuildRecord) -> tuple[BuildRecord, str]:
    """Write `build.json` for what is in the folder. Returns the record, and the SHA-256 that stands for all of it."""
    (folder / BUILD_FILE).unlink(missing_ok=True)
    files = {}
    for path, _, names in os.walk(folder):
        for name in names:
            file = Path(path, name)
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            files[file.relative_to(folder).as_posix()] = BuiltFile(sha256=digest, size=file.stat().st_size)
    sealed = replace(record, files=dict(sorted(files.items())))
    data = encode_build(sealed)
    (folder / BUILD_FILE).write_bytes(data)
    return sealed, hashlib.sha256(data).hexdigest()


def put_in_place(made: Path, target: Path) -> None:
    """Move the folder to where the user wants it, in place of the build that is there. Raises `build-folder-taken` and
    `build-unwritable`; the former build stays then."""
    check_replaceable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}-", dir=target.parent, ignore_cleanup_errors=True
        ) as at:
            new, old = Path(at, "new"), Path(at, "old")
            shutil.move(made, new)  # another file system may take its time over it
            if target.exists():
                target.rename(old)
            try:
                new.rename(target)
            except OSError:
                with contextlib.suppress(OSError):
                    old.rename(target)
                raise
    except OSError as error:
        raise SkykiteError(
            "build-unwritable",
            f"`{target}` cannot be written: {error.strerror or error}",
            hint="give --out a folder that can be made, on a disk with room for it",
        ) from error
