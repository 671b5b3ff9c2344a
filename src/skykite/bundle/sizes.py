"""Lambda's limit for what a function consists of: its code, and that with all its layers.

In: files to be zipped; or a manifest, and where its zips and folders are. Out: nothing, or `bundle-too-large` with what
is big. I/O: lists zips and folders.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import FunctionId
from skykite.model.source import SourceFile

UNPACKED_LIMIT: Final = 250 * 1024 * 1024
"""Bytes, of a function's code and its layers together;
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. The 50 MB limit for zips concerns those sent to
Lambda itself; ours go through S3."""

_SEARCHED: Final = re.compile(r"^(?:python/(?:lib/python3\.\d+/site-packages/)?|nodejs/(?:node\d+/)?node_modules/)")
"""Where runtimes look in layers: https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html"""
_LEAVE_OUT: Final = (
    "leave out what functions do not import: move what only stacks and tests need into a dependency group, name what "
    'is not needed in `packages={"without": […]}`, and files in `exclude`; or give functions with other needs a folder '
    "with requirements of its own. `kite bundle inspect FUNCTION` says who asks for each"
)

Find = Callable[[str], Path | None]
"""Where the zip or folder is that the assembly calls so; None if it is not on this machine."""


def check_size(what: str, files: Mapping[str, SourceFile]) -> None:
    """By path. Raises `bundle-too-large`."""
    sizes = [(path, file.size()) for path, file in files.items()]
    if sum(size for _, size in sizes) > UNPACKED_LIMIT:
        raise _too_large(what, ((_top(path), size) for path, size in sizes))


def contents_of(place: Path) -> list[tuple[str, int]]:
    """Path and size of every file in a zip, or in a folder that will be one: links are followed, as in the zip."""
    if place.is_dir():
        return list(_in_folder(place))
    with zipfile.ZipFile(place) as archive:
        return [(entry.filename, entry.file_size) for entry in archive.infolist() if not entry.is_dir()]


class FunctionSizes:
    """Code and layers of functions, counted together. Each zip and folder is looked at once: its name says what is in
    it."""

    def __init__(self) -> None:
        self._known: dict[Path, int] = {}

    def check(self, manifest: Manifest, find: Find) -> None:
        """Layers of elsewhere, and what was sent from another machine, cannot be counted. Raises `bundle-too-large`."""
        consisting: dict[tuple[tuple[str, Path], ...], list[FunctionId]] = {}
        for function in manifest.functions:
            consisting.setdefault(tuple(_parts(function, find)), []).append(function.id)
        for parts, functions in consisting.items():
            if sum(self._size(place) for _, place in parts) > UNPACKED_LIMIT:
                raise _too_large(
                    _shown(functions),
                    ((f"{_top(path)}, in {part}", size) for part, place in parts for path, size in contents_of(place)),
                    counted=", layers included" if len(parts) > 1 else "",
                )

    def _size(self, place: Path) -> int:
        if place not in self._known:
            try:
                self._known[place] = sum(size for _, size in contents_of(place))
            except zipfile.BadZipFile:
                self._known[place] = 0  # AWS has better words for that
        return self._known[place]


def _parts(function: FunctionEntry, find: Find) -> Iterable[tuple[str, Path]]:
    named = [("the code", function.code), *((f"layer `{layer.name}`", layer.source) for layer in function.layers)]
    for name, source in named:
        if source is not None and (place := find(source)) is not None:
            yield name, place


def _shown(functions: Sequence[FunctionId]) -> str:
    first, *others = functions
    match len(others):
        case 0:
            return f"function `{first}`"
        case 1:
            return f"function `{first}`, as `{others[0]}`,"
        case count:
            return f"function `{first}`, as {count} others,"


def _in_folder(folder: Path) -> Iterable[tuple[str, int]]:
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _leads_up(Path(path, name))]
        for name in names:
            file = Path(path, name)
            if file.is_file():
                yield file.relative_to(folder).as_posix(), file.stat().st_size


def _leads_up(path: Path) -> bool:
    return path.is_symlink() and path.absolute().is_relative_to(path.resolve())


def _top(path: str) -> str:
    return _SEARCHED.sub("", path).partition("/")[0]


def _too_large(what: str, files: Iterable[tuple[str, int]], *, counted: str = "") -> SkykiteError:
    sizes: Counter[str] = Counter()
    for name, size in files:
        sizes[name] += size
    return SkykiteError(
        "bundle-too-large",
        f"{what} has {_megabytes(sizes.total())} unpacked{counted}; Lambda takes {_megabytes(UNPACKED_LIMIT)}",
        context="\n".join(f"{_megabytes(size):>7} {name}" for name, size in sizes.most_common(8)),
        hint=_LEAVE_OUT,
    )


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f} MB"
