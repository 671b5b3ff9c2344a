"""Invocations on their way through the runtime, from their arrival to what became of them.

In: invocations, what they print, how they ended. Out: outcomes for those who wait, events for those who watch. No I/O.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from skykite.model.events import InvocationError, InvocationFinished, InvocationLog, InvocationStarted
from skykite.model.invocation import PAYLOAD_LIMIT, Failed, FunctionConfig, Invocation, Outcome, Report, http_status
from skykite.ports import Clock, EventSink
from skykite.runtime.logs import TAIL, LogText
from skykite.runtime.outcomes import Ending, outcome_of
from skykite.runtime.pool import TicketId


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One invocation. `arrived` and `started` are monotonic; it starts when a worker is given it."""

    ticket: TicketId
    invocation: Invocation
    config: FunctionConfig
    arrived: float
    outcome: asyncio.Future[Outcome]
    started: float = 0.0
    init_ms: float | None = None
    memory_mb: int | None = None
    tail: bytes = b""


class Calls:
    """Those that are not finished, by their tickets."""

    def __init__(self, *, events: EventSink, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._open: dict[TicketId, Call] = {}
        self._last_ticket = 0

    def __getitem__(self, ticket: TicketId) -> Call:
        return self._open[ticket]

    def __contains__(self, ticket: TicketId) -> bool:
        return ticket in self._open

    def all(self) -> list[Call]:
        return list(self._open.values())

    def begin(self, invocation: Invocation, config: FunctionConfig) -> Call:
        """It has arrived, and will be finished in every case."""
        self._last_ticket += 1
        call = Call(
            ticket=TicketId(self._last_ticket),
            invocation=invocation,
            config=config,
            arrived=self._clock.monotonic(),
            outcome=asyncio.get_running_loop().create_future(),
        )
        self._open[call.ticket] = call
        self._events.emit(
            InvocationStarted(
                request_id=invocation.request_id, function=invocation.function, trigger=invocation.trigger
            )
        )
        return call

    def log(self, call: Call, piece: LogText) -> None:
        """The function printed something."""
        call.tail = (call.tail + piece.text.encode())[-TAIL:]
        self._events.emit(
            InvocationLog(
                request_id=call.invocation.request_id,
                function=call.invocation.function,
                stream=piece.stream,
                text=piece.text,
            )
        )

    def finish(self, call: Call, ending: Ending, now: float | None = None) -> None:
        """Tell whoever waits, and the events."""
        finished = self._clock.monotonic() if now is None else now
        outcome = outcome_of(
            call.invocation,
            call.config,
            ending,
            duration_ms=(finished - call.started) * 1000 if call.started else 0.0,
            init_ms=call.init_ms,
            max_memory_mb=call.memory_mb,
            output=call.tail,
        )
        del self._open[call.ticket]
        in_cloud = call.invocation.bridge_ms is not None and call.invocation.trigger.kind == "http"
        self._events.emit(
            InvocationFinished(
                request_id=call.invocation.request_id,
                function=call.invocation.function,
                trigger=call.invocation.trigger,
                duration_ms=outcome.report.duration_ms,
                init_ms=outcome.report.init_ms,
                max_memory_mb=outcome.report.max_memory_mb,
                error=InvocationError.of(outcome),
                bridge_ms=call.invocation.bridge_ms,
                http_status=http_status(outcome) if in_cloud else None,
            )
        )
        if not call.outcome.done():
            call.outcome.set_result(outcome)


def not_found(invocation: Invocation) -> Failed:
    """There is no such function."""
    message = f"Function not found: {invocation.function}"
    return _refused(invocation, "unavailable", "ResourceNotFoundException", message)


def too_large(invocation: Invocation) -> Failed | None:
    """What Lambda says of an event that it does not take."""
    if len(invocation.payload) <= PAYLOAD_LIMIT:
        return None
    message = f"Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction operation"
    return _refused(invocation, "too-large", "RequestTooLargeException", message)


def _refused(
    invocation: Invocation, kind: Literal["unavailable", "too-large"], error_type: str, message: str
) -> Failed:
    return Failed(
        kind=kind,
        error_type=error_type,
        message=message,
        report=Report(duration_ms=0.0),
        request_id=invocation.request_id,
    )
