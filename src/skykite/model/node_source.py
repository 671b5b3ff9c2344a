"""Which files a Node function is made of, found without running esbuild.

In: the handler's file. Out: the files that its bundle depends on, for the hash that names its zip, and for knowing what
to watch when it does not build. I/O: reads those files, asks which others there are.

Imports are found by their form, not by parsing: one in a comment counts as well, so that there may be more files than
esbuild reads, never fewer. Where a specifier cannot be followed like that (aliases of a tsconfig, `#internal` imports,
the package's own name, one put together at run time), every file of the import root counts, and what is outside of it
where it leads. Packages in `node_modules` are what the lock file says they are, with the patches beside it; one that is
a link into the project is the user's own, and followed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from skykite.model.disk import Disk
from skykite.model.node_aliases import Aliases, aliased, read_aliases
from skykite.model.node_settings import SETTINGS, folders_above, with_extended
from skykite.model.runtimes import NODE_SUFFIXES

LOCK_FILES: Final = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
)
_GAP: Final = r"(?:\s|/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*\n)*"
_IMPORT: Final = re.compile(
    rf"""(?:\bfrom|\bimport|\brequire){_GAP}\(?{_GAP}(?:"([^"\n]*)"|'([^'\n]*)'|`([^`]*)`)(?:{_GAP}(\+))?"""
)
_JSX: Final = (".tsx", ".jsx")
"""What these import, React for instance, need not be written in them."""
_SUFFIXES: Final = (*NODE_SUFFIXES, ".json")
_OF_A_FOLDER: Final = ("package.json", *(f"index{suffix}" for suffix in _SUFFIXES))
_SWITCHED: Final = {".js": (".ts", ".tsx"), ".mjs": (".mts",), ".cjs": (".cts",), ".jsx": (".tsx",)}
"""TypeScript is imported by the name of what it becomes."""

_SETTINGS: Final = tuple(f"{os.sep}{name}" for name in SETTINGS)
_Value = TypeVar("_Value")
_Imports = tuple[tuple[str, bool], ...]
_NO_IMPORTS: Final[_Imports] = ()
_NO_ALIASES: Final = Aliases(None, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSource:
    """`files` are absolute, with the digests of those that had to be read. `packages` tells whether anything in
    `node_modules` is imported, `everything` whether only the whole import root is sure to hold all files, `configured`
    whether a tsconfig has a say in where imports lead, or another has in it."""

    files: Mapping[str, str | None]
    packages: bool
    everything: bool
    configured: bool


def read_node_source(entry: str, import_root: str, disk: Disk, *, tsconfig: str | None = None) -> NodeSource:
    """All are absolute; `tsconfig` is what the function names. A file that is not there is not in the answer."""
    walk = _Walk(import_root, disk)
    start, _, name = entry.rpartition(os.sep)
    walk.follow(disk.folder(start).files([name]))
    found = walk.found
    settings, beside = _above(start, import_root, disk)
    settings += [file for file in found if file.endswith(_SETTINGS)]  # of packages of the user's
    aliases: dict[str, Aliases] = {}
    configured = False
    for file in with_extended([*settings, *([tsconfig] if tsconfig else [])], disk):
        if not disk.has_file(file):
            continue
        maps_imports, found[file] = _read(file, _maps_imports, disk, otherwise=False)
        if maps_imports:
            configured = True
            aliases[file], _ = _read(file, read_aliases, disk, otherwise=_NO_ALIASES)
    walk.follow_aliases(aliases)
    everything = walk.everything or (walk.packages and configured)
    for file in beside:
        own, found[file] = _read(file, _package_name, disk, otherwise=None)
        everything = everything or own in walk.names
    if walk.packages:
        locks = lock_files(Path(import_root), disk)
        beside += [str(file) for lock in locks for file in (lock, *_patches(lock.parent, disk))]
    for file in beside:
        found.setdefault(file)
    return NodeSource(files=found, packages=walk.packages, everything=everything, configured=configured)


class _Walk:
    """From file to file. `names` are those of packages, and what looks like them."""

    def __init__(self, import_root: str, disk: Disk) -> None:
        self._import_root = import_root
        self._disk = disk
        self._specifiers: set[str] = set()
        self.found: dict[str, str | None] = {}
        self.names: set[str] = set()
        self.packages = self.everything = False

    def follow(self, files: Iterable[str]) -> None:
        waiting = list(files)
        while waiting:
            file = waiting.pop()
            if file in self.found:
                continue
            self.found[file] = None
            if not file.endswith(NODE_SUFFIXES):
                continue
            self.packages = self.packages or file.endswith(_JSX)
            folder = file.rpartition(os.sep)[0]
            imports, self.found[file] = _read(file, _imports, self._disk, otherwise=_NO_IMPORTS)
            for specifier, template in imports:
                waiting += self._lead(specifier, folder, template=template)

    def follow_aliases(self, aliases: Mapping[str, Aliases]) -> None:
        """Out of the import root; all that is in it counts."""
        done: set[str] = set()
        while aliases and (new := sorted(self._specifiers - done)):
            done.update(new)
            for specifier in new:
                places = [one for one in aliased(specifier, aliases) if not self._is_inside(one)]
                self.follow(file for place in places for file in _resolve(place, self._disk))

    def _lead(self, specifier: str, folder: str, *, template: bool) -> list[str]:
        if specifier.startswith("."):
            fixed, put_together, _ = specifier.partition("${")
            path = os.path.normpath(f"{folder}{os.sep}{fixed}")
            if not put_together:
                return _resolve(path, self._disk)
            self.everything = True
            top = path if fixed.endswith("/") else path.rpartition(os.sep)[0]
            return [] if self._is_inside(top) else self._below(Path(top))
        if specifier.startswith(("#", "${")) or (specifier.startswith("/") and template):
            self.everything = True
        elif specifier and not specifier.startswith("node:"):
            self._specifiers.add(specifier)
            self.names.add(_name_in(specifier))
            own = _own_package(specifier, folder, self._disk)
            self.packages = self.packages or own is None
            if own is not None:
                return self._below(own)
        return []

    def _is_inside(self, path: str) -> bool:
        return path == self._import_root or path.startswith(self._import_root + os.sep)

    def _below(self, top: Path) -> list[str]:
        self._disk.doubt()
        return [str(path) for path in sorted(top.rglob("*")) if _is_source(path, top)]


def _read(file: str, parse: Callable[[str], _Value], disk: Disk, *, otherwise: _Value) -> tuple[_Value, str | None]:
    """Of a file that cannot be read, those say so who need what is in it."""
    try:
        return disk.parsed(file, parse)
    except OSError:
        return otherwise, None


def _imports(text: str) -> _Imports:
    """What a module imports, and whether it is said by a template. What more is added to it is like one's gap."""
    return tuple(
        ((one[1] or one[2] or one[3] or "") + ("${" if one[4] else ""), bool(one[3])) for one in _IMPORT.finditer(text)
    )


def _maps_imports(text: str) -> bool:
    """Whether a tsconfig may have packages' names lead to the user's files."""
    return re.search(r'"(?:paths|baseUrl|extends)"', text) is not None


def _package_name(text: str) -> str | None:
    """Of a package.json. Modules of a package may import it by its name."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    name = document.get("name") if isinstance(document, dict) else None
    return name if isinstance(name, str) else None


def _name_in(specifier: str) -> str:
    """Of the package."""
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


def lock_files(import_root: Path, disk: Disk | None = None) -> tuple[Path, ...]:
    """The lock file of the import root, or the one of the workspace it is in."""
    disk = disk or Disk()
    for folder in (import_root, *import_root.parents):
        here = disk.folder(str(folder))
        found = tuple(map(Path, here.files(LOCK_FILES)))
        if found or folder == Path.home() or here.has(".git"):
            return found
    return ()


def _patches(folder: Path, disk: Disk) -> list[Path]:
    """What patch-package makes of packages, of which a lock file knows nothing."""
    place = folder / "patches"
    if not disk.folder(str(folder)).has_folder(place.name):
        return []
    disk.doubt()
    return sorted(file for file in place.rglob("*.patch") if file.is_file())


def _resolve(path: str, disk: Disk) -> list[str]:
    """Where esbuild would look for a relative import, as far as there is something; all of it, in case one goes."""
    folder, _, name = path.rpartition(os.sep)
    tried = [name, *(name + suffix for suffix in _SUFFIXES)]
    for suffix, others in _SWITCHED.items():
        if name.endswith(suffix):
            tried += [name.removesuffix(suffix) + other for other in others]
    beside = disk.folder(folder)
    found = beside.files(tried)
    if beside.has_folder(name):
        found += disk.folder(path).files(_OF_A_FOLDER)
    return found


def _own_package(specifier: str, folder: str, disk: Disk) -> Path | None:
    """The folder of a package of the user's, which `node_modules` has a link to."""
    *scope, name = _name_in(specifier).split("/")
    while folder:
        modules = os.path.normpath("/".join([folder, "node_modules", *scope]))
        if disk.folder(modules).has(name):
            real = Path(modules, name).resolve()
            return real if "node_modules" not in real.parts else None
        folder = folder.rpartition(os.sep)[0]
    return None


def _is_source(path: Path, root: Path) -> bool:
    inside = path.relative_to(root).parts
    return path.is_file() and "node_modules" not in inside and not any(part.startswith(".") for part in inside)


def _above(folder: str, root: str, disk: Disk) -> tuple[list[str], list[str]]:
    """Settings of TypeScript, and package.json, in a folder and those above, the latter up to a root."""
    settings, packages = [], []
    for place, there in folders_above(folder, root, disk):
        settings += there
        if place.startswith(root):
            packages += disk.folder(place).files(("package.json",))
    return settings, packages
