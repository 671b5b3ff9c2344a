"""Which files make up a function's zip, and the hash that names it.

In: an import root on disk. Out: a sorted list of files, and a content hash. I/O: reads folders and files, writes
nothing; it is the one module of `model` that does, because `constructs` (which names the zip) and `bundle` (which
builds it) must agree to the byte and never import each other.

The rule of what is in. Everything below the import root, Python or data, except:

- hidden files and folders (`.git`, `.venv`, `.env`, `.kite`, …): tools' own state, and secrets;
- `__pycache__`, `*.pyc`, `*.egg-info`, `node_modules`, `cdk.out`, and any folder that is a virtual environment or was
  made by `kite build`;
- directly in the import root: `tests`, `typings`, `kite.toml`, `cdk.context.json`: they concern the project, not its
  functions.

Symbolic links are followed as long as they stay in the project.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import skykite_lambda
from skykite.errors import SkykiteError
from skykite.model.build import BUILD_FILE, BUILT_ASSEMBLY
from skykite.model.manifest import MANIFEST_FILE, BundleEntry, CopiedFile

IMPORT_ROOT_MARKERS: Final = ("pyproject.toml", "requirements.txt")
"""A folder that holds one of these is an import root: imports start there, and so does the zip."""

DEPENDENCY_FILES: Final = ("uv.lock", "pylock.toml", "poetry.lock", "requirements.txt", "pyproject.toml")
"""What says which third-party packages a function needs, the most exact first."""

_EXCLUDED_ANYWHERE: Final = frozenset({"__pycache__", "node_modules", "cdk.out"})
_EXCLUDED_AT_ROOT: Final = frozenset({"tests", "typings", "kite.toml", "cdk.context.json"})
_EXCLUDED_SUFFIXES: Final = (".pyc", ".pyo", ".egg-info")
_HASH_FORMAT: Final = "skykite-source-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a zip: `path` inside it (POSIX), `location` on disk (absolute, links not resolved)."""

    path: str
    location: Path
    executable: bool


def find_import_root(file: Path, project_root: Path) -> Path:
    """The nearest folder at or above `file`, within the project, that holds an import root marker; else the project
    root. Both absolute."""
    for folder in file.parents:
        if any((folder / marker).is_file() for marker in IMPORT_ROOT_MARKERS):
            return folder
        if folder == project_root:
            break
    return project_root


def select(import_root: Path, project_root: Path) -> tuple[SourceFile, ...]:
    """The files of an import root's zip, sorted by path. Raises `source-link-outside`, `source-link-broken`."""
    found = _walk(import_root, "", project_root.resolve(), (import_root.resolve(),))
    return tuple(sorted(found, key=lambda file: file.path))


def select_support() -> tuple[SourceFile, ...]:
    """The files of `skykite_lambda`, which every zip carries beside the user's code, so that `resource` imports."""
    root = Path(skykite_lambda.__file__).parent
    found = _walk(root, f"{root.name}/", root.resolve(), (root.resolve(),))
    return tuple(sorted(found, key=lambda file: file.path))


def copied_sources(copied: Sequence[CopiedFile], project_root: Path) -> tuple[SourceFile, ...]:
    """The files behind `copy_files`, sorted by where they go. A folder goes with what is in it, by the rule above; a
    file that is named goes whatever its name. Raises `source-link-outside`, `source-link-broken`."""
    found: dict[str, SourceFile] = {}
    for one in copied:
        source = project_root / one.source
        if source.is_dir():
            prefix = f"{one.to}/" if one.to else ""
            for file in _walk(source, prefix or "/", project_root.resolve(), (source.resolve(),)):
                path = file.path.lstrip("/")
                found[path] = replace(file, path=path)
        elif source.is_file():
            if not source.resolve().is_relative_to(project_root.resolve()):
                raise _outside(source, source.resolve())
            executable = bool(source.stat().st_mode & stat.S_IXUSR)
            found[one.to] = SourceFile(path=one.to, location=source, executable=executable)
    return tuple(found[path] for path in sorted(found))


def bundle_files(bundle: BundleEntry, project_root: Path) -> tuple[SourceFile, ...]:
    """All files of ours and the user's in a bundle's zip: its import root's, copied ones in their place, and
    `skykite_lambda`."""
    import_root = project_root / bundle.import_root
    files = {file.path: file for file in select(import_root, project_root)}
    files |= {file.path: file for file in copied_sources(bundle.copied, project_root)}
    return (*(files[path] for path in sorted(files)), *select_support())


def excluded(name: str, *, at_root: bool) -> bool:
    """Whether a file or folder of that name is left out, as far as its name alone tells."""
    return (
        name.startswith(".")
        or name in _EXCLUDED_ANYWHERE
        or name.endswith(_EXCLUDED_SUFFIXES)
        or (at_root and name in _EXCLUDED_AT_ROOT)
    )


def dependency_files(import_root: Path, project_root: Path) -> tuple[Path, ...]:
    """The files that pin what the zip's third-party packages are: those in the import root and, when it is a member
    of a workspace, the `uv.lock` above it."""
    found = [import_root / name for name in DEPENDENCY_FILES if (import_root / name).is_file()]
    if not (import_root / "uv.lock").is_file() and (import_root / "pyproject.toml").is_file():
        for folder in import_root.parents:
            if not folder.is_relative_to(project_root):
                break
            if (folder / "uv.lock").is_file():
                found.append(folder / "uv.lock")
                break
    return tuple(found)


def bundle_hash(project_root: Path, bundle: BundleEntry) -> str:
    """The `source_hash` of a bundle as it is now."""
    dependencies = dependency_files(project_root / bundle.import_root, project_root)
    return source_hash(bundle_files(bundle, project_root), dependencies, bundle)


def source_hash(files: Sequence[SourceFile], dependencies: Sequence[Path], bundle: BundleEntry) -> str:
    """64 hex digits that change whenever the zip could. `files` is what `bundle_files` gave."""
    digest = hashlib.sha256()

    def add(*parts: str) -> None:
        for part in parts:
            data = part.encode("utf-8", "surrogateescape")
            digest.update(b"%d:" % len(data) + data)

    add(_HASH_FORMAT, bundle.runtime, bundle.architecture)
    for file in files:
        add("file", file.path, "x" if file.executable else "-", _hash_file(file.location))
    for path in dependencies:
        add("dependencies", path.name, _hash_file(path))
    for command in bundle.after_build:
        add("command", command)
    return digest.hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _walk(folder: Path, prefix: str, boundary: Path, above: tuple[Path, ...]) -> Iterator[SourceFile]:
    """`above` holds the real paths of `folder` and the folders it was reached through: a link to one of them ends."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if excluded(entry.name, at_root=prefix == ""):
                continue
            path = Path(entry.path)
            real = above[-1] / entry.name
            if entry.is_symlink():
                real = _follow(path, boundary)
                if real in above:
                    continue
            if real.is_dir():
                if not _is_made(real):
                    yield from _walk(path, f"{prefix}{entry.name}/", boundary, (*above, real))
            elif real.is_file():
                mode = real.stat().st_mode
                yield SourceFile(path=prefix + entry.name, location=path, executable=bool(mode & stat.S_IXUSR))


def _is_made(folder: Path) -> bool:
    """Whether it is a virtual environment, or what `kite build` made of this very source."""
    if (folder / "pyvenv.cfg").is_file():
        return True
    return (folder / BUILD_FILE).is_file() and (folder / BUILT_ASSEMBLY / MANIFEST_FILE).is_file()


def _follow(link: Path, boundary: Path) -> Path:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop, before Python 3.13
        raise SkykiteError(
            "source-link-broken",
            f"`{link}` is a symbolic link that leads nowhere, and it is in the way of a function's zip",
            hint="remove the link, or make what it points to",
        ) from error
    if not target.is_relative_to(boundary):
        raise _outside(link, target)
    return target


def _outside(link: Path, target: Path) -> SkykiteError:
    return SkykiteError(
        "source-link-outside",
        f"`{link}` is a symbolic link to `{target}`, which is outside of the project",
        hint="copy what it points to into the project; a function's zip holds nothing from elsewhere",
    )
