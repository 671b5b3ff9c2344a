"""What is installed in an environment, read from its folders without running it.

In: the folders that packages are imported from. Out: names, versions, and on request the modules and requirements of
single packages. I/O: lists those folders; reads the metadata of the packages that are asked about.

https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final

from skykite.model.packages import normalized

_REQUIRES: Final = re.compile(r"(?m)^Requires-Dist:\s*(.+?)\s*$")
_SUFFIXES: Final = tuple(sorted({*all_suffixes(), ".py", ".so", ".pyd"}, key=len, reverse=True))


class Installed:
    """The packages of one environment at one moment. Names are normalized."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self.versions: dict[str, str] = {}
        self._metadata: dict[str, Path] = {}
        self._tops: dict[str, set[str]] | None = None  # top-level modules, by whose records have them
        for folder in folders:
            for name, version, place in _packages(folder):
                if name not in self.versions:  # the first one found is the one that is imported
                    self.versions[name] = version
                    self._metadata[name] = place

    def requires(self, name: str) -> list[str]:
        """What its metadata requires, each with its marker."""
        text = self._read(name, "METADATA") or self._read(name, "PKG-INFO")
        return _REQUIRES.findall(text.partition("\n\n")[0])

    def owners(self, module: str, names: Iterable[str] = ()) -> set[str]:
        """The packages that `import module`, or `from module import names`, may load. Several, where they share a
        namespace and nothing tells which of them it is."""
        top = module.partition(".")[0]
        if normalized(top) in self.versions:
            return {normalized(top)}
        if self._tops is None:
            self._tops = {}
            for name in self.versions:
                for found in self._top_modules(name):
                    self._tops.setdefault(found, set()).add(name)
        owners = self._tops.get(top, set())
        if len(owners) < 2:
            return owners
        wanted = {module, *(f"{module}.{name}" for name in names)}
        exact = {owner for owner in owners if not wanted.isdisjoint(self.modules(owner))}
        return exact or owners

    def modules(self, name: str) -> frozenset[str]:
        """The modules that its files are, and nothing for one that is worked on in its own folder."""
        return frozenset(
            module
            for row in csv.reader(self._read(name, "RECORD").splitlines())
            if row and (module := _module(row[0])) is not None
        )

    def _top_modules(self, name: str) -> set[str]:
        """Also of one that is worked on in its own folder, if it says so."""
        paths = (line.partition(",")[0].partition("/") for line in self._read(name, "RECORD").splitlines())
        found = {top if below else _module(top) or "" for top, below, _ in paths}
        return {one for one in (*found, *self._read(name, "top_level.txt").split()) if one.isidentifier()}

    def _read(self, name: str, file: str) -> str:
        place = self._metadata.get(name)
        try:
            return "" if place is None else (place / file).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _packages(folder: Path) -> Iterable[tuple[str, str, Path]]:
    try:
        names = [path for path in folder.iterdir() if path.name.endswith(("dist-info", "egg-info"))]
    except OSError:
        return
    for path in names:
        stem = path.name.rpartition(".")[0]
        name, dash, version = stem.partition("-")
        if dash:
            yield normalized(name), version.partition("-py")[0], path


def _module(path: str) -> str | None:
    """`package/inner/__init__.py` is `package.inner`."""
    if path.startswith((".", "/")) or "__pycache__" in path:
        return None
    suffix = next((one for one in _SUFFIXES if path.endswith(one)), None)
    if suffix is None:
        return None
    parts = path.removesuffix(suffix).split("/")
    parts[-1] = parts[-1].partition(".")[0]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None
