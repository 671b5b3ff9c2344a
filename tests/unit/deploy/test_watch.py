"""Following an operation by its events, which CloudFormation may show late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from kit.clock import ManualClock
from kit.cloud import RecordedEvents
from skykite.aws import AwsSession, StackEvent, StackState
from skykite.deploy.templates import StackPaths
from skykite.deploy.watch import Operation, follow
from skykite.errors import SkykiteError
from skykite.model.events import DeployResource
from skykite.model.names import ConstructPath, StackName


def event(id: str, status: str, token: str, *, logical: str = "n") -> StackEvent:
    return StackEvent(
        id=id,
        stack_id="arn:n",
        stack="n",
        logical_id=logical,
        physical_id="arn:n" if logical == "n" else "p",
        type="T",
        status=status,
        reason="",
        at=datetime(2026, 11, 23, tzinfo=UTC),
        token=token,
    )


BEFORE = [event("1", "CREATE_IN_PROGRESS", "old"), event("2", "CREATE_COMPLETE", "old")]
BEGUN = [*BEFORE, event("3", "UPDATE_IN_PROGRESS", "new"), event("4", "UPDATE_IN_PROGRESS", "new", logical="A")]
ENDED = [
    *BEGUN,
    event("5", "UPDATE_COMPLETE", "new", logical="A"),
    event("6", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "new"),
    event("7", "UPDATE_COMPLETE", "new"),
]


class Script:
    """A session whose stack has, at each look, the events of the next entry; the last stays."""

    def __init__(self, *looks: list[StackEvent], statuses: list[str] | None = None, every_s: float = 0.0) -> None:
        """`statuses` are the stack's, one for each look at itself; each look at events takes `every_s`."""
        self.looks = list(looks)
        self.statuses = statuses or []
        self.every_s = every_s
        self.clock = ManualClock()
        self.read = 0
        self.cloudformation = self

    async def run(self, function: Callable[..., Any], /, *args: object) -> Any:
        return function(*args)

    def stack(self, stack: str) -> StackState:
        return StackState(name="n", id=stack, status=self.statuses.pop(0), created=self.clock.now())

    def events(self, stack: str) -> Iterator[StackEvent]:
        self.clock.advance(self.every_s)
        now = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        for item in reversed(now):
            self.read += 1
            yield item


async def watched(script: Script, token: str | None) -> tuple[str, list[str], list[str]]:
    events = RecordedEvents()
    ended = await follow(
        Operation(stack=StackName("n"), stack_id="arn:n", paths=StackPaths(root=ConstructPath("N")), token=token),
        session=cast("AwsSession", script),
        events=events,
        clock=script.clock,
    )
    shown = [f"{item.path} {item.status}" for item in events.of(DeployResource)]
    return ended.status, [item.id for item in ended.events], shown


async def test_the_end_of_an_earlier_operation_is_not_taken_for_the_end_of_this_one() -> None:
    status, ids, _ = await watched(Script(BEFORE, BEFORE, BEGUN, ENDED), "new")
    assert status == "UPDATE_COMPLETE"
    assert ids == ["3", "4", "5", "6", "7"]


async def test_every_event_is_shown_once_under_its_construct() -> None:
    _, _, shown = await watched(Script(BEGUN, BEGUN, ENDED), "new")
    assert shown == [
        "N UPDATE_IN_PROGRESS",
        "N/A UPDATE_IN_PROGRESS",
        "N/A UPDATE_COMPLETE",
        "N UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "N UPDATE_COMPLETE",
    ]


async def test_an_operation_of_another_run_is_followed_from_its_beginning_on() -> None:
    status, ids, _ = await watched(Script(BEGUN, ENDED), None)
    assert status == "UPDATE_COMPLETE"
    assert ids == ["3", "4", "5", "6", "7"]


async def test_only_news_are_read_of_a_long_history() -> None:
    old = [event(f"o{number}", "UPDATE_COMPLETE", "old") for number in range(1000)]
    script = Script([*old, *BEGUN], [*old, *ENDED])
    await watched(script, "new")
    assert script.read < 10


@pytest.mark.parametrize("seen", [BEFORE, BEGUN])
async def test_an_operation_that_the_cloud_forgot_is_not_waited_for_without_end(seen: list[StackEvent]) -> None:
    script = Script(seen, BEFORE, statuses=["CREATE_COMPLETE"], every_s=61)
    with pytest.raises(SkykiteError) as raised:
        await watched(script, "new")
    assert (raised.value.code, raised.value.message) == (
        "operation-lost",
        "CloudFormation was asked to change `N`, and knows nothing of it any more; the stack `n` is in CREATE_COMPLETE",
    )


async def test_one_that_is_only_slow_is_waited_for() -> None:
    script = Script(BEGUN, BEGUN, BEGUN, ENDED, statuses=["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"], every_s=61)
    status, _, _ = await watched(script, "new")
    assert status == "UPDATE_COMPLETE"
    assert script.statuses == []
