"""Carries a plan out: every step as soon as those before it are done, steps that do not wait for each other at once.

In: a plan, and what performs one step. Out: how each step ended. I/O: none but what performing a step does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from skykite.errors import SkykiteError
from skykite.model.plan import Plan, PlanStep, StepId

T = TypeVar("T")

MAX_AT_ONCE: Final = 10  # stacks; more and CloudFormation's rate limit slows all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[T]):
    """A step was performed."""

    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A step failed."""

    error: SkykiteError


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A step was not begun, because `because`, which it waits for, did not succeed."""

    because: StepId


async def execute(
    plan: Plan, perform: Callable[[PlanStep], Awaitable[T]]
) -> Mapping[StepId, Done[T] | Broken | Skipped]:
    """A step that fails stops only those that wait for it. Any exception but a SkykiteError stops everything."""
    ended = {step.id: asyncio.Event() for step in plan.steps}
    results: dict[StepId, Done[T] | Broken | Skipped] = {}
    places = asyncio.Semaphore(MAX_AT_ONCE)

    async def run(step: PlanStep) -> None:
        for needed in sorted(step.after):
            await ended[needed].wait()
        failed = next((needed for needed in sorted(step.after) if not isinstance(results[needed], Done)), None)
        if failed is not None:
            results[step.id] = Skipped(because=failed)
        else:
            async with places:
                try:
                    results[step.id] = Done(value=await perform(step))
                except SkykiteError as error:
                    results[step.id] = Broken(error=error)
        ended[step.id].set()

    async with asyncio.TaskGroup() as tasks:
        for step in plan.steps:
            tasks.create_task(run(step))
    return results
