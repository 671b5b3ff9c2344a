"""Which files a Node function is made of, found without running esbuild, and what a file exports.

In: the handler's file. Out: the files that its bundle depends on, for the hash that names its zip, and for knowing what
to watch when it does not build. I/O: reads those files, asks which others there are.

Imports are found by their form, not by parsing: one in a comment counts as well, so that there may be more files than
esbuild reads, never fewer. Where a specifier cannot be followed like that (aliases of a tsconfig, `#internal` imports,
one put together at run time), every file of the import root counts. Packages in `node_modules` are what the lock file
says they are; one that is a link into the project is the user's own, and followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from skykite.model.disk import Disk
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
_IMPORT: Final = re.compile(r"""(?:\bfrom|\bimport|\brequire)\s*\(?\s*(?:"([^"\n]*)"|'([^'\n]*)'|`([^`]*)`)""")
_COMMONJS: Final = (".cjs", ".cts")
_SUFFIXES: Final = (*NODE_SUFFIXES, ".json")
_OF_A_FOLDER: Final = ("package.json", *(f"index{suffix}" for suffix in _SUFFIXES))
_SWITCHED: Final = {".js": (".ts", ".tsx"), ".mjs": (".mts",), ".cjs": (".cts",), ".jsx": (".tsx",)}
"""TypeScript is imported by the name of what it becomes."""

_DECLARED: Final = re.compile(
    r"\bexport\s+(?:declare\s+)?(?:async\s+)?(?:function\s*\*?|const|let|var|class|abstract\s+class|enum)\s+"
    r"([A-Za-z_$][\w$]*)"
)
_LISTED: Final = re.compile(r"\bexport\s*(?:type\s*)?\{([^}]*)\}")
_ASSIGNED: Final = re.compile(r"\bexports\.([A-Za-z_$][\w$]*)\s*=")
_ANYTHING: Final = re.compile(
    r"\bexport\s*\*|\bmodule\.exports\b|\bexports\s*\[|\bexport\s+(?:const|let|var)\s*[\[{]|export\s*="
)
_SETTINGS: Final = tuple(f"{os.sep}{name}" for name in SETTINGS)
_Value = TypeVar("_Value")
_Imports = tuple[tuple[str, bool], ...]
_NO_IMPORTS: Final[_Imports] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSource:
    """`files` are absolute, with the digests of those that had to be read. `packages` tells whether anything in
    `node_modules` is imported, `everything` whether only the whole import root is sure to hold all files, `configured`
    whether a tsconfig has a say in where imports lead, or another has in it."""

    files: Mapping[str, str | None]
    packages: bool
    everything: bool
    configured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """`names` in the file's order. An `open` file may export anything."""

    names: tuple[str, ...]
    open: bool

    def may_export(self, name: str) -> bool:
        return self.open or name in self.names


def read_exports(text: str) -> Exports:
    """What a module exports, by the form of it. One that is commented out counts."""
    names = [found[1] for found in _DECLARED.finditer(text)]
    for found in _LISTED.finditer(text):
        for one in found[1].split(","):
            words = one.split()
            names += words[-1:]
    names += [found[1] for found in _ASSIGNED.finditer(text)]
    if re.search(r"\bexport\s+default\b", text):
        names.append("default")
    return Exports(names=tuple(dict.fromkeys(names)), open=_ANYTHING.search(text) is not None)


def module_format(file: Path) -> Literal["esm", "cjs"]:
    """A file that sets `exports` and has no `export` is CommonJS, as its name may say too."""
    if file.suffix in _COMMONJS:
        return "cjs"
    if file.suffix == ".mjs":
        return "esm"
    text = file.read_text(encoding="utf-8", errors="replace")
    assigns = "module.exports" in text or "exports." in text
    return "cjs" if assigns and not read_exports(text.replace("exports", "")).names else "esm"


def read_node_source(entry: str, import_root: str, disk: Disk, *, tsconfig: str | None = None) -> NodeSource:
    """All are absolute; `tsconfig` is what the function names. A file that is not there is not in the answer."""
    found: dict[str, str | None] = {}
    packages = everything = False
    start, _, name = entry.rpartition(os.sep)
    waiting = disk.folder(start).files([name])
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        if not file.endswith(NODE_SUFFIXES):
            continue
        folder = file.rpartition(os.sep)[0]
        imports, found[file] = _read(file, _imports, disk, otherwise=_NO_IMPORTS)
        for specifier, template in imports:
            if specifier.startswith("."):
                if "${" in specifier:
                    everything = True
                    continue
                waiting += _resolve(os.path.normpath(f"{folder}{os.sep}{specifier}"), disk)
            elif specifier.startswith(("#", "${")) or (specifier.startswith("/") and template):
                everything = True
            elif specifier and not specifier.startswith("node:"):
                own = _own_package(specifier, folder, disk)
                packages = packages or own is None
                if own is not None:
                    disk.doubt()
                    waiting += [str(path) for path in sorted(own.rglob("*")) if _is_source(path, own)]
    settings, beside = _above(start, import_root, disk)
    settings += [file for file in found if file.endswith(_SETTINGS)]  # of packages of the user's
    configured = False
    for file in with_extended([*settings, *([tsconfig] if tsconfig else [])], disk):
        if not disk.has_file(file):
            continue
        maps_imports, found[file] = _read(file, _maps_imports, disk, otherwise=False)
        configured = configured or maps_imports
    everything = everything or (packages and configured)
    if packages:
        beside += map(str, lock_files(Path(import_root), disk))
    for file in beside:
        found.setdefault(file)
    return NodeSource(files=found, packages=packages, everything=everything, configured=configured)


def _read(file: str, parse: Callable[[str], _Value], disk: Disk, *, otherwise: _Value) -> tuple[_Value, str | None]:
    """Of a file that cannot be read, those say so who need what is in it."""
    try:
        return disk.parsed(file, parse)
    except OSError:
        return otherwise, None


def _imports(text: str) -> _Imports:
    """What a module imports, and whether it is said by a template."""
    return tuple((one[1] or one[2] or one[3] or "", bool(one[3])) for one in _IMPORT.finditer(text))


def _maps_imports(text: str) -> bool:
    """Whether a tsconfig may have packages' names lead to the user's files."""
    return re.search(r'"(?:paths|baseUrl|extends)"', text) is not None


def lock_files(import_root: Path, disk: Disk | None = None) -> tuple[Path, ...]:
    """The lock file of the import root, or the one of the workspace it is in."""
    disk = disk or Disk()
    for folder in (import_root, *import_root.parents):
        here = disk.folder(str(folder))
        found = tuple(map(Path, here.files(LOCK_FILES)))
        if found or folder == Path.home() or here.has(".git"):
            return found
    return ()


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
    parts = specifier.split("/")
    *scope, name = parts[: 2 if specifier.startswith("@") else 1]
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
