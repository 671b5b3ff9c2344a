"""Which files of installed packages go into a zip.

In: a folder that uv installed packages into. Out: its files, with where they go. I/O: lists the folder, reads modules
that mention tests.

Left out is what differs from machine to machine and no function needs: records of how packages were installed, scripts;
and the test suites of packages, which can be half of their size. A folder `tests` stays where something outside of it
imports it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from skykite.model.source import SourceFile

_INSTALLER_FILES: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"})
_INSTALLER_FOLDERS: Final = frozenset({"bin", "Scripts"})
_TESTS: Final = "tests"
_IMPORTS_TESTS: Final = re.compile(rb"^[ \t]*(?:from|import)[ \t][^\n#]*\btests\b", re.MULTILINE)


def package_files(folder: Path, *, prefix: str = "") -> tuple[SourceFile, ...]:
    """Sorted by path. `prefix` is put before each."""
    found = list(_walk(str(folder), "", bytecode=_is_compiled(folder)))
    kept = _needed_tests(found)
    chosen = (file for file in found if _TESTS not in file.path.split("/")[1:-1] or file.path.partition("/")[0] in kept)
    placed = (SourceFile(path=prefix + one.path, location=one.location, executable=one.executable) for one in chosen)
    return tuple(sorted(placed, key=lambda file: file.path))


def _is_compiled(folder: Path) -> bool:
    """Whether its bytecode was made for it."""
    return next(folder.glob("*/__pycache__"), None) is not None or (folder / "__pycache__").is_dir()


def _walk(folder: str, prefix: str, *, bytecode: bool) -> Iterator[SourceFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir():
                if (not prefix and (name in _INSTALLER_FOLDERS or name.startswith("."))) or (
                    name == "__pycache__" and not bytecode
                ):
                    continue
                yield from _walk(entry.path, f"{prefix}{name}/", bytecode=bytecode)
            elif not _is_record(prefix, name) and (bytecode or not name.endswith(".pyc")):
                executable = bool(entry.stat().st_mode & stat.S_IXUSR)
                yield SourceFile(path=prefix + name, location=Path(entry.path), executable=executable)


def _is_record(prefix: str, name: str) -> bool:
    if not prefix:
        return name.startswith(".")
    return prefix.endswith(".dist-info/") and prefix.count("/") == 1 and name in _INSTALLER_FILES


def _needed_tests(files: Sequence[SourceFile]) -> set[str]:
    """Top-level packages with a module outside of `tests` that imports something of that name."""
    with_tests = {file.path.partition("/")[0] for file in files if _TESTS in file.path.split("/")[1:-1]}
    needed: set[str] = set()
    for file in files:
        top, _, rest = file.path.partition("/")
        asked = top in with_tests - needed and rest.endswith(".py") and _TESTS not in rest.split("/")
        if asked and _IMPORTS_TESTS.search(file.location.read_bytes()):
            needed.add(top)
    return needed
