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
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

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
_CODE: Final = frozenset(NODE_SUFFIXES)
_SUFFIXES: Final = (*NODE_SUFFIXES, ".json")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSource:
    """`files` are absolute and sorted. `packages` tells whether anything in `node_modules` is imported, `everything`
    whether only the whole import root is sure to hold all files."""

    files: tuple[Path, ...]
    packages: bool
    everything: bool


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


def read_node_source(entry: Path, import_root: Path) -> NodeSource:
    """`entry` is absolute. A file that is not there is not in the answer."""
    found: dict[Path, None] = {}
    packages = everything = False
    waiting = [entry]
    while waiting:
        file = waiting.pop()
        if file in found or not _is_file(str(file)):
            continue
        found[file] = None
        if file.suffix not in _CODE:
            continue
        for specifier, template in _specifiers(file):
            if specifier.startswith("."):
                if "${" in specifier:
                    everything = True
                    continue
                waiting += _resolve(os.path.normpath(f"{file.parent}{os.sep}{specifier}"))
            elif specifier.startswith(("#", "${")) or (specifier.startswith("/") and template):
                everything = True
            elif specifier and not specifier.startswith("node:"):
                own = _own_package(specifier, file.parent, import_root)
                packages = packages or own is None
                if own is not None:
                    waiting += [path for path in sorted(own.rglob("*")) if _is_source(path, own)]
    configured = _above(entry.parent, import_root, "tsconfig.json", "jsconfig.json")
    if any(re.search(r'"(?:paths|baseUrl|extends)"', path.read_text(encoding="utf-8")) for path in configured):
        everything = everything or packages
    beside = [*configured, *_above(entry.parent, import_root, "package.json")]
    if packages:
        beside += lock_files(import_root)
    return NodeSource(files=tuple(sorted({*found, *beside})), packages=packages, everything=everything)


def _specifiers(file: Path) -> tuple[tuple[str, bool], ...]:
    """What a file imports, and whether it is said by a template. Functions share files, and each is read once."""
    status = file.stat()
    key = (str(file), status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    if key not in _READ:
        if len(_READ) > _MOST_READ:
            _READ.clear()
        found = _IMPORT.finditer(file.read_text(encoding="utf-8", errors="replace"))
        _READ[key] = tuple((one[1] or one[2] or one[3] or "", bool(one[3])) for one in found)
    return _READ[key]


_READ: Final[dict[tuple[str, int, int, int, int], tuple[tuple[str, bool], ...]]] = {}
_MOST_READ: Final = 10_000


def lock_files(import_root: Path) -> tuple[Path, ...]:
    """The lock file of the import root, or the one of the workspace it is in."""
    for folder in (import_root, *import_root.parents):
        found = tuple(folder / name for name in LOCK_FILES if (folder / name).is_file())
        if found or folder == Path.home() or (folder / ".git").exists():
            return found
    return ()


def _resolve(path: str) -> list[Path]:
    """Where esbuild would look for a relative import, as far as there is something; all of it, in case one goes. As
    text, since a project has thousands of such places."""
    tried = [path, *(path + suffix for suffix in _SUFFIXES)]
    for suffix, others in _SWITCHED.items():
        if path.endswith(suffix):
            tried += [path.removesuffix(suffix) + other for other in others]
    if os.path.isdir(path):  # noqa: PTH112
        tried += [f"{path}{os.sep}package.json", *(f"{path}{os.sep}index{suffix}" for suffix in _SUFFIXES)]
    return [Path(one) for one in tried if _is_file(one)]


def _is_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113  (half the time of pathlib's, and hot: dozens for each import)


def _own_package(specifier: str, folder: Path, import_root: Path) -> Path | None:
    """The folder of a package of the user's, which `node_modules` has a link to."""
    parts = specifier.split("/")
    name = "/".join(parts[: 2 if specifier.startswith("@") else 1])
    for above in (folder, *folder.parents):
        place = above / "node_modules" / name
        if place.is_symlink() or place.exists():
            real = place.resolve()
            return real if "node_modules" not in real.parts else None
    return None


def _is_source(path: Path, root: Path) -> bool:
    inside = path.relative_to(root).parts
    return path.is_file() and "node_modules" not in inside and not any(part.startswith(".") for part in inside)


def _above(folder: Path, root: Path, *names: str) -> list[Path]:
    """Files of these names in a folder and those above, up to a root."""
    found = []
    for one in (folder, *folder.parents):
        found += [one / name for name in names if _is_file(f"{one}{os.sep}{name}")]
        if one == root:
            break
    return found
