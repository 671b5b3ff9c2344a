"""Where a dev session's app is deployed, and how its functions' invocations come here from there.

The session owns the project, the runtime and the loop of saves; a `Place` owns the cloud: `local.LocalPlace` is the
embedded cloud with our own gateway before it, `live.LivePlace` one that functions' stubs are deployed to.
Data and one Protocol; no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from skykite.dev.freshness import FreshnessGate
from skykite.model.events import Endpoint, Notice
from skykite.model.invocation import FunctionKind
from skykite.model.manifest import Manifest
from skykite.model.names import FunctionId, StackName, StageName
from skykite.model.project import Project
from skykite.ports import Asker, Bundles, Clock, EventSink, Ids, SourceBuilds
from skykite.runtime import DebuggerEndpoint, Runtime

DevMode = Literal["local", "live"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """What the command line says. `port` is where the first API listens, the others follow; 0 means any free one.
    `bundles` makes the zips of functions that run as deployed. `iam` says whether an embedded cloud that is this
    session's own enforces permissions, `wait` whether a session that cannot begin waits until it is mended."""

    project: Project
    stage: StageName
    load_project: Callable[[], Project]
    load_environment: Callable[[], tuple[Mapping[str, str], tuple[Path, ...]]]
    bundles: Bundles
    functions: tuple[str, ...] | None = None  # those to run here, as the user wrote them; None means all
    port: int | None = None
    debugger: DebuggerEndpoint | None = None
    python: str | None = None  # the interpreter or environment that functions are to run in
    builds: Mapping[FunctionKind, SourceBuilds] = field(default_factory=dict)  # of functions that are no Python
    inspect: int | None = None  # the port where debuggers of Node attach
    editor: Mapping[str, str] = field(default_factory=dict)  # what one that debugs every Node process has set for them
    max_workers: int = 32
    iam: bool = True
    wait: bool = False

    @property
    def debugged(self) -> bool:
        """Whether a debugger may hold a function for as long as it likes."""
        return self.debugger is not None or self.inspect is not None or bool(self.editor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a session gives its place."""

    options: DevOptions
    clock: Clock
    ids: Ids
    events: EventSink
    asker: Asker
    runtime: Runtime
    gate: FreshnessGate

    @property
    def project_root(self) -> Path:
        return self.options.project.root

    @property
    def state(self) -> Path:
        """The project's `.kite`."""
        return self.options.project.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What answers now. `outputs` are the stacks' outputs as one uses them from here."""

    endpoints: tuple[Endpoint, ...]
    outputs: dict[StackName, dict[str, str]]
    live: tuple[FunctionId, ...]
    runtimes: tuple[str, ...]  # of the live functions, as they are in AWS
    notices: tuple[Notice, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)  # of HTTP APIs served here, by their ids in the cloud


class Place(Protocol):
    """One cloud, for one session. `start` and `stop` once each, on the session's loop; the rest in between."""

    @property
    def mode(self) -> DevMode:
        """What synth is told."""

    async def start(self) -> None:
        """Be reachable. Runs while the stacks are read. Raises SkykiteError."""

    async def apply(self, manifest: Manifest, assembly: Path) -> Served:
        """Deploy the assembly, and point everything that invokes functions at what came out. Raises SkykiteError.

        It tells the gate when it is `deploying`, from when on what the deployment may wait for has to run.
        """

    def templates(self, assembly: Path) -> Path:
        """The folder of the templates that were deployed last, under the names they have in the assembly."""

    async def keep(self) -> None:
        """Stay reachable, until that fails: raises SkykiteError then. Runs beside the session."""

    async def refuse(self) -> None:
        """Take no more requests from outside. Before the runtime stops."""

    async def stop(self) -> None:
        """Let go of everything. After `refuse`."""
