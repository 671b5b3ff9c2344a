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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from skykite.errors import SkykiteError
from skykite.model.manifest import PackageOptions
from skykite.model.packages import (
    NEVER_INSTALLED,
    Dependencies,
    check_known,
    local_packages,
    name_of,
    normalized,
    read_lock,
    read_toml,
)
from skykite.model.path_dependencies import declaring_files, with_their_own
from skykite.model.requirement_files import from_requirements
from skykite.model.uv_lock import from_uv_lock, workspace_lock

DEPENDENCY_FILES: Final = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "requirements.txt", "pyproject.toml")
"""What says which third-party packages a function needs, the most exact first."""

_DECLARING: Final = ("project", "dependency-groups", "build-system")
_DECLARING_TOOLS: Final = ("uv", "poetry", "pdm")
_LAYOUT: Final = 2  # counted up when layers are made otherwise from the same files


def read_dependencies(import_root: Path, options: PackageOptions) -> Dependencies | None:
    """The most exact of what there is. None if no packages are needed.

    Raises `lock-invalid`, `lock-outdated`, `pyproject-invalid`, `requirements-missing`, `packages-unknown`.
    """
    there = {name: import_root / name for name in DEPENDENCY_FILES if (import_root / name).is_file()}
    pyproject = read_toml(there["pyproject.toml"], "pyproject-invalid") if "pyproject.toml" in there else {}
    if "project" in pyproject and (lock := there.get("uv.lock") or workspace_lock(import_root)):
        return from_uv_lock(lock, import_root, pyproject, options)
    if "pylock.toml" in there:
        return _from_pylock(there["pylock.toml"], pyproject)
    for name, kind in (("poetry.lock", "poetry"), ("pdm.lock", "pdm")):
        if name in there and pyproject:
            return _from_other_lock(there[name], pyproject, kind)  # type: ignore[arg-type]
    if "requirements.txt" in there:
        return from_requirements(there["requirements.txt"])
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


def _from_pylock(lock: Path, pyproject: Mapping[str, Any]) -> Dependencies:
    from skykite.model.lock_freshness import check_pylocks

    document = read_toml(lock, "lock-invalid")
    check_pylocks(lock, document, pyproject)
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
        local=local_packages(local.items()),
        installs=any(one.get("name") not in (*local, NEVER_INSTALLED) for one in packages),
    )


def _from_other_lock(lock: Path, pyproject: Mapping[str, Any], kind: Literal["poetry", "pdm"]) -> Dependencies:
    from skykite.model.lock_freshness import check_pdms, check_poetrys

    document = read_lock(lock)
    if kind == "poetry":
        with lock.open(encoding="utf-8") as stream:
            check_poetrys(lock, document, pyproject, stream.readline())
    else:
        check_pdms(lock, document, pyproject)
    packages = [one for one in document.get("package", ()) if isinstance(one, dict)]
    local: dict[str, Path] = {}
    for one in packages:
        source = one.get("source", {})
        path = source.get("url") if source.get("type") == "directory" else one.get("path")
        if isinstance(path, str) and (folder := Path(lock.parent, path)).is_dir():
            local[str(one.get("name"))] = folder.resolve()
    return Dependencies(
        kind=kind,
        main=lock,
        files=(lock, lock.with_name("pyproject.toml")),
        local=local_packages(local.items()),
        installs=any(one.get("name") not in (*local, NEVER_INSTALLED) for one in packages),
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
    check_known(document, options, file.parent)
    listed = [
        *project.get("dependencies", ()),
        *(one for extra in options.extras for one in project.get("optional-dependencies", {}).get(extra, ())),
        *(one for group in options.groups for one in document.get("dependency-groups", {}).get(group, ())),
    ]
    names = {name_of(one) for one in listed if isinstance(one, str)} - {NEVER_INSTALLED}
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
    local = with_their_own(local)
    return Dependencies(
        kind="pyproject",
        main=file,
        files=(file, *declaring_files(local.values())),
        local=local_packages(local.items()),
    )


def _declarations(document: Mapping[str, Any]) -> dict[str, Any]:
    tools = document.get("tool", {})
    return {
        **{name: document[name] for name in _DECLARING if name in document},
        **{f"tool.{name}": tools[name] for name in _DECLARING_TOOLS if name in tools},
    }
