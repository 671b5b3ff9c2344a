"""Many invocations at once, told one block at a time. Time is an argument: nothing here waits."""

from __future__ import annotations

import re

import pytest

from kit.story import GET, ORDERS, POST, WORKER, answered, finished, http, log, request, started
from skykite.cli.render.invocations import Invocations
from skykite.cli.render.lines import UNICODE, Line
from skykite.model.events import InvocationError


def invocations(width: int | None = None) -> Invocations:
    return Invocations(width=width, symbols=UNICODE, colour=False)


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_concurrent_requests_never_mix_their_lines() -> None:
    told = invocations()
    assert told.started(started(request(1), GET, http("GET", "/a")), 0) == []
    assert told.started(started(request(2), POST, http("POST", "/b")), 0) == []
    for n in range(3):
        assert told.log(log(request(1), GET, f"a{n}\n"), 0.1) == []
        assert told.log(log(request(2), POST, f"b{n}\n"), 0.1) == []
    assert told.finished(finished(request(2), POST, http("POST", "/b")), 0.2) == []
    assert texts(told.http(answered(request(2), "POST", "/b", 201, POST), 0.2)) == [
        "POST   /b  NotesStack/Api/POST --notes  201  14 ms",
        "    b0",
        "    b1",
        "    b2",
    ]
    told.finished(finished(request(1), GET, http("GET", "/a")), 0.3)
    assert texts(told.http(answered(request(1), "GET", "/a", 200, GET), 0.3))[1:] == ["    a0", "    a1", "    a2"]
    assert not told.waiting


def test_what_is_no_request_at_all_is_called_so() -> None:
    assert texts(invocations().http(answered(request(1), "", "", 400, None), 0)) == [
        "       not an HTTP request  400  14 ms",
    ]


def test_what_a_queue_triggers_is_shown_when_the_function_is_done() -> None:
    told = invocations()
    told.started(started(request(1), WORKER, ORDERS), 0)
    told.log(log(request(1), WORKER, "no line end"), 0)
    assert texts(told.finished(finished(request(1), WORKER, ORDERS), 0.1)) == [
        "event  sqs Orders  NotesStack/Worker  ok  12 ms",
        "    no line end",
    ]


def test_a_request_that_came_over_the_bridge_is_answered_in_the_cloud_and_shown_when_its_function_is_done() -> None:
    told = invocations()
    told.started(started(request(1), GET, http("GET", "/a")), 0)
    told.log(log(request(1), GET, "one\n"), 0)
    shown = told.finished(finished(request(1), GET, http("GET", "/a"), bridge_ms=41.8, http_status=404), 0.1)
    head = "GET    /a  NotesStack/Api/GET --notes--{id}  404  12 ms  +42 ms bridge"
    assert texts(shown) == [f"{head}  request {request(1)}", "    one"]
    assert not told.waiting


def test_a_failure_shows_its_error_under_its_output() -> None:
    told = invocations()
    error = InvocationError(type="ValueError", message="two\nlines", trace=("  File a\n    b\n",), hint="try c")
    told.started(started(request(1), WORKER, ORDERS), 0)
    told.log(log(request(1), WORKER, "so far\n"), 0)
    assert texts(told.finished(finished(request(1), WORKER, ORDERS, error=error), 0.1)) == [
        "event  sqs Orders  NotesStack/Worker  failed  12 ms",
        "    so far",
        "    ValueError: two",
        "    lines",
        "      File a",
        "        b",
        "    hint: try c",
    ]


def test_after_a_second_whole_lines_are_shown_as_they_come() -> None:
    told = invocations()
    told.started(started(request(1), GET, http("GET", "/slow")), 0)
    told.log(log(request(1), GET, "one\ntw"), 0.1)
    assert told.tick(0.9) == []
    assert told.waiting
    assert texts(told.tick(1.0)) == [
        "00000001 GET    /slow  NotesStack/Api/GET --notes--{id}  running",
        "00000001 │ one",
    ]
    assert told.log(log(request(1), GET, "o"), 1.1) == []
    assert texts(told.log(log(request(1), GET, "\nthree\nfo"), 1.2)) == ["00000001 │ two", "00000001 │ three"]
    told.finished(finished(request(1), GET, http("GET", "/slow"), duration_ms=2_000), 2.0)
    assert texts(told.http(answered(request(1), "GET", "/slow", 200, GET, duration_ms=2_001), 2.0)) == [
        "00000001 │ fo",
        "00000001 GET    /slow  NotesStack/Api/GET --notes--{id}  200  2.0 s",
    ]


def test_a_silent_function_shows_nothing_before_its_end() -> None:
    told = invocations()
    told.started(started(request(1), GET, http("GET", "/slow")), 0)
    assert told.tick(5) == []
    told.finished(finished(request(1), GET, http("GET", "/slow")), 6)
    assert texts(told.http(answered(request(1), "GET", "/slow", 200, GET), 6)) == [
        "GET    /slow  NotesStack/Api/GET --notes--{id}  200  14 ms"
    ]


def test_a_function_still_running_when_the_gateway_gave_up_is_followed_to_its_end() -> None:
    told = invocations()
    told.started(started(request(1), GET, http("GET", "/slow")), 0)
    told.log(log(request(1), GET, "early\n"), 0.1)
    assert texts(told.http(answered(request(1), "GET", "/slow", 503, GET, duration_ms=30_000), 0.5)) == [
        "00000001 GET    /slow  NotesStack/Api/GET --notes--{id}  503  30.0 s",
        "00000001 │ early",
    ]
    assert texts(told.log(log(request(1), GET, "late\n"), 0.6)) == ["00000001 │ late"]
    assert texts(told.finished(finished(request(1), GET, http("GET", "/slow"), duration_ms=31_000), 0.7)) == [
        "00000001 GET    /slow  NotesStack/Api/GET --notes--{id}  ok  31.0 s"
    ]
    assert not told.waiting


def test_an_invocation_whose_answer_nobody_reports_is_shown_after_a_second() -> None:
    told = invocations()
    told.started(started(request(1), GET, http("GET", "/gone")), 0)
    told.log(log(request(1), GET, "hello\n"), 0.1)
    told.finished(finished(request(1), GET, http("GET", "/gone")), 0.2)
    assert told.tick(1.1) == []
    assert texts(told.tick(1.3)) == ["GET    /gone  NotesStack/Api/GET --notes--{id}  ok  12 ms", "    hello"]
    assert not told.waiting


def test_output_after_the_end_of_an_invocation_still_says_whose_it_is() -> None:
    told = invocations()
    assert texts(told.log(log(request(9), WORKER, "from a thread\n"), 0)) == ["00000009 │ from a thread"]


def test_an_answer_without_a_function_is_one_line() -> None:
    assert texts(invocations().http(answered(request(1), "GET", "/nope", 404, None), 0)) == ["GET    /nope  404  14 ms"]


def test_a_line_fits_the_width_it_is_given() -> None:
    for width in range(60, 140):
        told = invocations(width)
        told.started(started(request(1), GET, http("GET", "/a/long/path/to/somewhere")), 0)
        told.finished(finished(request(1), GET, http("GET", "/a/long/path/to/somewhere")), 0)
        [line] = texts(told.http(answered(request(1), "GET", "/a/long/path/to/somewhere", 200, GET), 0))
        assert len(line) <= width, width
        assert line.endswith("  200  14 ms")


def cold_and_warm(width: int) -> list[str]:
    told = invocations(width)
    lines = []
    for number, (path, function, init) in enumerate(
        [("/a", GET, 8.0), ("/" + "long" * 8, POST, None), ("/b", GET, 85.0)]
    ):
        told.started(started(request(number), function, http("GET", path)), 0)
        told.finished(finished(request(number), function, http("GET", path), init_ms=init), 0)
        lines += texts(told.http(answered(request(number), "GET", path, 200, function), 0))
    lines += texts(told.http(answered(request(8), "GET", "/favicon.ico", 404, None), 0))
    told.started(started(request(9), WORKER, ORDERS), 0)
    return lines + texts(told.finished(finished(request(9), WORKER, ORDERS, init_ms=8.0), 0))


def test_status_and_duration_line_up_whatever_the_line_holds() -> None:
    assert cold_and_warm(110) == [
        "GET    /a                        NotesStack/Api/GET --notes--{id}  200  14 ms  including 8.0 ms init",
        "GET    /longlonglonglonglonglonglonglong  …Stack/Api/POST --notes  200  14 ms",
        "GET    /b                        NotesStack/Api/GET --notes--{id}  200  14 ms  after 85 ms init",
        "GET    /favicon.ico                                                404  14 ms",
        "event  sqs Orders                NotesStack/Worker                 ok   12 ms  after 8.0 ms init",
    ]


@pytest.mark.parametrize("width", [60, 72, 80, 100, 140])
def test_columns_are_the_same_in_every_line_of_one_width(width: int) -> None:
    heads = [text for text in cold_and_warm(width) if not text.startswith("    ")]
    assert len({re.search(r" (200|404|ok ) ", text).start() for text in heads}) == 1  # type: ignore[union-attr]
    assert all(len(text) <= width for text in heads)


def test_a_cold_start_gets_a_line_of_its_own_where_the_terminal_is_narrow() -> None:
    assert cold_and_warm(80)[:2] == [
        "GET    /a                        …sStack/Api/GET --notes--{id}  200  14 ms",
        "    including 8.0 ms init",
    ]


def test_ten_megabytes_of_output_are_shown_whole_and_soon() -> None:
    told = invocations()
    told.started(started(request(1), WORKER, ORDERS), 0)
    for _ in range(160):
        told.log(log(request(1), WORKER, ("x" * 63 + "\n") * 1024), 0.1)
    assert len(told.finished(finished(request(1), WORKER, ORDERS), 0.2)) == 1 + 160 * 1024
