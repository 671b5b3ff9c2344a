"""Carrying out a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from skykite.deploy.execute import MAX_AT_ONCE, Broken, Done, Skipped, execute
from skykite.errors import SkykiteError
from skykite.model.names import StackName
from skykite.model.plan import Apply, Plan, PlanStep, StepId


def plan_of(needs: Sequence[Sequence[int]]) -> Plan:
    """Step number n waits for the earlier steps `needs[n]`."""
    return Plan(
        steps=tuple(
            PlanStep(
                id=StepId(str(number)),
                stack=StackName(str(number)),
                action=Apply(),
                after=frozenset(StepId(str(earlier)) for earlier in earlier_ones),
            )
            for number, earlier_ones in enumerate(needs)
        )
    )


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, set[str]]:
    count = draw(st.integers(1, 12))
    needs = [draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set() for number in range(count)]
    failing = draw(st.sets(st.integers(0, count - 1)))
    return plan_of([sorted(needed) for needed in needs]), {str(number) for number in failing}


@given(plans())
def test_nothing_begins_too_early_and_a_failure_stops_only_its_dependents(
    case: tuple[Plan, set[str]],
) -> None:
    plan, failing = case
    succeeded: set[str] = set()
    begun: list[str] = []

    async def perform(step: PlanStep) -> str:
        assert step.after <= succeeded
        begun.append(step.id)
        await asyncio.sleep(0)
        if step.id in failing:
            raise SkykiteError("broken", step.id)
        succeeded.add(step.id)
        return step.id

    results = asyncio.run(execute(plan, perform))
    assert set(results) == {step.id for step in plan.steps}
    assert len(begun) == len(set(begun))
    for step in plan.steps:
        blocked = any(not isinstance(results[needed], Done) for needed in step.after)
        match results[step.id]:
            case Done(value=value):
                assert value == step.id
                assert not blocked
                assert step.id not in failing
            case Broken(error=error):
                assert error.message == step.id
                assert not blocked
            case Skipped(because=because):
                assert because in step.after
                assert blocked
                assert step.id not in begun


async def test_steps_that_do_not_wait_for_each_other_run_at_once_but_not_too_many() -> None:
    running = most = 0

    async def perform(step: PlanStep) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    await execute(plan_of([[]] * 30), perform)
    assert most == MAX_AT_ONCE
