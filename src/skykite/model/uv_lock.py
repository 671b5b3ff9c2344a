"""What a `uv.lock` pins for an import root: its own project, or a member of the workspace around it.

In: the lock, the import root's `pyproject.toml`, which extras and groups are wanted. Out: `Dependencies`. I/O: reads
them. https://docs.astral.sh/uv/concepts/projects/layout/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skykite.errors import SkykiteError
from skykite.model.manifest import PackageOptions
from skykite.model.packages import (
    NEVER_INSTALLED,
    Dependencies,
    check_known,
    local_packages,
    read_lock,
    read_toml,
)


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


def from_uv_lock(lock: Path, import_root: Path, pyproject: Mapping[str, Any], options: PackageOptions) -> Dependencies:
    """Raises `lock-invalid`, `lock-outdated`, `packages-unknown`."""
    from skykite.model.lock_freshness import check_uvs

    locked = read_lock(lock)
    packages = [one for one in locked.get("package", ()) if isinstance(one, dict)]
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
    check_known(pyproject, options, import_root)
    check_uvs(own, pyproject, options, lock=lock, file=import_root / "pyproject.toml", locked=locked)
    reached = _reached(own, by_name, options)
    local = {str(one["name"]): folder for one in reached if (folder := _folder_of(one, lock))}
    beside = (import_root / "pyproject.toml", *(folder / "pyproject.toml" for folder in local.values()))
    for one in reached:  # a package of the user's may ask for more than it did, too
        file = (_folder_of(one, lock) or lock) / "pyproject.toml"
        declared = read_toml(file, "pyproject-invalid") if one is not own and file.is_file() else {}
        if "project" in declared:
            check_uvs(one, declared, PackageOptions(), lock=lock, file=file, locked=locked)
    return Dependencies(
        kind="uv",
        main=import_root / "pyproject.toml",
        files=(lock, *(file for file in beside if file.is_file())),
        local=local_packages(local.items()),
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
