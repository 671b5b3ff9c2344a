"""How the tables are made that say what each side does about one invocation. Pure data.

The machines look everything up in `stub_steps.STUB` and `dev_steps.DEV`; docs/reference/bridge-protocol.md is written
from there. Messages about another invocation than the one at hand never get there.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple


class Step(NamedTuple):
    to: str
    actions: Tuple[str, ...] = ()


class Machine(NamedTuple):
    """Every pair of a state and a happening is either in `steps` or in `nothing`."""

    first: str
    states: Dict[str, str]  # and what each means
    happenings: Dict[str, str]
    actions: Dict[str, str]
    steps: Dict[Tuple[str, str], Step]
    nothing: Dict[str, str]  # state → happenings that change nothing in it

    def step(self, state: str, happening: str) -> Step:
        return self.steps.get((state, happening)) or Step(state)
