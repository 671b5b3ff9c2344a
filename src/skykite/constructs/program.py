"""What one run of the user's program has declared so far, kept beside the construct tree.

Constructs add to it while the program runs; `manifest_writer` reads it once after synthesis. It lives on the `App`, so
that several apps in one process (users' tests) never meet. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from skykite.constructs.blame import UserLine, find_user_line, refuse
from skykite.constructs.declared import DeclaredLink, DeclaredSecret
from skykite.constructs.function_props import merge_function_props
from skykite.model.disk import Disk
from skykite.model.find_function import may_mean
from skykite.model.invocation import FunctionKind
from skykite.model.manifest import BundleEntry, FunctionEntry, PackageOptions, PackagesEntry, SourceLocation
from skykite.model.names import ConstructPath, FunctionId
from skykite.model.packages import Dependencies
from skykite.model.project import LiveCredentials
from skykite.model.synthesis import Synthesis

Source = Literal["request", "batch", "event"]
"""What a function's answer means to what calls it: an HTTP response, which of a batch's records failed, nothing."""

_ATTRIBUTE: Final = "_kite_program"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFunction:
    """A Skykite function, before its logical id is known."""

    id: FunctionId
    handler: str | None
    import_root: str
    live: bool
    runtime: str
    memory_mb: int
    timeout_s: int
    bundle: BundleEntry
    location: SourceLocation | None
    kind: FunctionKind = "python"


@dataclass(slots=True, kw_only=True)
class Program:
    """`bundles` holds, by asset hash, what is to be built after synth; `codes` the code objects made per stack,
    `layers` the layers of packages; `dependencies` what import roots declare; `sources`, by handler, what its answer
    means to what calls it, and what that is; `names` whose a physical name is, by kind and name; `place` the user's
    line that errors show, where another than that of the call says more; `defaults`, by the path of a stack and empty
    for the app, what all functions in there are made with; `lines` where the user's program made what; `ran` the
    commands of hooks that were run, `made` what they changed, relative to the project; `disk` knows what was read for
    the names of bundles."""

    synthesis: Synthesis
    functions: dict[ConstructPath, DeclaredFunction] = field(default_factory=dict)
    bundles: dict[str, BundleEntry | PackagesEntry] = field(default_factory=dict)
    codes: dict[tuple[str, str], Any] = field(default_factory=dict)
    hashes: dict[BundleEntry, str] = field(default_factory=dict)
    disk: Disk = field(default_factory=Disk)
    layers: dict[tuple[str, PackagesEntry], Any] = field(default_factory=dict)
    dependencies: dict[tuple[str, PackageOptions], Dependencies | None] = field(default_factory=dict)
    live_credentials: LiveCredentials = "role"
    sources: dict[str, tuple[Source, str]] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    place: UserLine | None = None
    links: list[DeclaredLink] = field(default_factory=list)
    secrets: dict[str, DeclaredSecret] = field(default_factory=dict)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[ConstructPath, UserLine] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)

    def remember_line(self, path: ConstructPath) -> None:
        """The user's line that makes this construct is being run."""
        line = self.place or find_user_line(self.root)
        if line is not None:
            self.lines[path] = line

    @contextmanager
    def at(self, place: UserLine | None) -> Iterator[None]:
        """Errors in here show this line, if there is one."""
        before, self.place = self.place, place or self.place
        try:
            yield
        finally:
            self.place = before

    @property
    def root(self) -> Path:
        return Path(self.synthesis.project_root)

    def defaults_of(self, path: ConstructPath) -> dict[str, Any]:
        """What a function at this path is made with unless it says otherwise: the app's under its stack's."""
        merged: dict[str, Any] = {}
        for place, props in sorted(self.defaults.items()):
            if not place or path.startswith(f"{place}/"):
                merged = merge_function_props(merged, props)
        return merged

    def makes_live(self, path: ConstructPath, handler: str) -> bool:
        """Whether a function that may be live is."""
        if self.synthesis.mode == "deploy":
            return False
        wanted = self.synthesis.functions
        return wanted is None or any(may_mean(name, path, handler) for name in wanted)


def remember_program(app: Any, program: Program) -> None:
    """Make `program_of` find it from anywhere in the app's tree."""
    setattr(app, _ATTRIBUTE, program)


def program_of(scope: Any) -> Program:
    """The program a construct belongs to. Every Skykite construct keeps it too, which saves asking the kernel."""
    program = getattr(scope, _ATTRIBUTE, None)
    if program is None:
        program = getattr(scope.node.root, _ATTRIBUTE, None)
    if not isinstance(program, Program):
        raise refuse(
            "app-missing",
            f"`{scope.node.path or scope.node.id or type(scope).__name__}` is not part of a Skykite app",
            hint="make `skykite.App` the root of the construct tree; it is an `aws_cdk.App`",
        )
    return program


__all__ = [
    "DeclaredFunction",
    "FunctionEntry",
    "Program",
    "Source",
    "program_of",
    "remember_program",
]
