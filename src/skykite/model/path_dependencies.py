"""Folders of the user's that a list of requirements names, with those that these need in turn.

In: folders by the names of their packages. Out: the same and more; the files in which such a folder says what it needs.
I/O: reads what declares packages there.

A lock lists all of them. Where none was written, each says for itself, in the words of its tool:
https://docs.astral.sh/uv/concepts/projects/dependencies/#path,
https://python-poetry.org/docs/dependency-specification/#path-dependencies,
https://setuptools.pypa.io/en/latest/userguide/pyproject_config.html#dynamic-metadata
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from skykite.model.packages import name_of, normalized, read_toml

_AT: Final = re.compile(r"^[^@]+@\s*(?P<url>\S+)")
_SETUPTOOLS: Final = ("setup.py", "setup.cfg")


def with_their_own(named: Mapping[str, Path]) -> dict[str, Path]:
    """Raises `pyproject-invalid`."""
    found = dict(named)
    waiting = list(named.values())
    while waiting:
        for name, folder in _needed_by(waiting.pop()):
            if normalized(name) not in map(normalized, found) and folder.is_dir():
                found[name] = folder.resolve()
                waiting.append(found[name])
    return found


def declaring_files(folders: Iterable[Path]) -> tuple[Path, ...]:
    """What says which packages they need. Raises `pyproject-invalid`."""
    return tuple(file for folder in folders for file in _declaring(folder) if file.is_file())


def _declaring(folder: Path) -> Iterator[Path]:
    """Where it is the build that finds out, what it may read for that."""
    yield folder / "pyproject.toml"
    document = _pyproject(folder)
    project = document.get("project")
    if project is None or "dependencies" in project.get("dynamic", ()):
        yield from (folder / name for name in _SETUPTOOLS)
        yield from sorted(folder.glob("*.txt"))
        dynamic = _tool(document, "setuptools", "dynamic").get("dependencies", {})
        named = dynamic.get("file", ()) if isinstance(dynamic, dict) else ()
        files = (folder / name for name in ([named] if isinstance(named, str) else named))
        yield from (file for file in files if file.parent != folder or file.suffix != ".txt")


def _needed_by(folder: Path) -> Iterator[tuple[str, Path]]:
    document = _pyproject(folder)
    dependencies = document.get("project", {}).get("dependencies", ())
    for name, source in _tool(document, "uv", "sources").items():
        if normalized(name) in {name_of(one) for one in dependencies} and isinstance(source, dict):
            if "path" in source:
                yield name, folder / source["path"]
            elif source.get("workspace"):
                yield from ((name, one) for one in _members_above(folder) if _is_named(one, name))
    for one in dependencies:
        found = _AT.match(one)
        if found and (url := urlsplit(found["url"])).scheme == "file":
            yield name_of(one), Path(unquote(url.path))
    for name, one in _tool(document, "poetry", "dependencies").items():
        if isinstance(one, dict) and "path" in one:
            yield name, folder / one["path"]


def _members_above(folder: Path) -> Iterator[Path]:
    """Of the uv workspace that it is in."""
    for above in folder.parents:
        members = _tool(_pyproject(above), "uv", "workspace").get("members")
        if members is not None:
            yield from (path for pattern in members for path in sorted(above.glob(pattern)))
            return


def _is_named(folder: Path, name: str) -> bool:
    return normalized(str(_pyproject(folder).get("project", {}).get("name", ""))) == normalized(name)


def _pyproject(folder: Path) -> dict[str, Any]:
    file = folder / "pyproject.toml"
    return read_toml(file, "pyproject-invalid") if file.is_file() else {}


def _tool(document: Mapping[str, Any], tool: str, table: str) -> Mapping[str, Any]:
    found = document.get("tool", {}).get(tool, {}).get(table, {})
    return found if isinstance(found, dict) else {}
