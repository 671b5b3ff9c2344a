"""The hash that names a function's zip, or the layer of its packages, and the files that it depends on.

In: what a bundle is made from. Out: hashes of content; files. I/O: reads folders and files, as `source` does, and for
its reasons.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.model.dependencies import dependencies_digest, read_dependencies
from skykite.model.disk import Disk
from skykite.model.manifest import BundleEntry, PackagesEntry
from skykite.model.node_source import read_node_source
from skykite.model.source import SourceFile, bundle_files, copied_sources, select, select_package, unreadable

_HASH_FORMAT: Final = "skykite-source-3"


@dataclass(frozen=True, slots=True)
class NodeFile:
    """One that a Node function is bundled from: `path` from the project on (POSIX), `location` absolute, and the digest
    of its content."""

    path: str
    location: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was put into a zip of the user's files, and the digest of what was read of each, by its path in there."""

    files: Sequence[SourceFile]
    digests: Mapping[str, str]


def bundle_hash(
    project_root: Path,
    bundle: BundleEntry,
    *,
    sources: Sequence[NodeFile] | None = None,
    disk: Disk | None = None,
    packed: Packed | None = None,
) -> str:
    """64 hex digits that change whenever the zip could. Bundles of other files have other ones, also while what is in
    these is the same: an edit of some is none of the others. `sources` are a Node function's, if they are known; `disk`
    is shared by those that have many hashed. `packed` says to name what a zip holds, not what is there now."""
    found: list[bytes] = []
    disk = disk or Disk()

    def add(*parts: str) -> None:
        for part in parts:
            data = part.encode("utf-8", "surrogateescape")
            found.append(b"%d:%b" % (len(data), data))

    def add_files(kind: str, files: Iterable[SourceFile]) -> None:
        for file in files:
            add(kind, file.path, "x" if file.executable else "-", _digest(str(file.location), disk))

    def add_own(files: Callable[[], Iterable[SourceFile]]) -> None:
        if packed is None:
            add_files("file", files())
            return
        for file in packed.files:
            add("file", file.path, "x" if file.executable else "-", packed.digests[file.path])

    add(_HASH_FORMAT, bundle.import_root)
    for copied in bundle.copied:
        add("copied", copied.source, copied.to)
    if bundle.node is not None:
        add("node", bundle.runtime, bundle.architecture if bundle.node.install else "", repr(bundle.node))
        for one in node_sources(bundle, project_root, disk) if sources is None else sources:
            add("file", one.path, "-", one.digest)
        add_own(lambda: copied_sources(bundle.copied, project_root))
    else:
        add_own(lambda: bundle_files(bundle, project_root))
        for folder in bundle.local:
            add("package", folder, bundle.runtime)
            add_files("source", select_package(project_root / folder))
        if bundle.executable is not None:
            add("executable", bundle.architecture, bundle.runtime, repr(bundle.executable))
        elif not bundle.layered:
            add("packages", packages_digest(project_root, bundle.third_party))
    for command in bundle.after_build:
        add("command", command)
    return hashlib.sha256(b"".join(found)).hexdigest()


def asset_hash(content: str) -> str:
    """How CDK names an asset that it was given this hash for."""
    return hashlib.sha256(content.encode()).hexdigest()


def node_sources(bundle: BundleEntry, project_root: Path, disk: Disk | None = None) -> tuple[NodeFile, ...]:
    """The files that a Node function is bundled from, sorted by path. Raises `source-unreadable`."""
    assert bundle.node is not None
    disk = disk or Disk()
    root, import_root = disk.real(str(project_root)), disk.real(f"{project_root}{os.sep}{bundle.import_root}")
    entry = os.path.normpath(f"{import_root}{os.sep}{bundle.node.entry}")
    own = os.path.normpath(f"{root}{os.sep}{bundle.node.tsconfig}") if bundle.node.tsconfig else None
    source = read_node_source(entry, import_root, disk, tsconfig=own)
    files = source.files
    if source.everything:
        disk.doubt()
        chosen = select(Path(import_root), project_root)
        more = (str(file.location) for file in chosen if not file.path.endswith((".py", ".pyi")))
        files = {**dict.fromkeys(more), **files}
    found = [(_from(root, file), file, digest or _digest(file, disk)) for file, digest in files.items()]
    return tuple(NodeFile(*one) for one in sorted(found))


def _digest(file: str, disk: Disk) -> str:
    try:
        return disk.digest(file)
    except OSError as error:
        raise unreadable(Path(file), error) from error


def _from(root: str, file: str) -> str:
    if file.startswith(root + os.sep):
        return file[len(root) + 1 :].replace(os.sep, "/")
    return Path(os.path.relpath(file, root)).as_posix()


def naming_files(bundle: BundleEntry, project_root: Path, disk: Disk | None = None) -> tuple[Path, ...]:
    """Files that a zip or its layer is named by, wherever they are: what pins packages, also from above the import root
    or included from elsewhere, and what a Node function imports. Raises what naming it raises."""
    if bundle.node is not None:
        return tuple(Path(file.location) for file in node_sources(bundle, project_root, disk))
    if bundle.kind != "python":
        return ()
    found = read_dependencies(project_root / bundle.import_root, bundle.packages)
    return found.files if found else ()


def packages_digest(project_root: Path, packages: PackagesEntry) -> str:
    """What names the packages of an import root: empty if it needs none."""
    found = read_dependencies(project_root / packages.import_root, packages.options)
    if found is None:
        return ""
    return dependencies_digest(found, packages.options, packages.runtime, packages.architecture)


def packages_hash(project_root: Path, packages: PackagesEntry) -> str:
    """64 hex digits that name the layer of these packages."""
    return hashlib.sha256(f"layer {packages_digest(project_root, packages)}".encode()).hexdigest()
