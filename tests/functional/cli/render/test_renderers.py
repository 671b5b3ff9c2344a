"""The three renderers with real streams and the whole story."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable, Mapping
from typing import get_args

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.clock import ManualClock
from kit.story import APP, STACK, STAGE, START, STORY, WORKER, finished, http, log, request, resource, started
from skykite.cli.clock import SystemClock
from skykite.cli.render import Renderer, open_renderer
from skykite.cli.settings import Output
from skykite.model.events import (
    DeployFinished,
    DevReady,
    DevStopped,
    Event,
    InvocationError,
    InvocationLog,
    StepFinished,
    StepStarted,
)
from skykite.model.invocation import Trigger

BUILT = "dist\n"
OUTPUTS = "ApiEndpoint=http://127.0.0.1:4000\nTableName=alice-notes-Notes\n"
STATUS = (
    "address=http://127.0.0.1:5000\nprocess=4711\nfunctions=3 deployed\nrunning=1 invocation\nmemory=118 MB\n"
    "alice-notes-Api=http://127.0.0.1:4000\nlog=/notes/.kite/local/keeper.log\n"
)
WIDE = {"COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}


class Stream(io.TextIOWrapper):
    """What a process's stdout or stderr is, in memory."""

    def __init__(self, *, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


def show(
    events: Iterable[Event],
    *,
    output: Output = "auto",
    stdout: Stream,
    stderr: Stream,
    environment: Mapping[str, str] = WIDE,
) -> None:
    """Everything in one batch, with a clock that stands still."""
    renderer = open_renderer(output, stdout=stdout, stderr=stderr, environment=environment, clock=ManualClock())
    for event in events:
        renderer.emit(event)
    renderer.stop()


def test_the_story_tells_every_event() -> None:
    assert {type(event) for event in STORY} == set(get_args(Event))


def test_plain_tells_the_story_in_lines(snapshot: SnapshotAssertion) -> None:
    stdout, stderr = Stream(), Stream()
    show(STORY, stdout=stdout, stderr=stderr)
    assert stderr.text == snapshot
    assert stdout.text.startswith(BUILT)
    assert stdout.text.endswith(f"{OUTPUTS}{STATUS}")


def test_plain_keeps_the_order_of_talk_and_data_where_both_go_to_one_place() -> None:
    both = Stream()
    show(STORY, stdout=both, stderr=both)
    lines = both.text.splitlines()
    ready = lines.index("notes · alice: ready in 2.2 s, Ctrl-C stops")
    assert lines[ready + 1] == "ApiEndpoint=http://127.0.0.1:4000"
    assert lines[ready + 3].startswith("GET    /notes/1")


def test_plain_needs_no_more_than_ascii() -> None:
    stdout, stderr = Stream(encoding="ascii"), Stream(encoding="ascii")
    show(STORY, stdout=stdout, stderr=stderr)
    assert "notes - alice: ready in 2.2 s, Ctrl-C stops\n" in stderr.text
    assert "\\u" not in stderr.text


def test_plain_prints_outputs_of_a_deploy_outside_dev() -> None:
    stdout, stderr = Stream(), Stream()
    show([event for event in START if isinstance(event, DeployFinished)], stdout=stdout, stderr=stderr)
    assert stderr.text == "✓ deployed  1.3 s\n"
    assert stdout.text == "ApiEndpoint=http://127.0.0.1:4000\n"


def test_json_is_every_event_a_line(snapshot: SnapshotAssertion) -> None:
    stdout, stderr = Stream(), Stream()
    show(STORY, output="json", stdout=stdout, stderr=stderr)
    assert stdout.text == snapshot
    assert [json.loads(line)["code"] for line in stdout.text.splitlines()] == [event.code for event in STORY]
    assert stderr.text == ""


def test_json_is_utf_8_whatever_the_console_speaks() -> None:
    stdout = Stream(encoding="cp1252")
    show([log(request(1), WORKER, "📦 → Zürich\n")], output="json", stdout=stdout, stderr=Stream())
    buffer = stdout.buffer
    assert isinstance(buffer, io.BytesIO)
    assert json.loads(buffer.getvalue())["text"] == "📦 → Zürich\n"


def test_terminal_tells_the_story_in_colour(snapshot: SnapshotAssertion) -> None:
    stdout, stderr = Stream(terminal=True), Stream(terminal=True)
    show(STORY, stdout=stdout, stderr=stderr)
    assert stderr.text == snapshot
    assert stdout.text == ""


def test_terminal_without_colour_has_none() -> None:
    stdout, stderr = Stream(terminal=True), Stream(terminal=True)
    show(STORY, stdout=stdout, stderr=stderr, environment={**WIDE, "NO_COLOR": "1"})
    for colour in ("31", "32", "33", "36"):
        assert f"[{colour}m" not in stderr.text
        assert f";{colour}m" not in stderr.text


def test_terminal_fits_narrow_ones(snapshot: SnapshotAssertion) -> None:
    stdout, stderr = Stream(terminal=True), Stream(terminal=True)
    show(STORY, stdout=stdout, stderr=stderr, environment={**WIDE, "COLUMNS": "40", "NO_COLOR": "1"})
    assert stderr.text == snapshot


@pytest.mark.parametrize("columns", ["40", "80"])
def test_a_long_output_is_written_whole_whatever_the_terminals_width(columns: str) -> None:
    stdout, stderr = Stream(terminal=True), Stream(terminal=True)
    value = "arn:aws:states:eu-central-1:000000000000:stateMachine:" + "x" * 90
    shown = DevReady(
        app=APP, stage=STAGE, endpoints=(), outputs={STACK: {"Machine": value}}, functions=(), elapsed_ms=2_210.0
    )
    show([START[0], shown], stdout=stdout, stderr=stderr, environment={**WIDE, "COLUMNS": columns})
    assert f"\n  {value}\n" in stderr.text


def test_a_failed_start_does_not_say_it_stopped() -> None:
    for output in ("plain", "auto"):
        stderr = Stream(terminal=True)
        show([START[0], DevStopped(elapsed_ms=7.0)], output=output, stdout=Stream(terminal=True), stderr=stderr)  # type: ignore[arg-type]
        assert "stopped" not in stderr.text


def test_terminal_needs_no_more_than_ascii() -> None:
    stdout, stderr = Stream(terminal=True), Stream(terminal=True, encoding="ascii")
    show(STORY, stdout=stdout, stderr=stderr)
    assert "+- \x1b[0m" in stderr.text or "+-" in stderr.text
    assert "\\u" not in stderr.text


def test_outputs_reach_stdout_where_only_stderr_is_a_terminal() -> None:
    stdout, stderr = Stream(), Stream(terminal=True)
    show(STORY, stdout=stdout, stderr=stderr)
    assert stdout.text.startswith(BUILT)
    assert stdout.text.endswith(f"{OUTPUTS}{STATUS}")


def test_a_dumb_terminal_gets_lines() -> None:
    stderr = Stream(terminal=True)
    show(STORY, stdout=Stream(terminal=True), stderr=stderr, environment={"TERM": "dumb"})
    assert "\x1b" not in stderr.text


def test_running_steps_and_busy_resources_show_below_what_is_settled(snapshot: SnapshotAssertion) -> None:
    clock, stderr = ManualClock(), Stream(terminal=True)
    renderer = open_renderer(
        "auto", stdout=Stream(terminal=True), stderr=stderr, environment={**WIDE, "NO_COLOR": "1"}, clock=clock
    )
    renderer.emit(StepStarted(step="deploy", message="Deploying 1 stack"))
    for number in range(10):
        renderer.emit(resource(f"Queue{number}", "AWS::SQS::Queue", "CREATE_IN_PROGRESS"))
    renderer.emit(resource("Queue3", "AWS::SQS::Queue", "CREATE_COMPLETE"))
    clock.advance(2.5)
    with renderer.suspended():
        shown = stderr.text
    assert shown == snapshot
    renderer.emit(StepFinished(step="deploy", message="Deployed 1 stack", elapsed_ms=3_000.0))
    renderer.stop()
    assert stderr.text.endswith("✓ \x1b[2mdeploy  \x1b[0mdeployed 1 stack\x1b[2m  3.0 s\x1b[0m\n")


def test_what_a_long_running_function_writes_is_not_held_back() -> None:
    """With the real clock and thread: the lines appear while the function still runs."""
    stderr = Stream()
    renderer = open_renderer("plain", stdout=Stream(), stderr=stderr, environment={}, clock=SystemClock())
    renderer.start()
    renderer.emit(started(request(7), WORKER, http("GET", "/slow")))
    renderer.emit(log(request(7), WORKER, "working\n"))
    deadline = SystemClock().monotonic() + 10
    while "working" not in stderr.text and SystemClock().monotonic() < deadline:
        threading.Event().wait(0.05)
    assert stderr.text == "00000007 GET    /slow  NotesStack/Worker  running\n00000007 │ working\n"
    renderer.emit(finished(request(7), WORKER, http("GET", "/slow"), duration_ms=1_500.0))
    renderer.stop()


@pytest.mark.parametrize("output", ["plain", "auto"])
def test_an_error_with_a_page_in_its_message_leaves_room_for_others(output: Output) -> None:
    stderr = Stream(terminal=True)
    error = InvocationError(type="ApiError", message="<p>\n" * 100_000)
    trigger = Trigger(kind="invoke")
    event = finished(request(7), WORKER, trigger, duration_ms=1.0, error=error)
    show([started(request(7), WORKER, trigger), event], output=output, stdout=Stream(), stderr=stderr)
    assert len(stderr.text) < 50_000
    assert "… 396,000 more characters" in stderr.text


def test_nothing_is_lost_or_reordered_when_many_threads_emit() -> None:
    stdout = Stream()
    renderer = open_renderer("json", stdout=stdout, stderr=Stream(), environment={}, clock=SystemClock())
    renderer.start()

    def emit(thread: int) -> None:
        for number in range(500):
            renderer.emit(log(request(thread), WORKER, str(number)))

    threads = [threading.Thread(target=emit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    renderer.stop()
    texts: dict[str, list[int]] = {}
    for line in stdout.text.splitlines():
        event = json.loads(line)
        texts.setdefault(event["request_id"], []).append(int(event["text"]))
    assert texts == {request(number): list(range(500)) for number in range(8)}


def test_an_event_after_the_end_is_still_shown() -> None:
    stdout = Stream()
    renderer = open_renderer("json", stdout=stdout, stderr=Stream(), environment={}, clock=ManualClock())
    renderer.start()
    renderer.stop()
    renderer.emit(log(request(1), WORKER, "late\n"))
    assert json.loads(stdout.text)["text"] == "late\n"


@pytest.mark.parametrize("output", ["plain", "json", "auto"])
def test_nothing_is_written_while_a_question_waits(output: Output) -> None:
    stdout, stderr = Stream(terminal=True), Stream(terminal=True)
    renderer: Renderer = open_renderer(output, stdout=stdout, stderr=stderr, environment=WIDE, clock=SystemClock())
    renderer.start()
    with renderer.suspended():
        before = stdout.text + stderr.text
        for number in range(100):
            renderer.emit(InvocationLog(request_id=request(number), function=WORKER, stream="stdout", text="x\n"))
        threading.Event().wait(0.2)  # ten times what the renderer waits between two batches
        assert stdout.text + stderr.text == before
    renderer.stop()
    assert (stdout.text + stderr.text).count("x") >= 100


class SlowStream(Stream):
    """A terminal that takes a second for each piece it is given."""

    def __init__(self, clock: ManualClock, *, terminal: bool) -> None:
        super().__init__(terminal=terminal)
        self._clock = clock

    def write(self, text: str, /) -> int:
        self._clock.advance(1.0)
        return super().write(text)


@pytest.mark.parametrize("terminal", [True, False])
def test_who_ends_a_session_does_not_wait_for_a_slow_terminal_and_a_file_gets_everything(*, terminal: bool) -> None:
    clock = ManualClock()
    stderr = SlowStream(clock, terminal=terminal)
    renderer = open_renderer("auto", stdout=Stream(), stderr=stderr, environment=WIDE, clock=clock)
    renderer.emit(log(request(1), WORKER, "".join(f"line {number}\n" for number in range(100_000))))
    renderer.emit(log(request(1), WORKER, "the last words\n"))
    renderer.stop()
    assert "line 0\n" in stderr.text
    assert "the last words\n" in stderr.text
    if terminal:
        assert len(stderr.text.splitlines()) < 1_000
        assert "lines left out, which the terminal had not shown yet" in stderr.text
    else:
        assert "line 54321\n" in stderr.text
        assert "left out" not in stderr.text
