"""Packages that Poetry and PDM have pinned, as the lines of a requirements file that uv installs one by one.

In: a lock file and the `pyproject.toml` beside it. Out: a name and a line for each package that functions get. I/O:
reads those two files.

Both tools write in their locks which group each package is for and on which machines it is needed; Poetry does so since
2.0. In older locks of Poetry that is found by walking from what `pyproject.toml` asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from skykite.errors import SkykiteError
from skykite.model.manifest import PackageOptions
from skykite.model.packages import Dependencies, normalized, read_lock, read_toml

_ALWAYS, _NEVER = "python_version >= '0'", "python_version < '0'"
_EXTRA: Final = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_REQUIRED: Final = re.compile(r"^\s*([A-Za-z0-9._-]+)")

Package = Mapping[str, Any]


def pinned_lines(dependencies: Dependencies, options: PackageOptions) -> Iterator[tuple[str, str]]:
    """Name and line of each package but for folders. Raises `lock-invalid`."""
    lock = dependencies.main
    document = read_toml(lock, "lock-invalid")
    packages = [one for one in document.get("package", ()) if isinstance(one, dict)]
    pyproject = read_toml(lock.with_name("pyproject.toml"), "pyproject-invalid")
    if dependencies.kind == "pdm":
        yield from _from_pdm(packages, options)
    elif any("groups" in one for one in packages):
        yield from _from_poetry(packages, options, lock)
    else:
        yield from _from_old_poetry(packages, document, pyproject, options, lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """Addresses by name. `alike` says that a package may be in any of them, or in the default one."""

    by_name: Mapping[str, str]
    alike: bool


def own_indexes(dependencies: Dependencies) -> Indexes:
    """Those that the project has packages from, besides what uv is configured for."""
    if dependencies.kind == "pdm":
        settings = read_toml(dependencies.main.with_name("pyproject.toml"), "pyproject-invalid").get("tool", {})
        listed = [one for one in settings.get("pdm", {}).get("source", ()) if one.get("type", "index") == "index"]
        return Indexes(by_name={_index_name(one.get("name", "own")): one["url"] for one in listed}, alike=True)
    sources = [one.get("source", {}) for one in read_lock(dependencies.main).get("package", ())]
    used = {_index_name(one["reference"]): one["url"] for one in sources if one.get("type") == "legacy"}
    return Indexes(by_name=used, alike=len(used) > 1 or any("type" not in one for one in sources))


def _index_name(name: str) -> str:
    """As uv takes it."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _from_pdm(packages: Sequence[Package], options: PackageOptions) -> Iterator[tuple[str, str]]:
    wanted = {"default", *options.groups, *options.extras}
    seen = set()
    for one in packages:
        if not wanted & set(one.get("groups", ("default",))) or "path" in one:
            continue
        place = f"git+{one['git']}@{one.get('revision') or one.get('ref')}" if "git" in one else one.get("url")
        line = _line(one, place, one.get("marker"))
        if line not in seen:  # one with extras is listed again without
            seen.add(line)
            yield one["name"], line


def _from_poetry(packages: Sequence[Package], options: PackageOptions, lock: Path) -> Iterator[tuple[str, str]]:
    wanted = {"main", *options.groups}
    for one in packages:
        groups = wanted & set(one.get("groups", ()))
        if not groups or one.get("source", {}).get("type") == "directory":
            continue
        markers = one.get("markers")
        if isinstance(markers, dict):  # they differ from group to group
            each = [markers.get(group, "") for group in sorted(groups)]
            markers = None if "" in each else " or ".join(f"({one})" for one in each)
        if markers:
            markers = _EXTRA.sub(lambda found: _ALWAYS if normalized(found[1]) in options.extras else _NEVER, markers)
        yield one["name"], _line(one, _source(one, lock), markers)


def _from_old_poetry(
    packages: Sequence[Package], document: Package, pyproject: Package, options: PackageOptions, lock: Path
) -> Iterator[tuple[str, str]]:
    by_name: dict[str, list[Package]] = {}
    for one in packages:
        by_name.setdefault(normalized(one["name"]), []).append(one)
    tool = pyproject.get("tool", {}).get("poetry", {})
    asked = dict(tool.get("dependencies", {}))
    for group in options.groups:
        asked |= tool.get("group", {}).get(group, {}).get("dependencies", {})
    chosen = {
        normalized(found[1])
        for extra in options.extras
        for name in document.get("extras", {}).get(extra, ())
        if (found := _REQUIRED.match(name))
    }
    conditions: dict[str, set[str]] = {}
    waiting = [
        (normalized(name), _marker(one))
        for name, constraint in asked.items()
        if normalized(name) != "python"
        for one in (constraint if isinstance(constraint, list) else [constraint])
        if not (isinstance(one, dict) and one.get("optional")) or normalized(name) in chosen
    ]
    while waiting:
        name, condition = waiting.pop()
        known = conditions.setdefault(name, set())
        if "" in known or condition in known:
            continue
        known.add(condition)
        for one in by_name.get(name, ()):
            for needed, constraint in one.get("dependencies", {}).items():
                waiting += [
                    (normalized(needed), _both(condition, _marker(alternative)))
                    for alternative in (constraint if isinstance(constraint, list) else [constraint])
                    if not (isinstance(alternative, dict) and alternative.get("optional"))
                ]
    for name in sorted(conditions):
        pinned = by_name.get(name, [])
        if len(pinned) > 1:
            raise SkykiteError(
                "lock-invalid",
                f"`{lock}` pins `{name}` in several versions, and does not say which is for which machine",
                hint="write it again with Poetry 2: `poetry lock`",
            )
        for one in pinned:
            if one.get("source", {}).get("type") != "directory":
                each = sorted(conditions[name])
                markers = None if "" in each else " or ".join(f"({condition})" for condition in each)
                yield one["name"], _line(one, _source(one, lock), markers)


def _marker(constraint: object) -> str:
    return str(constraint.get("markers", "")) if isinstance(constraint, dict) else ""


def _both(first: str, second: str) -> str:
    return f"({first}) and ({second})" if first and second else first or second


def _source(package: Package, lock: Path) -> str | None:
    """Where a package is, if it is not in an index."""
    source = package.get("source", {})
    match source.get("type"):
        case "git":
            below = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
            return f"git+{source['url']}@{source.get('resolved_reference') or source['reference']}{below}"
        case "url":
            return str(source["url"])
        case "file":
            return Path(lock.parent, source["url"]).resolve().as_uri()
        case _:
            return None


def _line(package: Package, place: str | None, markers: str | None) -> str:
    extras = f"[{','.join(package['extras'])}]" if isinstance(package.get("extras"), list) else ""
    what = f"{package['name']}{extras} @ {place}" if place else f"{package['name']}{extras}=={package['version']}"
    condition = f" ; {markers}" if markers else ""
    hashes = "" if place else "".join(f" --hash={one['hash']}" for one in package.get("files", ()) if "hash" in one)
    return what + condition + hashes
