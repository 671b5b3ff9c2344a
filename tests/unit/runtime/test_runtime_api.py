"""The states of the Runtime API, without a socket."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from skykite.runtime.messages import parse_error, parse_message
from skykite.runtime.runtime_api.machine import Event, Output, Request, Respond, RuntimeApi, Tell, Ticket
from skykite_lambda import frames

ID = "8f507cfc-1234-4697-b07a-ac58fc914c95"
EVENT = Event(request_id=ID, headers=b"", payload=b'{"a":1}')


def ask(api: RuntimeApi, what: str, body: bytes = b"", ticket: int = 1, **more: Any) -> list[Output]:
    method, path = what.split(" ")
    fields: dict[str, Any] = {"headers": {}, "size": len(body), **more}
    root = "" if path.startswith("/") else "/2018-06-01/runtime/"
    return api.request(Ticket(ticket), Request(method=method, path=root + path, body=body, **fields))


def respond(output: Output) -> tuple[int, Any]:
    assert isinstance(output, Respond)
    return output.status, json.loads(output.body) if output.body.startswith(b"{") else output.body


def told(outputs: list[Output]) -> list[Tell]:
    return [output for output in outputs if isinstance(output, Tell)]


def running() -> RuntimeApi:
    api = RuntimeApi()
    ask(api, "GET invocation/next")
    api.invoke(EVENT)
    assert api.state == "Running"
    return api


def refused(to: str, state: str) -> tuple[int, Any]:
    message = f"State transition from {state} to {to} failed for runtime. Error: State transition is not allowed"
    return 403, {"errorMessage": message, "errorType": "InvalidStateTransition"}


def test_asking_for_the_first_event_says_that_the_worker_is_ready() -> None:
    api = RuntimeApi()
    assert ask(api, "GET invocation/next") == [Tell(kind=frames.READY, payload=b'{"observed":{}}')]
    assert api.invoke(EVENT) == [Respond(ticket=Ticket(1), status=200, body=b'{"a":1}')]


def test_a_result_goes_to_the_runtime_and_is_accepted() -> None:
    result, accepted = ask(running(), f"POST invocation/{ID}/response", b'"done"')
    assert result == Tell(kind=frames.RESULT, payload=b'"done"')
    assert respond(accepted) == (202, {"status": "OK"})


def test_an_event_that_comes_before_it_is_asked_for_waits() -> None:
    api = running()
    ask(api, f"POST invocation/{ID}/response")
    later = Event(request_id="later", headers=b"", payload=b"2")
    assert api.invoke(later) == []
    assert ask(api, "GET invocation/next", ticket=7) == [Respond(ticket=Ticket(7), status=200, body=b"2")]


def test_who_hung_up_is_given_nothing() -> None:
    api = RuntimeApi()
    ask(api, "GET invocation/next", ticket=1)
    ask(api, "GET invocation/next", ticket=2)
    api.gone(Ticket(1))
    assert api.invoke(EVENT) == [Respond(ticket=Ticket(2), status=200, body=b'{"a":1}')]


def test_an_event_that_was_lost_on_the_way_is_given_again() -> None:
    api = running()
    assert ask(api, "GET invocation/next", ticket=2) == [Respond(ticket=Ticket(2), status=200, body=b'{"a":1}')]


def test_answers_to_another_request_are_refused() -> None:
    wrong = (400, {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"})
    for kind in ("response", "error"):
        assert [respond(one) for one in ask(running(), f"POST invocation/other/{kind}")] == [wrong]
        assert [respond(one) for one in ask(RuntimeApi(), f"POST invocation/{ID}/{kind}")] == [wrong]


def test_a_second_answer_is_refused_and_not_passed_on() -> None:
    api = running()
    ask(api, f"POST invocation/{ID}/response", b"1")
    (again,) = ask(api, f"POST invocation/{ID}/response", b"2")
    assert respond(again) == refused("InvocationResponse", "RuntimeResponseSentState")
    (error,) = ask(api, f"POST invocation/{ID}/error", b"{}")
    assert respond(error) == refused("InvocationErrorResponse", "RuntimeResponseSentState")


def test_loading_can_only_fail_before_it_is_done() -> None:
    api = RuntimeApi()
    document = b'{"errorType":"No.Config","errorMessage":"there is none"}'
    failed, accepted = ask(api, "POST init/error", document)
    assert respond(accepted) == (202, {"status": "OK"})
    assert isinstance(failed, Tell)
    message: Any = parse_message(failed.kind, failed.payload)
    assert (message.error.type, message.error.message) == ("No.Config", "there is none")
    assert message.error.document == document.decode()
    (late,) = ask(api, "GET invocation/next")
    assert respond(late) == refused("Ready", "InitError")
    (also_late,) = ask(running(), "POST init/error", document)
    assert respond(also_late) == refused("InitError", "Running")


def test_an_error_is_named_by_its_document_or_else_by_its_header() -> None:
    header = {b"lambda-runtime-function-error-type": b"Function.Broken"}
    for body, type_, message in (
        (b'{"errorType":"A","errorMessage":"b","stackTrace":["c"]}', "A", "b"),
        (b"{}", "Function.Broken", ""),
        (b"", "Function.Broken", ""),
        (b"it broke \xff", "Function.Broken", "it broke \ufffd"),
        (b"[1]", "Function.Broken", "[1]"),
        (b"[" * 100_000, "Function.Broken", "[" * 1024),
    ):
        (tell,) = told(ask(running(), f"POST invocation/{ID}/error", body, headers=header))
        error = parse_error(tell.payload)
        assert (error.type, error.message) == (type_, message)
        if body:
            assert error.document == body.decode("utf-8", "replace")


def test_a_trace_of_any_language_is_shown() -> None:
    frames_ = [{"path": "main.go", "line": 3, "label": "handle"}, "    at handler (app.js:1:2)", {"odd": 1}, 5]
    body = json.dumps({"errorType": "E", "errorMessage": "m", "stackTrace": frames_}).encode()
    (tell,) = told(ask(running(), f"POST invocation/{ID}/error", body))
    assert parse_error(tell.payload).trace == (
        "  main.go:3 handle\n",
        "    at handler (app.js:1:2)\n",
        '{"odd": 1}\n',
        "5\n",
    )


def test_too_large_a_result_fails_the_invocation_and_says_so_to_both() -> None:
    failed, answer = ask(running(), f"POST invocation/{ID}/response", size=6_291_557)
    assert isinstance(failed, Tell)
    assert parse_error(failed.payload).type == "Function.ResponseSizeTooLarge"
    message = "Exceeded maximum allowed payload size (6291556 bytes)."
    assert respond(answer) == (413, {"errorMessage": message, "errorType": "RequestEntityTooLarge"})


def test_a_streamed_result_that_ends_in_an_error_is_one() -> None:
    document = b'{"errorType":"Stream.Broken","errorMessage":"half"}'
    (tell,) = told(
        ask(
            running(),
            f"POST invocation/{ID}/response",
            b"half of it",
            headers={b"lambda-runtime-function-response-mode": b"streaming"},
            trailers={
                b"lambda-runtime-function-error-type": b"Stream.Broken",
                b"lambda-runtime-function-error-body": base64.b64encode(document),
            },
        )
    )
    assert tell.kind == frames.ERROR
    assert parse_error(tell.payload).message == "half"


def test_a_result_of_another_mode_is_refused() -> None:
    failed, answer = ask(
        running(), f"POST invocation/{ID}/response", headers={b"lambda-runtime-function-response-mode": b"poetry"}
    )
    assert isinstance(failed, Tell)
    assert parse_error(failed.payload).type == "Runtime.InvalidResponseModeHeader"
    expected = {"errorMessage": "Invalid function response mode", "errorType": "InvalidFunctionResponseMode"}
    assert respond(answer) == (400, expected)


def test_a_result_that_is_cut_off_fails_the_invocation_at_once() -> None:
    api = running()
    assert api.cut_off("/2018-06-01/runtime/init/error") == []
    (tell,) = told(api.cut_off(f"/2018-06-01/runtime/invocation/{ID}/response"))
    assert parse_error(tell.payload).type == "Runtime.TruncatedResponse"
    assert api.cut_off(f"/2018-06-01/runtime/invocation/{ID}/response") == []


def test_other_paths_and_methods_are_not_there() -> None:
    for what, status in (
        ("GET /", 404),
        ("GET invocation", 404),
        ("GET invocation/next/more", 404),
        ("GET /2020-01-01/extension/event/next", 404),
        ("GET restore/next", 404),
        ("POST invocation/next", 405),
        (f"GET invocation/{ID}/response", 405),
        ("GET init/error", 405),
    ):
        (answer,) = ask(running(), what)
        assert respond(answer)[0] == status, what


_MOVES = st.sampled_from(["next", "response", "error", "init", "invoke", "gone", "wrong", "cut"])


@given(st.lists(_MOVES, max_size=40))
def test_each_event_is_answered_to_the_runtime_at_most_once_whatever_a_worker_does(moves: list[str]) -> None:
    api, number, open_event = RuntimeApi(), 0, None
    asked: set[int] = set()
    for ticket, move in enumerate(moves):
        current = f"id-{number}"
        outputs: list[Output] = []
        match move:
            case "next":
                asked.add(ticket)
                outputs = ask(api, "GET invocation/next", ticket=ticket)
            case "response" | "error":
                outputs = ask(api, f"POST invocation/{current}/{move}", b"{}", ticket=ticket)
            case "init":
                outputs = ask(api, "POST init/error", b"{}", ticket=ticket)
            case "wrong":
                outputs = ask(api, "POST invocation/none/response", ticket=ticket)
            case "cut":
                outputs = api.cut_off(f"/2018-06-01/runtime/invocation/{current}/response")
            case "gone":
                for one in asked:
                    api.gone(Ticket(one))
                asked.clear()
            case "invoke" if open_event is None and api.state not in ("Started", "InitError"):
                number += 1
                open_event = f"id-{number}"
                outputs = api.invoke(Event(request_id=open_event, headers=b"", payload=b"1"))
        for output in outputs:
            if isinstance(output, Respond):
                asked.discard(output.ticket)
            elif output.kind in (frames.RESULT, frames.ERROR):
                assert open_event is not None
                open_event = None
