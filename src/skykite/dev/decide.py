"""What a set of saved files calls for. Pure: paths and what each part of the system has read in, a decision out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Interests:
    """What the running system depends on. Absolute paths.

    `infrastructure`: files the user's stacks read, `kite.toml` and the `.env` candidates (which may not exist yet).
    `code`: files that workers loaded. `packages`: what lists packages, or may become the environment that has them;
    `installed`: the folders that has them in. A file may be in several.
    """

    infrastructure: frozenset[Path]
    code: frozenset[Path]
    packages: frozenset[Path] = frozenset()
    installed: frozenset[Path] = frozenset()

    @property
    def directories(self) -> frozenset[Path]:
        """Where to watch: a file saved by rename, created or deleted shows in its directory."""
        return frozenset(path.parent for path in self.infrastructure | self.code | self.packages) | self.installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`infrastructure`: run the stacks again because of these. `code`: tell the runtime about these.
    `packages`: whether what is installed, or should be, may be another now."""

    infrastructure: frozenset[Path] = field(default_factory=frozenset)
    code: frozenset[Path] = field(default_factory=frozenset)
    packages: bool = False

    def __bool__(self) -> bool:
        return bool(self.infrastructure or self.code or self.packages)


def decide(changed: Collection[Path], interests: Interests) -> Decision:
    """Split what changed by who has read it.

    A Python file that nobody has read counts as code: it may be a module that a handler failed to import a moment
    ago, and the runtime knows which functions that concerns.
    """
    paths = frozenset(changed)
    infrastructure = paths & interests.infrastructure
    installed = {path for path in paths if path.parent in interests.installed}
    unread = {path for path in paths - interests.infrastructure - installed if path.suffix == ".py"}
    return Decision(
        infrastructure=infrastructure,
        code=(paths & interests.code) | unread,
        packages=bool(installed or paths & interests.packages),
    )


def relative(paths: Iterable[Path], root: Path) -> tuple[str, ...]:
    """For people: POSIX paths relative to the project, sorted."""
    return tuple(sorted(p.relative_to(root).as_posix() if p.is_relative_to(root) else str(p) for p in paths))
