"""Why each package is in a bundle: a file of the project asks for it, or another package does.

In: what the project's files ask for, and the packages that are there. Out: both kinds of reasons, by package. Pure, but
for `asked_for`, which reads those files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skykite.bundle.markers import Requirement, holds, parse_requirement
from skykite.model.manifest import PackageOptions
from skykite.model.packages import Dependencies, normalized, read_toml
from skykite.model.requirement_files import included_files, requirement_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One requirement of the project's own, and where it stands."""

    requirement: Requirement
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package: its name, and what its metadata requires."""

    name: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`direct` are files of the project, `via` packages that are there, too."""

    direct: tuple[str, ...] = ()
    via: tuple[str, ...] = ()


def reasons(
    packages: Sequence[Package], asked: Sequence[Asked], variables: Mapping[str, str], *, otherwise: str
) -> dict[str, Reason]:
    """By the packages' names. One that nothing seems to ask for is there because of the file `otherwise`."""
    there = {normalized(package.name): package for package in packages}
    extras: dict[str, set[str]] = {name: set() for name in there}
    direct: dict[str, list[str]] = {name: [] for name in there}
    via: dict[str, set[str]] = {name: set() for name in there}
    for one in asked:
        name = normalized(one.requirement.name)
        if name in there and holds(one.requirement.marker, variables):
            extras[name].update(one.requirement.extras)
            if one.by not in direct[name]:
                direct[name].append(one.by)
    parsed = {
        name: [found for text in package.requires if (found := parse_requirement(text))]
        for name, package in there.items()
    }
    waiting = list(there)
    while waiting:  # an extra that is asked for late asks for more
        name = waiting.pop()
        for requirement in parsed[name]:
            wanted = normalized(requirement.name)
            if wanted in there and wanted != name and holds(requirement.marker, variables, extras[name]):
                via[wanted].add(there[name].name)
                if not extras[wanted].issuperset(requirement.extras):
                    extras[wanted].update(requirement.extras)
                    waiting.append(wanted)
    return {
        package.name: Reason(
            direct=tuple(direct[name]) or (() if via[name] else (otherwise,)), via=tuple(sorted(via[name]))
        )
        for name, package in there.items()
    }


def asked_for(dependencies: Dependencies, options: PackageOptions, project_root: Path) -> tuple[Asked, ...]:
    """What the project itself asks for. A file is named as seen from the project."""
    if dependencies.kind == "requirements":
        return tuple(_in_requirements(dependencies.main, project_root))
    pyproject = dependencies.main.with_name("pyproject.toml")
    if not pyproject.is_file():
        return ()
    return tuple(_in_pyproject(pyproject, options, project_root))


def shown(file: Path, project_root: Path) -> str:
    """Relative to the project, if it is inside."""
    return file.relative_to(project_root).as_posix() if file.is_relative_to(project_root) else str(file)


def _in_requirements(main: Path, project_root: Path) -> Iterator[Asked]:
    for file in included_files(main):
        for line in requirement_lines(file):
            if requirement := parse_requirement(line.partition(" --hash")[0]):
                yield Asked(requirement=requirement, by=shown(file, project_root))


def _in_pyproject(file: Path, options: PackageOptions, project_root: Path) -> Iterator[Asked]:
    document = read_toml(file, "pyproject-invalid")
    by = shown(file, project_root)
    project: Mapping[str, Any] = document.get("project", {})
    poetry: Mapping[str, Any] = document.get("tool", {}).get("poetry", {})
    lists: list[tuple[str, Iterable[object]]] = [(by, project.get("dependencies", ()))]
    lists += [
        (f"{by}, extra {extra}", project.get("optional-dependencies", {}).get(extra, ())) for extra in options.extras
    ]
    lists += [
        (f"{by}, group {group}", document.get("dependency-groups", {}).get(group, ())) for group in options.groups
    ]
    lists.append((by, poetry.get("dependencies", ())))
    lists += [
        (f"{by}, group {group}", poetry.get("group", {}).get(group, {}).get("dependencies", ()))
        for group in options.groups
    ]
    for where, listed in lists:
        for text in listed:
            if isinstance(text, str) and text != "python" and (requirement := parse_requirement(text)):
                yield Asked(requirement=requirement, by=where)
