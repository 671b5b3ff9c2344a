from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from skykite.errors import SkykiteError
from skykite.model.events import ErrorRaised, Event, InvocationFinished, StepFinished, StepStarted, encode_event
from skykite.model.invocation import Trigger
from skykite.model.names import FunctionId, RequestId

NOON = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)


def test_an_event_is_one_line_that_starts_with_its_code_and_time() -> None:
    line = encode_event(StepStarted(step="synth", message="Two\nlines"), NOON)
    assert line == (
        b'{"code":"step.started","time":"2026-11-23T12:00:00.123+00:00","step":"synth","message":"Two\\nlines"}'
    )


def test_what_is_inside_an_event_is_encoded_too() -> None:
    event = InvocationFinished(
        request_id=RequestId("1"),
        function=FunctionId("Api/Get"),
        trigger=Trigger(kind="http", label="GET /"),
        duration_ms=1.5,
        init_ms=None,
        max_memory_mb=40,
    )
    assert json.loads(encode_event(event, NOON)) == {
        "code": "invocation.finished",
        "time": "2026-11-23T12:00:00.123+00:00",
        "request_id": "1",
        "function": "Api/Get",
        "trigger": {"kind": "http", "label": "GET /"},
        "duration_ms": 1.5,
        "init_ms": None,
        "max_memory_mb": 40,
        "error": None,
        "bridge_ms": None,
        "http_status": None,
    }


def test_milliseconds_have_three_decimals_at_most() -> None:
    line = encode_event(StepFinished(step="synth", message="done", elapsed_ms=12.345678901), NOON)
    assert json.loads(line)["elapsed_ms"] == 12.346


def test_an_error_event_is_the_error_field_for_field() -> None:
    error = SkykiteError("a-code", "a message", context="a frame", hint="a hint", link="https://x", blame="aws")
    event = ErrorRaised.of(error)
    assert (event.error, event.message, event.context, event.hint, event.link, event.blame) == (
        "a-code",
        "a message",
        "a frame",
        "a hint",
        "https://x",
        "aws",
    )


@pytest.mark.parametrize("event", get_args(Event), ids=lambda event: event.__name__)
def test_every_event_has_a_code_of_its_own_and_an_explanation(event: type) -> None:
    codes = [other.code for other in get_args(Event)]
    assert codes.count(event.code) == 1  # type: ignore[attr-defined]
    assert event.__doc__
    assert not event.__doc__.startswith(event.__name__)
