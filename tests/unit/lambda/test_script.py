"""What the function behind a `Script` understands and says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skykite_lambda.script import failure_text, is_rolling_back, read_event


def event(kind: str, script: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"RequestType": kind, "ResourceProperties": {"Script": json.dumps(script)}}
    if before is not None:
        found["OldResourceProperties"] = {"Script": json.dumps(before)}
    return found


def test_the_function_of_the_event_is_asked_with_its_params() -> None:
    script = {"update": {"function": "arn", "label": "functions/seed.fill"}, "params": {"n": 2}}
    update = read_event(event("Update", script, {"params": {"n": 1}}))
    assert (update.kind, update.function, update.label) == ("update", "arn", "functions/seed.fill")
    assert update.payload == {"type": "update", "params": {"n": 2}, "previous_params": {"n": 1}}
    assert read_event(event("Create", script)).function is None
    assert read_event(event("Delete", script)).payload == {"type": "delete", "params": {"n": 2}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"errorType": "ValueError", "errorMessage": "no"}', "on_create (a.b) failed: ValueError: no"),
        (
            b'{"errorType": "E", "errorMessage": "no", "stackTrace": ["first", "  File \\"a.py\\", line 1\\n  x\\n"]}',
            'on_create (a.b) failed: E: no, at File "a.py", line 1 x',
        ),
        (b"[]", "on_create (a.b) failed: Error: "),
        (b"\xff", "on_create (a.b) failed: Error: "),
    ],
)
def test_a_failure_is_told_in_the_functions_own_words(body: bytes, text: str) -> None:
    assert failure_text("a.b", "create", body) == text


def test_a_long_failure_leaves_room_in_the_answer() -> None:
    assert len(failure_text("a.b", "create", json.dumps({"errorMessage": "x" * 9000}).encode())) == 1001


@pytest.mark.parametrize(
    ("status", "rolling"),
    [("UPDATE_ROLLBACK_IN_PROGRESS", True), ("ROLLBACK_IN_PROGRESS", True), ("UPDATE_IN_PROGRESS", False)],
)
def test_a_rollback_is_told_from_an_update(status: str, rolling: bool) -> None:
    assert is_rolling_back(f"<a><StackStatus>{status}</StackStatus></a>".encode()) is rolling
    assert not is_rolling_back(b"<Error/>")
