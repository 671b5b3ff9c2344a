"""Follows one CloudFormation operation to its end, telling of each resource as it goes.

In: a stack and the operation's token. Out: how it ended, with its events. I/O: DescribeStackEvents, as often as the
operation's age warrants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from skykite.aws import AwsSession, StackEvent
from skykite.deploy.templates import StackPaths
from skykite.errors import SkykiteError
from skykite.model.events import DeployResource, Notice
from skykite.model.names import LogicalId, StackName
from skykite.ports import Clock, EventSink

_SHORTEST: Final = 0.02  # seconds between two looks
_LONGEST: Final = 2.5
_SHARE: Final = 0.15  # of the time gone so far: so much later, at most, we see the end
_SILENCE_S: Final = 60.0  # after so long without an event, the stack itself is looked at
_BEGINNINGS: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"})


class Pace:
    """When to look again: at once in the beginning, more and more rarely as time goes by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.monotonic()

    async def wait(self) -> None:
        await asyncio.sleep(interval(self._clock.monotonic() - self._start))


def interval(elapsed: float) -> float:
    """Seconds to wait after `elapsed` seconds. What takes milliseconds is seen in milliseconds, and what takes
    minutes is asked about every few seconds, wherever it runs."""
    return min(max(elapsed * _SHARE, _SHORTEST), _LONGEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An operation is over: the stack's status now, and what happened, the oldest first."""

    status: str
    events: tuple[StackEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What to follow. Without a token, whatever the stack is doing now."""

    stack: StackName
    stack_id: str
    paths: StackPaths
    token: str | None


async def follow(operation: Operation, *, session: AwsSession, events: EventSink, clock: Clock) -> Ended:
    """Wait for the end of an operation. Cancelling stops the waiting, not the operation, and says so. Raises
    `operation-lost` if there turns out to be none."""
    pace = Pace(clock)
    heard = clock.monotonic()
    happened: list[StackEvent] = []
    seen: set[str] = set()
    token = operation.token
    try:
        while True:
            news, token = await session.run(_news, session.cloudformation.events, operation.stack_id, token, seen)
            for event in news:
                seen.add(event.id)
                happened.append(event)
                events.emit(_shown(event, operation))
            over = next((event for event in reversed(news) if event.of_stack and _is_over(event.status)), None)
            if over is not None:
                return Ended(status=over.status, events=tuple(happened))
            if news:
                heard = clock.monotonic()
            elif clock.monotonic() - heard > _SILENCE_S:
                await _look_at(operation, session)
                heard = clock.monotonic()
            await pace.wait()
    except asyncio.CancelledError:
        events.emit(
            Notice(
                notice="deploy-interrupted",
                message=f"CloudFormation goes on with `{operation.paths.root}` (stack `{operation.stack}`)",
                hint="the next deploy waits for it and takes it from there",
            )
        )
        raise


async def _look_at(operation: Operation, session: AwsSession) -> None:
    """An end that no event tells of is that of a cloud which forgot what it had begun, such as one that was killed."""
    state = await session.run(session.cloudformation.stack, operation.stack_id)
    if state is not None and not _is_over(state.status):
        return
    raise SkykiteError(
        "operation-lost",
        f"CloudFormation was asked to change `{operation.paths.root}`, and knows nothing of it any more"
        + (f"; the stack `{operation.stack}` is in {state.status}" if state else ""),
        hint="run this again",
        blame="aws",
    )


def _news(
    fetch: Callable[[str], Iterator[StackEvent]], stack_id: str, token: str | None, seen: set[str]
) -> tuple[list[StackEvent], str | None]:
    """Unseen events of the operation, the oldest first, and its token once that is known."""
    news: list[StackEvent] = []
    for event in fetch(stack_id):
        if token is None:
            token = event.token
        if event.id in seen or event.token != token:
            break
        news.append(event)
        if event.of_stack and event.status in _BEGINNINGS:
            break
    news.reverse()
    return news, token


def _is_over(status: str) -> bool:
    return not status.endswith("_IN_PROGRESS")


def _shown(event: StackEvent, operation: Operation) -> DeployResource:
    return DeployResource(
        stack=operation.stack,
        path=operation.paths.root if event.of_stack else operation.paths.of(event.logical_id),
        logical_id=LogicalId(event.logical_id),
        type=event.type,
        status=event.status,
        reason=event.reason or None,
    )
