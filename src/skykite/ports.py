"""What rooms need of each other and of the world, as Protocols. `cli/compose.py` makes the real ones."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from skykite.model.built import BuiltSource
from skykite.model.events import Event
from skykite.model.invocation import FunctionConfig, Invocation, Outcome
from skykite.model.manifest import AssetEntry, Manifest
from skykite.model.names import RequestId


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Seconds, for measuring."""

    def now(self) -> datetime:
        """Aware, UTC."""


class Ids(Protocol):
    """Chance."""

    def request_id(self) -> RequestId:
        """A fresh UUID in AWS's shape."""

    def token(self) -> str:
        """At least 128 bits nobody can guess, URL-safe."""


class EventSink(Protocol):
    """Where engines say what happens. Cheap, never blocks, never raises; callable from any thread."""

    def emit(self, event: Event) -> None: ...


class Invoker(Protocol):
    """Run this event on this function, give me its outcome. Never raises for what the function did."""

    async def invoke(self, invocation: Invocation) -> Outcome: ...


class SourceBuilds(Protocol):
    """Make what a function is run from, where that is not its source: at once if nothing it is made of has changed."""

    async def build(self, config: FunctionConfig) -> BuiltSource:
        """Cancelling it leaves nothing half-made. Raises BuildError for source that does not build, SkykiteError
        where no build can be tried."""


class Bundles(Protocol):
    """Make the zips of functions that are deployed with their own code."""

    async def build(self, asset: AssetEntry, destination: Path) -> None:
        """Write the zip that a `bundle` asset names. Raises SkykiteError for what cannot be built."""

    async def check(self, manifest: Manifest, assembly: Path) -> None:
        """When all are built that were not in the bucket. Raises SkykiteError for functions that Lambda would not
        take."""


class Admission(Protocol):
    """Whether a request from outside may be looked at now, or has to wait for what was just saved."""

    def is_open(self) -> bool:
        """Cheap: asked for every request."""

    async def wait(self) -> None:
        """Return once it is open."""


class Asker(Protocol):
    """Put a yes-or-no question to the user. Off a terminal it answers `default` at once."""

    async def confirm(self, question: str, message: str, *, default: bool) -> bool: ...
