"""Which files make up a function's zip.

In: an import root on disk. Out: a sorted list of files. I/O: reads folders and files, writes nothing. That is not what
modules of `model` do; but `constructs` (which names the zip) and `bundle` (which builds it) must agree to the byte and
never import each other.

The rule of what is in. Everything below the import root, Python or data, except:

- hidden files and folders (`.git`, `.venv`, `.env`, `.kite`, …): tools' own state, and secrets;
- `__pycache__`, `*.pyc`, `*.egg-info`, `node_modules`, `cdk.out`, and any folder that is a virtual environment, a cache
  (with a `CACHEDIR.TAG`, as Cargo's `target` has), or was
  made by `kite build`;
- directly in the import root: `tests`, `typings`, `kite.toml`, `cdk.context.json`, lock files, READMEs and settings of
  tools: they concern the project, not its functions;
- what the function's `exclude` matches.

Symbolic links are followed as long as they stay in the project.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import skykite_lambda
from skykite.errors import SkykiteError
from skykite.model.build import BUILD_FILE, BUILT_ASSEMBLY
from skykite.model.executable import ExecutableBuild
from skykite.model.globs import matcher
from skykite.model.manifest import MANIFEST_FILE, BundleEntry, CopiedFile
from skykite.model.packages import read_toml

IMPORT_ROOT_MARKERS: Final = ("pyproject.toml", "requirements.txt")
"""A folder that holds one of these is an import root: imports start there, and so does the zip."""

NODE_MARKERS: Final = ("package.json",)
"""The same for functions in TypeScript and JavaScript."""

_EXCLUDED_ANYWHERE: Final = frozenset({"__pycache__", "node_modules", "cdk.out"})
_EXCLUDED_AT_ROOT: Final = frozenset(
    {
        *("tests", "typings", "kite.toml", "cdk.context.json", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"),
        *("README.md", "README.rst", "CHANGELOG.md", "Makefile", "mypy.ini", "pytest.ini", "tox.ini"),
    }
)
_EXCLUDED_SUFFIXES: Final = (".pyc", ".pyo", ".egg-info")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a zip: `path` inside it (POSIX), `location` on disk (absolute, links not resolved), `content` if it
    is not as on disk."""

    path: str
    location: Path
    executable: bool
    content: bytes | None = None

    def size(self) -> int:
        return self.location.stat().st_size if self.content is None else len(self.content)


def find_import_root(file: Path, project_root: Path, *, markers: Sequence[str] = IMPORT_ROOT_MARKERS) -> Path:
    """The nearest folder at or above `file`, within the project, that holds an import root marker; else the project
    root. Both absolute."""
    for folder in file.parents:
        if any((folder / marker).is_file() for marker in markers):
            return folder
        if folder == project_root:
            break
    return project_root


def select(import_root: Path, project_root: Path, exclude: Sequence[str] = ()) -> tuple[SourceFile, ...]:
    """The files of an import root's zip, sorted by path. Raises `source-link-outside`, `source-link-broken`,
    `source-unreadable`, `import-root-too-wide`."""
    real = import_root.resolve()
    if real == Path.home().resolve() or real == Path(real.anchor):
        raise SkykiteError(
            "import-root-too-wide",
            f"all of `{real}` would go into the zips of functions",
            hint="move the project into a folder of its own; the import root is the nearest folder with a "
            "`pyproject.toml` or `requirements.txt` at or above a handler, or else the one with `kite.toml`",
        )
    found = _walk(import_root, "", project_root.resolve(), (real,))
    if exclude:
        left_out = matcher(exclude)
        found = (file for file in found if not left_out(file.path))
    return tuple(sorted(found, key=lambda file: file.path))


def select_package(folder: Path) -> tuple[SourceFile, ...]:
    """The files that a package of the user's is made from, sorted by path."""
    found = _walk(folder, "", folder.resolve(), (folder.resolve(),))
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
    `skykite_lambda`. Of an executable: what it is made of, and copied files."""
    import_root = project_root / bundle.import_root
    if bundle.executable is not None:
        own = executable_sources(import_root, project_root, bundle.executable)
        files = {file.path: file for file in (*own, *copied_sources(bundle.copied, project_root))}
        return tuple(files[path] for path in sorted(files))
    files = {file.path: file for file in select(import_root, project_root, bundle.exclude)}
    files |= {file.path: file for file in _below_src(import_root, files) if file.path not in files}
    files |= {file.path: file for file in copied_sources(bundle.copied, project_root)}
    return (*(files[path] for path in sorted(files)), *select_support())


def executable_sources(import_root: Path, project_root: Path, build: ExecutableBuild) -> tuple[SourceFile, ...]:
    """What an executable is made of: everything in its import root, by the rule above, but what commands leave there;
    and its `inputs`, whose paths begin with `/`. If nothing is built, it is what goes into its zip."""
    made = [import_root / output for output in build.outputs]
    found = {file.location: file for file in select(import_root, project_root, build.exclude)}
    for given in build.inputs:
        source = project_root / given
        if source.is_dir():
            files: Iterable[SourceFile] = _walk(source, "/", project_root.resolve(), (source.resolve(),))
        else:
            files = copied_sources((CopiedFile(source=given, to="/"),), project_root)
        for file in files:
            path = f"/{given}/{file.path.lstrip('/')}".rstrip("/")
            found.setdefault(file.location, replace(file, path=path))
    kept = (one for one in found.values() if not any(one.location.is_relative_to(output) for output in made))
    return tuple(sorted(kept, key=lambda file: file.path))


def _below_src(import_root: Path, files: Mapping[str, SourceFile]) -> Iterator[SourceFile]:
    """What is in `src`, to be found without it, where the project is a package of that layout: installed in its own
    environment, it is imported like that there too."""
    pyproject = import_root / "pyproject.toml"
    inside = [file for path, file in files.items() if path.startswith("src/")]
    if not inside or not pyproject.is_file() or "src/__init__.py" in files:
        return
    if "build-system" in read_toml(pyproject, "pyproject-invalid"):
        yield from (replace(file, path=file.path.removeprefix("src/")) for file in inside)


def excluded(name: str, *, at_root: bool) -> bool:
    """Whether a file or folder of that name is left out, as far as its name alone tells."""
    return (
        name.startswith(".")
        or name in _EXCLUDED_ANYWHERE
        or name.endswith(_EXCLUDED_SUFFIXES)
        or (at_root and name in _EXCLUDED_AT_ROOT)
    )


def unreadable(path: Path, error: OSError) -> SkykiteError:
    """For a file that belongs into a zip."""
    return SkykiteError(
        "source-unreadable",
        f"`{path}` goes into a function's zip and cannot be read: {error.strerror or error}",
        hint="make it readable, or leave it out with the function's `exclude`",
    )


def _walk(folder: Path, prefix: str, boundary: Path, above: tuple[Path, ...]) -> Iterator[SourceFile]:
    """`above` holds the real paths of `folder` and the folders it was reached through: a link to one of them ends."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(folder, error) from error
    for entry in entries:
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
    """Whether it is a virtual environment, a cache (https://bford.info/cachedir/, as Cargo's `target` is one), where
    setuptools made a wheel of the source beside it, or what `kite build` made of this very source."""
    if (folder / "pyvenv.cfg").is_file() or (folder / "CACHEDIR.TAG").is_file():
        return True
    if folder.name == "build" and any(folder.glob("bdist.*")):
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
