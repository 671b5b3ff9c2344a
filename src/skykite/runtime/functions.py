"""A function as the runtime knows it: what is configured, and whether its code could be loaded the last time. Pure, but
for `os.stat` of what a worker has read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.model.invocation import FunctionConfig
from skykite.runtime.freshness import Dependencies
from skykite.runtime.outcomes import Ending

TRIES: Final = 5  # workers in a row that found their files changed while loading them
SETTLE: Final = 0.3  # seconds after a save in which a failing import may be half a save; a busy disk takes 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Of the last worker of a function, if that could not load it."""

    dependencies: Dependencies
    ending: Ending
    at: float

    def stands(self, since: float) -> bool:
        """Whether the next worker would fail the same way."""
        return (self.at >= since or bool(self.dependencies.paths())) and self.dependencies.is_fresh()

    def accounts_for(self, changed: frozenset[Path]) -> bool:
        return changed <= self.dependencies.paths() and self.dependencies.is_fresh()


@dataclass(slots=True, kw_only=True, eq=False)
class Function:
    config: FunctionConfig
    tries: int = 0  # consecutive workers whose files changed while they loaded
    failed: Failure | None = None
    told: Failure | None = None  # to the user, as what came of a save
    used: bool = False  # some worker has tried to load it
    loaded: bool = False  # some worker has

    def has_loaded(self) -> None:
        """A worker has just now, from files that are as they were."""
        self.tries, self.failed, self.loaded = 0, None, True

    def has_failed(self, dependencies: Dependencies, ending: Ending, now: float) -> None:
        self.tries = 0
        self.failed = Failure(dependencies=dependencies, ending=ending, at=now)

    def has_answered(self, changed: frozenset[Path]) -> bool:
        """Whether what was told of it last is about these very files, as they are now."""
        failed = self.failed
        return failed is not None and failed is self.told and failed.accounts_for(changed)

    def may_be_half_saved(self, dependencies: Dependencies, seconds: float) -> bool:
        """Whether what a worker that was started so long ago could not load may be in the middle of being saved.

        Its files' times alone do not tell: while a disk stalls, a file can be cut to nothing already and still have
        the time of its last save. So what has loaded before, and not failed on the same files, has a moment, too.
        """
        if self.tries >= TRIES:
            return False
        if dependencies.changed_since(SETTLE):
            return True
        settled = self.failed is not None and self.failed.dependencies.is_fresh()
        return self.loaded and not settled and seconds < SETTLE
