"""The seam between the runtime and a kind of worker process: Python, Node, executables.

In: functions of that kind. Out: what they are made of, and `Process`es that speak `skykite_lambda.frames`. The runtime
keeps time, logs, outcomes and freshness for all kinds alike; a launcher knows what its kind needs to run.
I/O: whatever building and starting take, in the launchers; none here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from skykite.model.built import BuiltSource
from skykite.model.invocation import FunctionConfig
from skykite.runtime.freshness import Observed
from skykite.runtime.launch import Process
from skykite.runtime.messages import WorkerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a worker is started from. `observed` is what was read to make it, with stats from before it was read."""

    observed: Observed = field(default_factory=Observed)
    built: BuiltSource | None = None


class NotPrepared(Exception):  # noqa: N818  (an answer: the function fails with it)
    """What the function is made of cannot be made, as long as what was `observed` stays as it is."""

    def __init__(self, error: WorkerError, observed: Observed) -> None:
        super().__init__(error.message)
        self.error = error
        self.observed = observed


class Launcher(Protocol):
    """Starts workers of one kind."""

    @property
    def marks_ends(self) -> bool:
        """Whether workers mark the end of each invocation in their output, because a thread reads it."""

    async def start(self, environment: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        """Be ready to launch. `environment` is what every process gets; tasks that outlive a call go into `group`."""

    def expect(self, configs: Iterable[FunctionConfig]) -> None:
        """Exactly these functions of the kind will be launched."""

    def learn(self, modules: Collection[str]) -> None:
        """Workers reported to have loaded these installed modules."""

    def handler_files(self, config: FunctionConfig) -> frozenset[str]:
        """Files that concern the function before any worker has told what it reads."""

    async def prepare(self, config: FunctionConfig) -> Prepared:
        """Make what is run, if what it is made of has changed; called before each launch. May take long, counts as
        nobody's time, and is cancelled when the worker is no longer wanted. Raises NotPrepared, SkykiteError."""

    async def launch(self, config: FunctionConfig, environment: Mapping[str, str], prepared: Prepared) -> Process:
        """A process that waits for its configuration. Raises SkykiteError."""

    def stop(self) -> None:
        """End what was started besides workers."""

    async def stopped(self) -> None:
        """Wait until it is gone."""
