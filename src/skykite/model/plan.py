"""What a deploy is going to do, in which order. Pure.

Made by the planner of `skykite.deploy` from what the assembly wants and what CloudFormation has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

from skykite.model.names import StackName

StepId = NewType("StepId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Create or update a stack. `kept` are exports its template no longer has, which stay until nobody imports them:
    output key, export name, present value."""

    kept: tuple[KeptExport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Update a stack once more, now without the exports that were kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Delete a stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExport:
    """An export that must outlive the output it came from."""

    output: str
    name: str
    value: str


Action = Apply | Release | Remove


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One operation on one stack, started when all steps in `after` are done."""

    id: StepId
    stack: StackName
    action: Action
    after: frozenset[StepId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in an order that respects `after`; stacks in `unchanged` need none."""

    steps: tuple[PlanStep, ...] = ()
    unchanged: tuple[StackName, ...] = field(default=())
