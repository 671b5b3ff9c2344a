"""Which packages would be deployed, of what an interpreter here would get of them.

In: what pins an import root's packages, the variables of an interpreter. Out: names, with versions where those are
pinned. I/O: reads the lock file; nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from skykite.bundle.locks import pinned_lines
from skykite.bundle.markers import holds, parse_requirement
from skykite.bundle.reasons import asked_for
from skykite.dev.installed import Installed
from skykite.model.manifest import PackageOptions
from skykite.model.packages import NEVER_INSTALLED, Dependencies, normalized, read_lock, read_toml
from skykite.model.requirement_files import included_files, requirement_lines

_PINNED: Final = re.compile(r"^\s*(?P<name>[A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*==\s*(?P<version>[^\s;,*]+)\s*(?:;|$)")

Package = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """`versions` has, by normalized name, the versions that will do: none means any. `whole` says whether what the
    packages need is among them, or left to whoever installs them."""

    versions: Mapping[str, frozenset[str]]
    whole: bool

    def with_required(self, installed: Installed, variables: Mapping[str, str]) -> frozenset[str]:
        """The names of all that would be deployed, as far as what is installed here tells."""
        found = set(self.versions)
        waiting = [] if self.whole else list(found)
        while waiting:
            for text in installed.requires(waiting.pop()):
                one = parse_requirement(text)
                # With all extras: a package too many is not complained about, which is better than one too few.
                if one is not None and _may_hold(one.marker, variables) and normalized(one.name) not in found:
                    found.add(normalized(one.name))
                    waiting.append(normalized(one.name))
        return frozenset(found)


def read_locked(
    dependencies: Dependencies, options: PackageOptions, variables: Mapping[str, str], project_root: Path
) -> Locked:
    """Raises `lock-invalid`, `lock-outdated`, and what else reading the file does."""
    found: list[tuple[str, str | None]]
    match dependencies.kind:
        case "uv":
            found = list(_from_uv(dependencies, options, variables))
        case "pylock":
            found = list(_from_pylock(dependencies, variables))
        case "poetry" | "pdm":
            found = list(_from_lines((line for _, line in pinned_lines(dependencies, options)), variables))
            found += [(package.name, None) for package in dependencies.local]
        case "requirements" | "pyproject":
            found = list(_asked(dependencies, options, variables, project_root))
    collected: dict[str, set[str]] = {}
    for name, version in found:
        if normalized(name) != NEVER_INSTALLED:
            collected.setdefault(normalized(name), set()).update([version] if version else [])
    return Locked(
        versions={name: frozenset(known) for name, known in collected.items()},
        whole=dependencies.kind not in ("requirements", "pyproject"),
    )


def _from_uv(
    dependencies: Dependencies, options: PackageOptions, variables: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    """By walking from the import root's own entry along what applies to this interpreter."""
    lock = dependencies.files[0]
    packages: list[Package] = [one for one in read_lock(lock).get("package", ()) if isinstance(one, dict)]
    by_name: dict[str, list[Package]] = {}
    for one in packages:
        by_name.setdefault(one["name"], []).append(one)
    root = dependencies.main.parent.resolve()
    own: Package = next(one for one in packages if _folder(one, lock) == root)
    waiting: list[tuple[Package, str]] = [(own, ""), *((own, extra) for extra in options.extras)]
    edges: list[Package] = [edge for group in options.groups for edge in own.get("dev-dependencies", {}).get(group, ())]
    done: set[tuple[str, str, str]] = set()
    while waiting or edges:
        if waiting:
            package, extra = waiting.pop()
            edges += package.get("optional-dependencies", {}).get(extra, ()) if extra else _needs(package)
        while edges:
            edge = edges.pop()
            if edge["name"] == NEVER_INSTALLED or not holds(edge.get("marker", ""), variables):
                continue
            for one in by_name.get(edge["name"], ()):
                if edge.get("version", one.get("version")) != one.get("version") or not _applies(one, variables):
                    continue
                for extra in ("", *edge.get("extra", ())):
                    key = (one["name"], str(one.get("version")), extra)
                    if key not in done:
                        done.add(key)
                        waiting.append((one, extra))
                if one is not own and "virtual" not in one.get("source", {}):
                    yield one["name"], None if _folder(one, lock) else one.get("version")


def _needs(package: Package) -> Sequence[Package]:
    found: Sequence[Package] = package.get("dependencies", ())
    return found


def _applies(package: Package, variables: Mapping[str, str]) -> bool:
    """Where a package is locked in several versions, each says on which machines it is the one."""
    markers = package.get("resolution-markers")
    return not markers or any(holds(marker, variables) for marker in markers)


def _folder(package: Package, lock: Path) -> Path | None:
    source = package.get("source", {})
    place = source.get("editable") or source.get("directory") or source.get("virtual")
    return Path(lock.parent, place).resolve() if place else None


def _from_pylock(dependencies: Dependencies, variables: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for one in read_toml(dependencies.main, "lock-invalid").get("packages", ()):
        if holds(one.get("marker", ""), variables):
            yield one["name"], None if "directory" in one else one.get("version")


def _from_lines(lines: Iterator[str], variables: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for line in lines:
        text = line.partition(" --hash")[0]
        one = parse_requirement(text)
        if one is not None and holds(one.marker, variables):
            pinned = _PINNED.match(text)
            yield one.name, pinned["version"] if pinned else None


def _asked(
    dependencies: Dependencies, options: PackageOptions, variables: Mapping[str, str], project_root: Path
) -> Iterator[tuple[str, str | None]]:
    """What a file lists: with its version if one alone will do."""
    if dependencies.kind == "requirements":
        for file in included_files(dependencies.main):
            lines = (line for line in requirement_lines(file) if not line.startswith("-"))
            yield from _from_lines(lines, variables)
    else:
        for asked in asked_for(dependencies, options, project_root):
            if holds(asked.requirement.marker, variables):
                yield asked.requirement.name, None
    yield from ((package.name, None) for package in dependencies.local)


def _may_hold(marker: str, variables: Mapping[str, str]) -> bool:
    extras = re.findall(r"""extra\s*==\s*["']([^"']+)["']""", marker)
    return holds(marker, variables, extras)
