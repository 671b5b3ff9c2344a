"""What is in a Node function's bundle, by package: esbuild says how many bytes each module has in it, and its imports.

In: what esbuild said, and the files of the zip. Out: packages and folders, as in any bundle. I/O: reads `package.json`
of packages, where they are installed and in the zip.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from skykite.bundle.esbuild import Bundled
from skykite.bundle.reasons import shown
from skykite.model.events import BundledFolder, BundledPackage

_MODULES: Final = "node_modules"
_LISTS: Final = ("dependencies", "optionalDependencies", "devDependencies", "peerDependencies")
_NAMED: Final = 2  # files of the user's that are named as a reason
_BY_INSTALL: Final = "install"


@dataclass(slots=True)
class _Counted:
    """What belongs together. `importers` are modules, `requires` names of packages."""

    size: int = 0
    files: int = 0
    importers: set[str] = field(default_factory=set)
    requires: tuple[str, ...] = ()
    version: str = ""

    def add(self, size: int) -> None:
        self.size += size
        self.files += 1


def inspect_node(
    bundled: Bundled,
    sizes: Mapping[str, int],
    read: Callable[[str], bytes],
    *,
    part: str,
    import_root: Path,
    project_root: Path,
    install: Iterable[str],
) -> tuple[list[BundledPackage], list[BundledFolder], frozenset[str]]:
    """`sizes` are those of the files in the zip, which `read` reads. Also returns which of those have been told of.
    What is bundled is counted in modules."""
    listed = _listed(import_root)
    bundled_packages, own = _by_package(bundled, import_root)
    packages = [
        _package(
            name,
            counted,
            direct=_direct(name, counted, listed, import_root, project_root),
            via=sorted({found[0] for one in counted.importers if (found := _package_of(one)) and found[0] != name}),
        )
        for (name, _), counted in bundled_packages.items()
    ]
    folders: dict[tuple[str, str], _Counted] = {}
    for name in own:
        folders.setdefault(("code", _top(name, import_root, project_root)), _Counted()).add(bundled.sizes[name])
    made = [path for path in (bundled.file, f"{bundled.file}.map") if path in sizes]
    for kind, path in zip(("built", "map"), made, strict=False):
        folders.setdefault((kind, _top_of_path(path)), _Counted()).add(sizes[path])
    # What is left of the bundle is what holds its modules together.
    folders[("built", _top_of_path(bundled.file))].size -= sum(bundled.sizes.values()) - _virtual(bundled)
    installed = _installed(sizes, read)
    wanted = set(install)
    packages += [
        _package(
            name,
            counted,
            direct=[_BY_INSTALL] if name in wanted else [],
            via=sorted(other for (other, _), one in installed.items() if name in one.requires),
        )
        for (name, _), counted in installed.items()
    ]
    told = frozenset({*made, *(path for path in sizes if path.startswith(f"{_MODULES}/"))})
    told_of = [
        BundledFolder(kind=kind, path=path, part=part, unpacked=one.size, files=one.files)  # type: ignore[arg-type]
        for (kind, path), one in folders.items()
    ]
    return packages, told_of, told


def _package(name: str, counted: _Counted, *, direct: list[str], via: list[str]) -> BundledPackage:
    return BundledPackage(
        name=name,
        version=counted.version,
        unpacked=counted.size,
        files=counted.files,
        direct=tuple(direct),
        via=tuple(via),
    )


def _by_package(bundled: Bundled, import_root: Path) -> tuple[dict[tuple[str, str], _Counted], list[str]]:
    """Packages by name and folder, since one may be there in two versions; and the user's own modules."""
    packages: dict[tuple[str, str], _Counted] = {}
    own: list[str] = []
    for name, size in bundled.sizes.items():
        if bundled.is_virtual(name):
            continue
        package = _package_of(name)
        if package is None:
            own.append(name)
        else:
            packages.setdefault(package, _Counted()).add(size)
    for (_, folder), counted in packages.items():
        counted.version = str(_read_json(import_root / folder / "package.json").get("version", ""))
    for name, imported in bundled.imports.items():
        for one in imported:
            package = _package_of(one)
            if package in packages and package != _package_of(name):
                packages[package].importers.add(name)
    return packages, own


def _direct(name: str, counted: _Counted, listed: Iterable[str], import_root: Path, project_root: Path) -> list[str]:
    if name in listed:
        return [shown(import_root / "package.json", project_root)]
    own = sorted(one for one in counted.importers if _package_of(one) is None)
    places = [shown((import_root / one).resolve(), project_root.resolve()) for one in own[:_NAMED]]
    return places + (["…"] if len(own) > _NAMED else [])


def _installed(sizes: Mapping[str, int], read: Callable[[str], bytes]) -> dict[tuple[str, str], _Counted]:
    """Packages beside the bundle."""
    found: dict[tuple[str, str], _Counted] = {}
    for path, size in sizes.items():
        package = _package_of(path)
        if package is not None:
            found.setdefault(package, _Counted()).add(size)
    for (_, folder), counted in found.items():
        if f"{folder}/package.json" in sizes:
            document = _parsed(read(f"{folder}/package.json"))
            counted.version = str(document.get("version", ""))
            counted.requires = tuple(name for kind in _LISTS[:2] for name in document.get(kind) or ())
    return found


def _package_of(path: str) -> tuple[str, str] | None:
    """The name and the folder of the package that a module is of. None for the user's own."""
    parts = PurePosixPath(path).parts
    if _MODULES not in parts:
        return None
    at = len(parts) - 1 - parts[::-1].index(_MODULES)
    end = at + (3 if len(parts) > at + 1 and parts[at + 1].startswith("@") else 2)
    return "/".join(parts[at + 1 : end]), "/".join(parts[:end])


def _listed(import_root: Path) -> set[str]:
    document = _read_json(import_root / "package.json")
    return {name for kind in _LISTS for name in document.get(kind) or ()}


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return _parsed(file.read_bytes())
    except OSError:
        return {}


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _virtual(bundled: Bundled) -> int:
    return sum(size for name, size in bundled.sizes.items() if bundled.is_virtual(name))


def _top(name: str, import_root: Path, project_root: Path) -> str:
    """The folder of a module of the user's, at the top of the import root; of one from elsewhere, of the project, or
    the first one on the way from there."""
    if not name.startswith("../"):
        return _top_of_path(name)
    path = Path(os.path.relpath((import_root / name).resolve(), project_root.resolve())).as_posix()
    inside = path.lstrip("./")
    return path.removesuffix(inside) + _top_of_path(inside)


def _top_of_path(path: str) -> str:
    top, below, _ = path.partition("/")
    return f"{top}/" if below else "."
