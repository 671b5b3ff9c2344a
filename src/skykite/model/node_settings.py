"""TypeScript's settings that have a say in what esbuild makes of a file: the nearest tsconfig, and what it extends.

In: places. Out: files, as paths. I/O: through a `Disk`.

esbuild looks for a tsconfig from a file's folder upwards, and takes the first; what it extends may be anywhere, also in
a package. https://esbuild.github.io/content-types/#tsconfig-json
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from skykite.model.disk import Disk

SETTINGS: Final = ("tsconfig.json", "jsconfig.json")

_EXTENDS: Final = re.compile(r'"extends"\s*:\s*(\[[^\]]*\]|"[^"\n]*")')
_TEXT: Final = re.compile(r'"([^"\n]*)"')


def folders_above(folder: str, root: str, disk: Disk) -> Iterator[tuple[str, list[str]]]:
    """From a folder up to a root, and on until there is a tsconfig, the repository ends, or nothing is left. Each with
    the settings in it."""
    found, passed, project = False, False, root + os.sep
    while True:
        inside = folder == root or folder.startswith(project)
        settings = disk.folder(folder).files(SETTINGS) if inside else _asked_for(folder, disk)
        yield folder, settings
        found = found or bool(settings)
        passed = passed or folder == root
        above = folder.rpartition(os.sep)[0]
        if not above or (passed and (found or disk.has(f"{folder}{os.sep}.git") or folder == str(Path.home()))):
            return
        folder = above


def _asked_for(folder: str, disk: Disk) -> list[str]:
    """Without listing what is of nobody's project."""
    return [file for name in SETTINGS if disk.has_file(file := f"{folder}{os.sep}{name}")]


def with_extended(files: Iterable[str], disk: Disk) -> list[str]:
    """Settings, with those that they extend, and where these would be looked for."""
    found: dict[str, None] = {}
    waiting = list(files)
    while waiting:
        file = waiting.pop(0)
        if file in found:
            continue
        found[file] = None
        with contextlib.suppress(OSError):  # whoever needs what is in it says that it cannot be read
            extended, _ = disk.parsed(file, _extended) if disk.has_file(file) else ((), "")
            for name in extended:
                waiting += _places(name, file.rpartition(os.sep)[0], disk)
    return list(found)


def _extended(text: str) -> tuple[str, ...]:
    return tuple(name for said in _EXTENDS.findall(text) for name in _TEXT.findall(said))


def _places(name: str, folder: str, disk: Disk) -> list[str]:
    if name.startswith((".", "/")) or Path(name).is_absolute():
        return _forms(str(Path(folder, name)))
    places: list[str] = []
    while folder:
        places += _forms(str(Path(folder, "node_modules", name)))
        folder = folder.rpartition(os.sep)[0]
    return [place for place in places if disk.has_file(place)]


def _forms(path: str) -> list[str]:
    path = os.path.normpath(path)
    return [path, f"{path}.json", f"{path}{os.sep}{SETTINGS[0]}"]
