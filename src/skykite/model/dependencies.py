"""What says which packages a function needs: the lock file or list of requirements of its import root.

In: an import root, and which extras and groups are wanted. Out: a `Dependencies`: what to read, which files have a say,
which packages are folders of the user's own. I/O: reads those files. Here rather than in `bundle`, which installs the
packages, because `constructs` names the layer that they go into, and the two never import each other.

Formats: https://docs.astral.sh/uv/concepts/projects/layout/ (uv.lock), https://peps.python.org/pep-0751/ (pylock.toml),
https://pip.pypa.io/en/stable/reference/requirements-file-format/; poetry.lock and pdm.lock as those tools write them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from skykite.errors import SkykiteError
from skykite.model.manifest import PackageOptions

DEPENDENCY_FILES: Final = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "requirements.txt", "pyproject.toml")
"""What says which third-party packages a function needs, the most exact first."""

NEVER_INSTALLED: Final = "skykite"
"""`skykite_lambda` is in every zip; the rest of the package, with CDK and Node, is for the developer's side."""

Kind = Literal["uv", "pylock", "poetry", "pdm", "requirements", "pyproject"]
_INCLUDE: Final = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)?(?P<file>\S+)")
_EDITABLE: Final = re.compile(r"^(?:-e|--editable)(?:\s+|=)(?P<path>\S.*)$")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_NAME: Final = re.compile(r"^\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_AT: Final = re.compile(r"^\s*[A-Za-z0-9._-]+\s*(?:\[[^]]*\])?\s*@\s*(?P<url>\S+)")
_DECLARING: Final = ("project", "dependency-groups", "build-system")
_DECLARING_TOOLS: Final = ("uv", "poetry", "pdm")
_ARCHIVES: Final = re.compile(r"(?m)^(?:wheels|files) = \[\n(?:[ \t]+\{.*\},?\n)*\]\n|^sdist = \{.*\}\n")
_LAYOUT: Final = 2  # counted up when layers are made otherwise from the same files


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPackage:
    """A package that is a folder of the user's: a member of the workspace, or a path dependency."""

    name: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """`main` is what is read for them, `files` everything that has a say, `installs` whether there is any package to
    fetch besides the local ones."""

    kind: Kind
    main: Path
    files: tuple[Path, ...]
    local: tuple[LocalPackage, ...] = ()
    installs: bool = True


def read_dependencies(import_root: Path, options: PackageOptions) -> Dependencies | None:
    """The most exact of what there is. None if no packages are needed.

    Raises `lock-invalid`, `lock-outdated`, `pyproject-invalid`, `requirements-missing`, `packages-unknown`.
    """
    there = {name: import_root / name for name in DEPENDENCY_FILES if (import_root / name).is_file()}
    pyproject = read_toml(there["pyproject.toml"], "pyproject-invalid") if "pyproject.toml" in there else {}
    if "project" in pyproject and (lock := there.get("uv.lock") or workspace_lock(import_root)):
        return _from_uv_lock(lock, import_root, pyproject, options)
    if "pylock.toml" in there:
        return _from_pylock(there["pylock.toml"])
    for name, kind in (("poetry.lock", "poetry"), ("pdm.lock", "pdm")):
        if name in there and pyproject:
            return _from_other_lock(there[name], there["pyproject.toml"], kind)  # type: ignore[arg-type]
    if "requirements.txt" in there:
        return _from_requirements(there["requirements.txt"])
    if pyproject:
        return _from_pyproject(there["pyproject.toml"], pyproject, options)
    return None


def dependency_files(import_root: Path) -> tuple[Path, ...]:
    """The files that may pin what the packages are: those in the import root and, when it is a member of a workspace,
    the `uv.lock` above it. For whoever watches; nothing is read."""
    found = [import_root / name for name in DEPENDENCY_FILES if (import_root / name).is_file()]
    if import_root / "uv.lock" not in found and import_root / "pyproject.toml" in found:
        lock = workspace_lock(import_root)
        found += [lock] if lock else []
    return tuple(found)


def dependencies_digest(found: Dependencies, options: PackageOptions, runtime: str, architecture: str) -> str:
    """40 hex digits that change whenever what is installed could. Of `pyproject.toml` only what declares packages
    counts, so that a tool's setting there installs nothing again."""
    digest = hashlib.sha256(
        json.dumps(
            [_LAYOUT, found.kind, runtime, architecture, options.extras, options.groups, options.without,
             options.bytecode]
        ).encode()
    )  # fmt: skip
    for file in found.files:
        if file.name == "pyproject.toml":
            content = json.dumps(_declarations(read_toml(file, "pyproject-invalid")), sort_keys=True, default=str)
            data = content.encode()
        else:
            data = file.read_bytes()
        digest.update(f"\0{file.name}\0{hashlib.sha256(data).hexdigest()}".encode())
    return digest.hexdigest()[:40]


def read_toml(file: Path, code: str) -> dict[str, Any]:
    """Raises SkykiteError with `code`, naming the file, and the line if the parser knows it."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        again = {
            "uv.lock": "uv lock",
            "poetry.lock": "poetry lock",
            "pdm.lock": "pdm lock",
            "pylock.toml": "uv export --format pylock.toml -o pylock.toml",
        }.get(file.name)
        raise SkykiteError(
            code,
            f"`{file}` is not valid TOML: {error}",
            hint=f"run `{again}` to write it again" if again else None,
        ) from error


def read_lock(file: Path) -> dict[str, Any]:
    """A lock of uv's, Poetry's or PDM's without what its packages may be downloaded from, which is most of it and takes
    most of the time. Raises `lock-invalid`."""
    try:
        return tomllib.loads(_ARCHIVES.sub("", file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return read_toml(file, "lock-invalid")  # which knows the line


def normalized(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_lines(file: Path) -> tuple[str, ...]:
    """Without comments and empty lines; what a backslash continues is one line."""
    text = re.sub(r"\\\r?\n", " ", file.read_text(encoding="utf-8-sig"))
    stripped = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return tuple(line for line in stripped if line)


def included_files(file: Path) -> tuple[Path, ...]:
    """A requirements file and those it includes. Raises `requirements-missing`."""
    waiting, seen = [file], dict[Path, None]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen[path] = None
        for line in requirement_lines(path):
            if found := _INCLUDE.match(line):
                included = Path(path.parent, found["file"])
                if urlsplit(found["file"]).scheme in ("http", "https"):
                    continue
                if not included.is_file():
                    raise SkykiteError(
                        "requirements-missing", f"`{path.name}` includes `{found['file']}`, which does not exist"
                    )
                waiting.append(included.resolve())
    return tuple(seen)


def local_path(line: str, beside: Path) -> Path | None:
    """The folder or file that a line of a requirements file names, if it does."""
    line = line.partition(" ;")[0].strip()
    editable = _EDITABLE.match(line)
    at = _AT.match(line)
    text = editable["path"] if editable else at["url"] if at else line
    text = re.sub(r"\[[^]]*\]$", "", text.strip())
    url = urlsplit(text)
    if url.scheme == "file":
        text = unquote(url.path)
    elif (url.scheme and len(url.scheme) > 1) or not (editable or at or text.startswith((".", "/", "~"))):
        return None
    named = Path(beside, Path(text).expanduser())
    return named.resolve() if named.exists() else None


# ----------------------------------------------------------------------------------------------------------------------


def workspace_lock(import_root: Path) -> Path | None:
    """The `uv.lock` of the workspace that an import root is in. It may lie above the folder of kite.toml, but not
    above the repository or the home directory."""
    if (import_root / ".git").exists():
        return None
    for folder in import_root.parents:
        if folder == Path.home():
            return None
        if (folder / "uv.lock").is_file() and (folder / "pyproject.toml").is_file():
            return folder / "uv.lock"
        if (folder / ".git").exists():
            return None
    return None


def _from_uv_lock(
    lock: Path, import_root: Path, pyproject: Mapping[str, Any], options: PackageOptions
) -> Dependencies | None:
    packages = [one for one in read_lock(lock).get("package", ()) if isinstance(one, dict)]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for one in packages:
        by_name.setdefault(str(one.get("name")), []).append(one)
    own = next((one for one in packages if _folder_of(one, lock) == import_root.resolve()), None)
    if own is None:
        raise SkykiteError(
            "lock-outdated",
            f"`{lock}` does not know the project in `{import_root}`",
            hint="run `uv lock`; a member of a workspace is named in `tool.uv.workspace` of the `pyproject.toml` above",
        )
    _check_uv_lock(own, pyproject, lock)
    _check_known(pyproject, options, import_root)
    reached = _reached(own, by_name, options)
    local = {str(one["name"]): folder for one in reached if (folder := _folder_of(one, lock))}
    beside = (import_root / "pyproject.toml", *(folder / "pyproject.toml" for folder in local.values()))
    return Dependencies(
        kind="uv",
        main=import_root / "pyproject.toml",
        files=(lock, *(file for file in beside if file.is_file())),
        local=_locals(local.items()),
        installs=any(not _folder_of(one, lock) and one["name"] not in options.without for one in reached),
    )


def _reached(
    own: Mapping[str, Any], by_name: Mapping[str, Sequence[dict[str, Any]]], options: PackageOptions
) -> list[dict[str, Any]]:
    """Every package that may be needed on some machine, but for what only Skykite needs."""
    groups = own.get("dev-dependencies", {})
    edges = [
        *own.get("dependencies", ()),
        *(edge for extra in options.extras for edge in own.get("optional-dependencies", {}).get(extra, ())),
        *(edge for group in options.groups for edge in groups.get(group, ())),
    ]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    done: set[tuple[str, str]] = set()
    while edges:
        edge = edges.pop()
        if edge["name"] == NEVER_INSTALLED:
            continue
        for one in by_name.get(edge["name"], ()):
            key = (edge["name"], str(one.get("version")))
            found[key] = one
            for extra in ("", *edge.get("extra", ())):
                if (edge["name"], extra) in done:
                    continue
                done.add((edge["name"], extra))
                edges += one.get("optional-dependencies", {}).get(extra, ()) if extra else one.get("dependencies", ())
    return [one for _, one in sorted(found.items())]


def _folder_of(package: Mapping[str, Any], lock: Path) -> Path | None:
    source = package.get("source", {})
    for kind in ("editable", "directory", "virtual"):
        if kind in source:
            return Path(lock.parent, source[kind]).resolve()
    return None


def _check_uv_lock(own: Mapping[str, Any], pyproject: Mapping[str, Any], lock: Path) -> None:
    """Whether what the project asks for is what the lock was made from. Names alone: whether versions still fit, uv
    finds when it locks; a package that was added or taken away is what people forget to lock."""
    if "dependencies" in pyproject["project"].get("dynamic", ()):
        return  # what it asks for is somewhere else
    asked = {_name_of(one) for one in pyproject["project"].get("dependencies", ()) if isinstance(one, str)}
    locked = {normalized(one["name"]) for one in own.get("dependencies", ())}
    metadata = own.get("metadata", {}).get("requires-dist")
    if metadata is not None:
        locked = {normalized(one["name"]) for one in metadata if "extra ==" not in one.get("marker", "")}
    if asked != locked:
        added, gone = sorted(asked - locked), sorted(locked - asked)
        said = [f"`{name}` is not in it" for name in added] + [f"`{name}` is no longer asked for" for name in gone]
        raise SkykiteError(
            "lock-outdated",
            f"`{lock}` is older than `pyproject.toml`: {', '.join(said)}",
            hint="run `uv lock`",
        )


def _name_of(requirement: str) -> str:
    found = _NAME.match(requirement)
    return normalized(found["name"]) if found else requirement


def _check_known(pyproject: Mapping[str, Any], options: PackageOptions, import_root: Path) -> None:
    extras = pyproject.get("project", {}).get("optional-dependencies", {})
    groups = pyproject.get("dependency-groups", {})
    for kind, wanted, known in (("extra", options.extras, extras), ("group", options.groups, groups)):
        for name in wanted:
            if normalized(name) not in map(normalized, known):
                listed = ", ".join(f"`{one}`" for one in sorted(known)) or "none"
                raise SkykiteError(
                    "packages-unknown",
                    f"`{import_root / 'pyproject.toml'}` defines no {kind} `{name}`",
                    hint=f"it defines {listed}",
                )


def _from_pylock(lock: Path) -> Dependencies:
    document = read_toml(lock, "lock-invalid")
    packages = [one for one in document.get("packages", ()) if isinstance(one, dict)]
    local = {
        str(one.get("name")): Path(lock.parent, one["directory"]["path"]).resolve()
        for one in packages
        if isinstance(one.get("directory"), dict) and "path" in one["directory"]
    }
    return Dependencies(
        kind="pylock",
        main=lock,
        files=(lock,),
        local=_locals(local.items()),
        installs=any(one.get("name") not in (*local, NEVER_INSTALLED) for one in packages),
    )


def _from_other_lock(lock: Path, pyproject: Path, kind: Literal["poetry", "pdm"]) -> Dependencies:
    packages = [one for one in read_lock(lock).get("package", ()) if isinstance(one, dict)]
    local: dict[str, Path] = {}
    for one in packages:
        source = one.get("source", {})
        path = source.get("url") if source.get("type") == "directory" else one.get("path")
        if isinstance(path, str) and (folder := Path(lock.parent, path)).is_dir():
            local[str(one.get("name"))] = folder.resolve()
    return Dependencies(
        kind=kind,
        main=lock,
        files=(lock, pyproject),
        local=_locals(local.items()),
        installs=any(one.get("name") not in (*local, NEVER_INSTALLED) for one in packages),
    )


def _from_requirements(file: Path) -> Dependencies | None:
    files = included_files(file)
    local: dict[str, Path] = {}
    others, wheels = 0, []
    for path in files:
        for line in requirement_lines(path):
            named = local_path(line, path.parent)
            if named is not None and named.is_file():
                wheels.append(named)  # built again, it may have the same name
            if named is not None and named.is_dir():
                local[_project_name(named)] = named
            elif not line.startswith("-") and _name_of(line) != NEVER_INSTALLED:
                others += 1
    if not others and not local:
        return None
    declaring = (folder / "pyproject.toml" for folder in local.values())
    return Dependencies(
        kind="requirements",
        main=file,
        files=(*files, *wheels, *(one for one in declaring if one.is_file())),
        local=_locals(local.items()),
        installs=bool(others) or any(_declares(folder) for folder in local.values()),
    )


def _from_pyproject(file: Path, document: Mapping[str, Any], options: PackageOptions) -> Dependencies | None:
    project: Mapping[str, Any] = document.get("project", {})
    poetry: Mapping[str, Any] = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    if not project.get("dependencies") and poetry.keys() - {"python"}:
        raise SkykiteError(
            "lock-missing",
            f"the packages of `{file}` are managed by Poetry, and there is no `poetry.lock` beside it",
            hint="run `poetry lock`",
        )
    _check_known(document, options, file.parent)
    listed = [
        *project.get("dependencies", ()),
        *(one for extra in options.extras for one in project.get("optional-dependencies", {}).get(extra, ())),
        *(one for group in options.groups for one in document.get("dependency-groups", {}).get(group, ())),
    ]
    names = {_name_of(one) for one in listed if isinstance(one, str)} - {NEVER_INSTALLED}
    if not names and "dependencies" not in project.get("dynamic", ()) and not options.groups:
        return None
    sources: Mapping[str, Any] = document.get("tool", {}).get("uv", {}).get("sources", {})
    local = {
        normalized(name): folder.resolve()
        for name, source in sources.items()
        if normalized(name) in names
        and isinstance(source, dict)
        and "path" in source
        and (folder := Path(file.parent, source["path"])).is_dir()
    }
    declaring = (folder / "pyproject.toml" for folder in local.values())
    return Dependencies(
        kind="pyproject",
        main=file,
        files=(file, *(one for one in declaring if one.is_file())),
        local=_locals(local.items()),
    )


def _locals(found: Iterable[tuple[str, Path]]) -> tuple[LocalPackage, ...]:
    named = ((name, folder) for name, folder in found if normalized(name) != NEVER_INSTALLED)
    return tuple(LocalPackage(name=name, folder=folder) for name, folder in sorted(named))


def _project_name(folder: Path) -> str:
    pyproject = folder / "pyproject.toml"
    if not pyproject.is_file():
        return folder.name
    document = read_toml(pyproject, "pyproject-invalid")
    name = document.get("project", {}).get("name") or document.get("tool", {}).get("poetry", {}).get("name")
    return str(name or folder.name)


def _declares(folder: Path) -> bool:
    """Whether a local package may need others."""
    pyproject = folder / "pyproject.toml"
    if not pyproject.is_file():
        return True
    project = read_toml(pyproject, "pyproject-invalid").get("project")
    return project is None or bool(project.get("dependencies")) or "dependencies" in project.get("dynamic", ())


def _declarations(document: Mapping[str, Any]) -> dict[str, Any]:
    tools = document.get("tool", {})
    return {
        **{name: document[name] for name in _DECLARING if name in document},
        **{f"tool.{name}": tools[name] for name in _DECLARING_TOOLS if name in tools},
    }
