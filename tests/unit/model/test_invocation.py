from __future__ import annotations

import dataclasses
import json

import pytest

from skykite.errors import SkykiteError
from skykite.model.invocation import (
    Failed,
    FailureKind,
    FunctionConfig,
    Report,
    Succeeded,
    http_status,
    parse_handler,
)
from skykite.model.names import RequestId


def test_a_handler_is_split_at_its_last_dot() -> None:
    handler = parse_handler("functions/v1.2/notes.get")
    assert (handler.path, handler.function) == ("functions/v1.2/notes", "get")
    assert str(handler) == "functions/v1.2/notes.get"
    assert parse_handler("functions/notes.get").module == "functions.notes"
    assert parse_handler("functions/notes.get").file == "functions/notes.py"


@pytest.mark.parametrize(
    "text", ["", "notes", "notes.", ".get", "/notes.get", "a//b.get", "../notes.get", "notes.py.get", "notes.a-b"]
)
def test_what_is_no_handler_is_refused(text: str) -> None:
    with pytest.raises(SkykiteError) as caught:
        parse_handler(text)
    assert caught.value.code == "handler-invalid"
    assert caught.value.message == f"`{text}` is not a handler"


def failed(kind: FailureKind, **more: object) -> Failed:
    return Failed(
        kind=kind,
        error_type="KeyError",
        message="'id'",
        report=Report(duration_ms=1.0),
        request_id=RequestId("11111111-1111-1111-1111-111111111111"),
        hint="for people only",
        **more,  # type: ignore[arg-type]
    )


def test_the_error_document_of_a_raising_handler_is_lambdas() -> None:
    document = failed("handled", trace=('  File "functions/notes.py", line 3, in get\n',)).payload
    assert document == (
        b'{"errorMessage":"\'id\'","errorType":"KeyError","requestId":"11111111-1111-1111-1111-111111111111",'
        b'"stackTrace":["  File \\"functions/notes.py\\", line 3, in get\\n"]}'
    )


@pytest.mark.parametrize("kind", ["timeout", "exit", "too-large", "unavailable"])
def test_the_error_document_of_lambda_itself_has_no_trace(kind: FailureKind) -> None:
    assert json.loads(failed(kind).payload) == {"errorMessage": "'id'", "errorType": "KeyError"}


def test_an_answer_that_is_nested_beyond_measure_has_a_status_all_the_same() -> None:
    payload = b'{"statusCode":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert http_status(Succeeded(payload=payload, report=Report(duration_ms=1.0))) == 200


def test_what_a_function_is_configured_with_holds_secrets_and_is_in_no_message() -> None:
    shown = {field.name for field in dataclasses.fields(FunctionConfig) if field.repr}
    assert "environment" not in shown
