"""A bridge against the wire's own stub machines on a network in memory: what the cloud wants run, runs here."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from kit.bridge import ECHO, KEY, MemoryStub, Raising, Running, running_bridge
from kit.cloud import RealClock
from skykite.errors import SkykiteError
from skykite.live import front_limits
from skykite.live.memory import Faults, MemoryNetwork
from skykite.live.transport import Disconnection
from skykite.model.events import (
    BridgeConnected,
    BridgeDisconnected,
    BridgeTakenOver,
    ErrorRaised,
    InvocationDropped,
    Notice,
)
from skykite.model.invocation import Invocation, Outcome, Report, Succeeded, Trigger
from skykite.model.names import FunctionId
from skykite_lambda import wire
from skykite_lambda.wire import envelope

OTHER = FunctionId("Stack/Other")
HTTP_EVENT = {
    "version": "2.0",
    "routeKey": "GET /notes",
    "requestContext": {"apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com", "http": {}},
}


class Gate:
    """A function that runs until it is let go, as at a breakpoint."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = False
        self.events: list[Any] = []

    async def __call__(self, event: Any, invocation: Invocation) -> Any:
        self.events.append(event)
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return event


def gated(running: Running, function: FunctionId = ECHO) -> Gate:
    gate = running.functions.handlers[function] = Gate()
    running.bridge.serve(list(running.functions.handlers))
    return gate


async def test_what_a_function_returns_goes_back_byte_for_byte() -> None:
    async with running_bridge() as running:
        document = b'{ "batchItemFailures": [ {"itemIdentifier":"7"} ],  "odd": "\\u00e9\xc3\xa9" }'

        async def partial(event: Any, invocation: Invocation) -> bytes:
            return document

        running.functions.handlers[ECHO] = partial
        outcome = await running.stub().invoke({"Records": []})
        assert outcome == wire.Returned(document)


async def test_what_lambda_said_about_the_invocation_comes_along() -> None:
    async with running_bridge() as running:
        await running.stub().returned(
            HTTP_EVENT, request_id="8f507cfc-0001", trace_id="Root=1-2-3", client_context='{"a":1}', waited_ms=50
        )
        (invocation,) = running.functions.invocations
        assert invocation.request_id == "8f507cfc-0001"
        assert invocation.function == ECHO
        assert json.loads(invocation.payload) == HTTP_EVENT
        assert invocation.trigger == Trigger(kind="http", label="GET /notes")
        assert invocation.client_context == b'{"a":1}'
        assert invocation.trace_id == "Root=1-2-3"
        assert invocation.bridge_ms is not None
        assert 50 <= invocation.bridge_ms < 1050


async def test_resources_are_called_as_the_app_calls_them_and_unknown_events_came_from_invoke() -> None:
    async with running_bridge() as running:
        running.bridge.serve([ECHO], names={"alice-notes-Orders-1X": "Orders"})
        record = {
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:alice-notes-Orders-1X",
        }
        await running.stub().returned({"Records": [record]})
        await running.stub().returned({"anything": 1})
        assert [one.trigger for one in running.functions.invocations] == [
            Trigger(kind="event", label="sqs Orders"),
            Trigger(kind="invoke"),
        ]


async def test_what_a_function_raises_is_raised_with_its_type_message_and_trace() -> None:
    async with running_bridge() as running:

        async def fail(event: Any, invocation: Invocation) -> Any:
            raise Raising(
                "app.errors.OutOfStock", "näh\n'x'", '  File "functions/a.py", line 3, in b\n    c()\n', "  …\n"
            )

        running.functions.handlers[ECHO] = fail
        raised = await running.stub().raised({})
        assert raised == wire.Raised(
            "app.errors.OutOfStock", "näh\n'x'", ('  File "functions/a.py", line 3, in b\n    c()\n', "  …\n")
        )


async def test_a_function_this_session_does_not_run_is_refused_at_once_and_told() -> None:
    async with running_bridge() as running:
        raised = await running.stub().raised({}, function="Stack/Gone", request_id="r1")
        assert raised.error_type == "LiveFunctionUnknown"
        assert "`Stack/Gone`" in raised.message
        dropped = await running.events.wait(InvocationDropped)
        assert (dropped.function, dropped.reason, dropped.request_id) == ("Stack/Gone", "rejected", "r1")
        assert running.functions.invocations == []


async def test_what_comes_before_it_is_known_which_functions_there_are_waits() -> None:
    async with running_bridge(serving=()) as running:
        known, unknown = running.stub(), running.stub()
        known.begin("x")
        unknown.begin("y", function="Stack/Gone")
        await until(lambda: running.bridge.retained["waiting"] == 2)
        running.bridge.serve([ECHO])
        assert await known.outcome() == wire.Returned(b'"x"')
        outcome = await unknown.outcome()
        assert isinstance(outcome, wire.Raised)
        assert outcome.error_type == "LiveFunctionUnknown"


async def test_a_fault_in_the_invoker_fails_its_invocation_and_is_not_swallowed() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    async with running_bridge() as running:

        async def broken(event: Any, invocation: Invocation) -> Any:
            raise KeyError("ours")

        running.functions.handlers[ECHO] = broken
        raised = await running.stub().raised({})
        assert (raised.error_type, raised.message) == ("LiveDevFailed", "KeyError: 'ours'")
        assert [type(context["exception"]) for context in said] == [KeyError]


async def test_an_invoker_that_cannot_run_says_why_here_and_there() -> None:
    async with running_bridge() as running:

        async def unable(event: Any, invocation: Invocation) -> Any:
            raise SkykiteError("runtime-gone", "the runtime has gone")

        running.functions.handlers[ECHO] = unable
        raised = await running.stub().raised({})
        assert (raised.error_type, raised.message) == ("LiveDevFailed", "runtime-gone: the runtime has gone")
        assert [error.error for error in running.events.of(ErrorRaised)] == ["runtime-gone"]


async def test_an_invocation_that_is_ended_within_the_invoker_ends_for_its_caller_too() -> None:
    async with running_bridge() as running, asyncio.timeout(10):

        async def ended(event: Any, invocation: Invocation) -> Any:
            raise asyncio.CancelledError

        running.functions.handlers[ECHO] = ended
        raised = await running.stub().raised({}, remaining_ms=60_000)
        assert raised.error_type == "LiveDevFailed"


async def test_an_outcome_that_comes_though_nobody_waits_for_it_is_not_kept() -> None:
    async with running_bridge() as running:
        begun, over = asyncio.Event(), asyncio.Event()

        async def deaf(event: Any, invocation: Invocation) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                over.set()
            return event

        running.functions.handlers[ECHO] = deaf
        stub = running.stub()
        stub.begin("first")
        await begun.wait()
        running.functions.handlers[ECHO] = Gate()
        stub.begin("second")
        await over.wait()
        await until(lambda: running.bridge.retained["running"] == 1)
        assert running.bridge.retained["answered"] == 0


# Many at once


async def test_a_thousand_at_once_are_all_answered_and_nothing_of_them_is_kept() -> None:
    """SST #2315, #2232: four or more parallel requests time out."""
    async with running_bridge() as running:
        stubs = [running.stub() for _ in range(1000)]
        for stub in stubs:
            stub.begin({"from": stub.session.hex()})
        outcomes = await asyncio.gather(*(stub.outcome() for stub in stubs))
        assert [json.loads(one.payload)["from"] for one in outcomes if isinstance(one, wire.Returned)] == [
            stub.session.hex() for stub in stubs
        ]
        assert len(running.functions.invocations) == 1000
        kept = running.bridge.retained
        assert not any(kept[name] for name in ("held", "waiting", "running", "answered", "fronts", "buffered")), kept


async def test_no_more_run_at_once_than_allowed_and_those_that_wait_take_little_memory() -> None:
    async with running_bridge(at_once=4, in_memory=1024 * 1024) as running:
        gate = gated(running)
        stubs = [running.stub() for _ in range(40)]
        body = os.urandom(150_000).hex()  # 300 KB each, which no compression makes much smaller
        for stub in stubs:
            stub.begin({"n": body})
        await until(lambda: running.bridge.retained["waiting"] == 36)
        await until(lambda: running.functions.running == 4)
        assert running.bridge._queue.size > 10_000_000
        assert running.bridge._queue.in_memory <= 1024 * 1024
        gate.go.set()
        outcomes = await asyncio.gather(*(stub.outcome() for stub in stubs))
        assert all(isinstance(one, wire.Returned) and json.loads(one.payload) == {"n": body} for one in outcomes)
        assert running.functions.most == 4


async def test_a_function_with_one_invocation_does_not_wait_for_all_those_of_another() -> None:
    async with running_bridge(at_once=1) as running:
        order: list[str] = []

        async def note(event: Any, invocation: Invocation) -> Any:
            order.append(invocation.function)
            return None

        gate = gated(running)
        first = running.stub()
        first.begin({})
        await gate.begun.wait()
        running.functions.handlers |= {ECHO: note, OTHER: note}
        running.bridge.serve([ECHO, OTHER])
        stubs = [running.stub() for _ in range(50)]
        for stub in stubs:
            stub.begin({})
        await until(lambda: running.bridge.retained["waiting"] == 50)
        other = running.stub()
        other.begin({}, function=OTHER)
        await other.outcome()  # what runs might wait for it
        assert running.bridge.retained["waiting"] == 50
        gate.go.set()
        await asyncio.gather(*(stub.outcome() for stub in (first, *stubs)))
        assert order == [OTHER, *[ECHO] * 50]


async def test_a_thousand_callers_of_another_function_do_not_keep_it_from_running() -> None:
    async with running_bridge(at_once=8) as running:

        async def call(event: Any, invocation: Invocation) -> Any:
            stub = running.stub()
            stub.begin(event, function=OTHER)
            outcome = await stub.outcome()
            assert isinstance(outcome, wire.Returned)
            return json.loads(outcome.payload)

        async def answer(event: Any, invocation: Invocation) -> Any:
            return event["number"]

        running.functions.handlers |= {ECHO: call, OTHER: answer}
        running.bridge.serve([ECHO, OTHER])
        stubs = [running.stub() for _ in range(1000)]
        for number, stub in enumerate(stubs):
            stub.begin({"number": number})
        async with asyncio.timeout(60):
            outcomes = await asyncio.gather(*(stub.outcome() for stub in stubs))
        assert [json.loads(one.payload) for one in outcomes if isinstance(one, wire.Returned)] == [*range(1000)]


async def test_a_function_may_wait_for_another_that_waits_for_another() -> None:
    """Stelvio runs one invocation at a time, so a function that calls another waits for ever."""
    async with running_bridge() as running:

        async def descend(event: Any, invocation: Invocation) -> Any:
            if event == 0:
                return 0
            return 1 + await running.stub().returned(event - 1, function=(event % 2 and ECHO) or OTHER)

        running.functions.handlers |= {ECHO: descend, OTHER: descend}
        running.bridge.serve([ECHO, OTHER])
        assert await running.stub().returned(20) == 20


async def test_a_fifth_lost_a_tenth_twice_and_late_yet_each_runs_once_and_is_answered() -> None:
    """SST #6575: replies are lost on concurrent cold starts."""
    faults = Faults(loss=0.2, duplication=0.1, delay_s=0.005, jitter_s=0.02)
    async with running_bridge(faults=faults) as running:
        stubs = [running.stub() for _ in range(100)]
        for stub in stubs:
            stub.begin({"from": stub.session.hex()})
        outcomes = await asyncio.gather(*(stub.outcome() for stub in stubs))
        assert all(isinstance(one, wire.Returned) for one in outcomes), outcomes
        ids = [one.request_id for one in running.functions.invocations]
        assert len(ids) == len(set(ids)) == 100


# Ends


async def test_a_session_that_stops_says_so_to_whoever_waits_for_it() -> None:
    """SST #6572, #4838: the stub hangs after exit; here its caller is told within a moment."""
    async with running_bridge() as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin({})
        await gate.begun.wait()
        began = asyncio.get_running_loop().time()
        outcome, _ = await asyncio.gather(stub.outcome(), running.bridge.stop())
        assert asyncio.get_running_loop().time() - began < 1.0
        assert isinstance(outcome, wire.Raised)
        assert outcome.error_type == "LiveDevLost"
        assert gate.cancelled
        assert running.events.of(InvocationDropped) == []


async def test_a_session_that_stops_says_so_to_whom_it_served_lately_too() -> None:
    """Else their next callers would have to wait until nobody has claimed them."""
    async with running_bridge() as running:
        stub = running.stub()
        await stub.returned({})
        assert stub.machine.contact is not None
        await running.bridge.stop()
        assert stub.machine.contact is None


async def test_stopping_does_not_wait_for_stubs_that_do_not_answer() -> None:
    async with running_bridge() as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin({})
        await gate.begun.wait()
        stub.freeze()
        began = asyncio.get_running_loop().time()
        await running.bridge.stop()
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_second_session_takes_over_and_the_first_finishes_what_it_runs() -> None:
    """SST #5475: the wrong developer's machine answers."""
    network = MemoryNetwork()
    async with running_bridge(network, epoch=7) as first:
        gate = gated(first)
        ending = asyncio.create_task(first.bridge.run())
        old = first.stub()
        old.begin("begun before")
        await gate.begun.wait()
        async with running_bridge(network, epoch=8) as second:
            told = await first.events.wait(BridgeTakenOver)
            assert told.running == 1
            assert await second.stub().returned("new") == "new"
            assert gate.events == ["begun before"]
            assert not ending.done()
            gate.go.set()
            assert await old.outcome() == wire.Returned(b'"begun before"')
            await asyncio.wait_for(ending, 5)
            assert second.events.of(BridgeTakenOver) == []
            assert [one.request_id for one in first.functions.invocations] != []
            assert len(second.functions.invocations) == 1


@pytest.mark.slow
async def test_what_a_killed_session_ran_is_lost_and_not_run_again_by_the_next() -> None:
    """Without a BYE, its silence says so after twelve seconds."""
    network = MemoryNetwork()
    async with running_bridge(network, epoch=7) as killed:
        gate = gated(killed)
        stub = killed.stub()
        stub.begin("once")
        await gate.begun.wait()
        await killed.transport.close()  # from here on nothing of it is heard
        async with running_bridge(network, epoch=8) as following:
            outcome = await stub.outcome()
            assert isinstance(outcome, wire.Raised)
            assert outcome.error_type == "LiveDevLost"
            assert following.functions.invocations == []
            assert await stub.returned("next") == "next"


async def test_a_session_that_runs_nothing_ends_as_soon_as_another_takes_over() -> None:
    network = MemoryNetwork()
    async with running_bridge(network, epoch=7) as first, running_bridge(network, epoch=8):
        await asyncio.wait_for(first.bridge.run(), 5)


async def test_an_older_session_does_not_take_over() -> None:
    network = MemoryNetwork()
    async with running_bridge(network, epoch=7) as first, running_bridge(network, epoch=6) as older:
        assert await first.stub().returned("x") == "x"
        assert first.events.of(BridgeTakenOver) == []
        await asyncio.wait_for(older.stub().returned("y"), 5)


# Callers who give up


async def test_an_invocation_that_its_caller_gave_up_while_it_waited_is_not_run() -> None:
    async with running_bridge(at_once=1) as running:
        gate = gated(running)
        first, second = running.stub(), running.stub()
        first.begin("first")
        await gate.begun.wait()
        second.begin("given up", request_id="r2")
        await until(lambda: running.bridge.retained["waiting"] == 1)
        second.begin("next")  # the container goes on with another one
        dropped = await running.events.wait(InvocationDropped)
        assert (dropped.request_id, dropped.reason) == ("r2", "cancelled")
        gate.go.set()
        await asyncio.gather(first.outcome(), second.outcome())
        assert gate.events == ["first", "next"]


async def test_an_invocation_whose_time_is_up_before_its_turn_is_dropped_and_reported() -> None:
    async with running_bridge(at_once=1) as running:
        gate = gated(running)
        first, second = running.stub(), running.stub()
        first.begin("first")
        await gate.begun.wait()
        second.begin("late", remaining_ms=900, request_id="r2")
        dropped = await running.events.wait(InvocationDropped)
        assert (dropped.request_id, dropped.reason) == ("r2", "expired")
        outcome = await second.outcome()
        assert isinstance(outcome, wire.Raised)
        assert outcome.error_type == "LiveDeadline"
        gate.go.set()
        await first.outcome()
        assert gate.events == ["first"]


async def test_a_caller_who_gives_up_on_a_running_function_is_reported_and_the_runtime_told() -> None:
    async with running_bridge() as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin("first", request_id="r1")
        await gate.begun.wait()
        running.functions.handlers[ECHO] = Gate()
        stub.begin("second")
        dropped = await running.events.wait(InvocationDropped)
        assert (dropped.request_id, dropped.reason) == ("r1", "cancelled")
        await until(lambda: gate.cancelled)


async def test_an_outcome_that_nobody_took_is_reported() -> None:
    network = MemoryNetwork()
    async with running_bridge(network) as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin("first", request_id="r1")
        await gate.begun.wait()
        network.lose = lambda address, datagram: address is not None
        gate.go.set()
        await until(lambda: running.bridge.retained["answered"] == 1)
        stub.begin("second")
        dropped = await running.events.wait(InvocationDropped)
        assert (dropped.request_id, dropped.reason) == ("r1", "undelivered")
        network.lose = None
        await stub.outcome()


@pytest.mark.parametrize("outage", [False, True])
async def test_an_outcome_that_is_not_acknowledged_is_reported_only_if_something_was_wrong(
    outage: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers freeze with an acknowledgement in hand: the last of every burst would be told."""
    monkeypatch.setattr("skykite_lambda.wire.dev.RESULT_HELD", 0.3)
    network = MemoryNetwork()
    async with running_bridge(network) as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin("first", request_id="r1")
        await gate.begun.wait()
        network.lose = lambda address, datagram: address is None
        if outage:
            running.bridge.disconnected(Disconnection(reason="closed", message="closed"))
            running.bridge.connected()
        gate.go.set()
        assert await stub.outcome() == wire.Returned(b'"first"')
        assert running.bridge.retained["answered"] == 1
        await until(lambda: running.bridge.retained["answered"] == 0)
        told = [event.message for event in running.events.of(InvocationDropped)]
        assert told == (
            [
                "whether its outcome reached the cloud is not known: the function's container did not acknowledge it",
            ]
            if outage
            else []
        )


# Breakpoints


async def test_a_stub_hears_of_its_invocation_for_as_long_as_a_breakpoint_is_held() -> None:
    """SST #127, #224, #367: a breakpoint outlives the timeout."""
    async with running_bridge() as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin({})
        await gate.begun.wait()
        answering = asyncio.create_task(stub.outcome())
        granted = stub.machine.contact
        assert granted is not None
        await until(lambda: stub.machine.contact is not None and stub.machine.contact > granted + 1.5)
        gate.go.set()
        assert await answering == wire.Returned(b"{}")


async def test_an_api_that_gives_up_is_explained_and_its_event_kept_for_a_replay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = front_limits.FrontLimit(name="HTTP API", seconds=0.2, answer="503 Service Unavailable")
    monkeypatch.setattr("skykite.live.front_limits.HTTP_API", limit)
    async with running_bridge(saved=tmp_path / "events") as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin(HTTP_EVENT, request_id="8f507cfc-0001")
        notice = await running.events.wait(Notice)
        file = tmp_path / "events" / "8f507cfc-0001.json"
        assert notice.notice == "api-gave-up"
        assert notice.message.startswith("the HTTP API in front of `GET /notes` has answered 503 Service Unavailable")
        assert notice.hint == f"replay it with: kite invoke 'Stack/Echo' --event {file}"
        assert json.loads(file.read_bytes()) == HTTP_EVENT
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        gate.go.set()
        assert await stub.outcome() == wire.Returned(json.dumps(HTTP_EVENT).encode())


async def test_an_api_that_was_answered_in_time_is_no_notice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = front_limits.FrontLimit(name="HTTP API", seconds=0.2, answer="503 Service Unavailable")
    monkeypatch.setattr("skykite.live.front_limits.HTTP_API", limit)
    async with running_bridge(saved=tmp_path / "events") as running:
        await running.stub().returned(HTTP_EVENT)
        assert running.bridge.retained["fronts"] == 0
        gate = gated(running)
        stub = running.stub()
        stub.begin({"version": "1", "Records": []})  # from no API
        await gate.begun.wait()
        assert running.bridge.retained["fronts"] == 0
        gate.go.set()
        await stub.outcome()
        assert running.events.of(Notice) == []


async def test_an_event_that_cannot_be_kept_is_said_in_the_notice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = front_limits.FrontLimit(name="HTTP API", seconds=0.01, answer="503 Service Unavailable")
    monkeypatch.setattr("skykite.live.front_limits.HTTP_API", limit)
    (tmp_path / "events").write_text("a file, where a folder is wanted")
    async with running_bridge(saved=tmp_path / "events") as running:
        gate = gated(running)
        stub = running.stub()
        stub.begin(HTTP_EVENT)
        notice = await running.events.wait(Notice)
        assert str(notice.hint).startswith("its event could not be saved for a replay: ")
        gate.go.set()
        await stub.outcome()


# The network


async def test_what_came_while_the_network_was_away_is_answered_when_it_is_back() -> None:
    async with running_bridge() as running:
        running.transport.cut(Disconnection(reason="closed", message="it closed", hint="wait"))
        stub = running.stub()
        stub.begin("while away")
        answering = asyncio.create_task(stub.outcome())
        await asyncio.sleep(0)
        running.transport.restore()
        assert await asyncio.wait_for(answering, 5) == wire.Returned(b'"while away"')
        assert running.events.of(BridgeDisconnected) == [
            BridgeDisconnected(reason="closed", message="it closed", hint="wait")
        ]
        first, second = running.events.of(BridgeConnected)
        assert first.outage_ms is None
        assert second.outage_ms is not None


async def test_frames_of_another_stage_garbage_and_replays_run_nothing() -> None:
    network = MemoryNetwork()
    heard: list[bytes] = []
    network.lose = lambda address, datagram: address is None and bool(heard.append(datagram))
    async with running_bridge(network) as running:
        MemoryStub(network, key=bytes(32)).begin("another key")
        for garbage in (b"", b"x", os.urandom(200), os.urandom(176_000)):
            network.request(garbage)
        stub = running.stub()
        assert await stub.returned("good") == "good"
        for datagram in heard.copy():
            network.request(datagram)
        assert await stub.returned("again") == "again"
        assert [json.loads(one.payload) for one in running.functions.invocations] == ["good", "again"]
        assert running.machine.counters.replayed > 0


async def test_a_stub_of_another_version_is_told_to_redeploy_and_so_is_the_user_once() -> None:
    network = MemoryNetwork()
    async with running_bridge(network) as running:
        for _ in range(3):
            session = os.urandom(16)
            network.add_stub(session, lambda datagram: None)
            strange = envelope.Envelope(wire.PROTOCOL + 1, envelope.STUB, session, wire.ANYONE, 1, b"what it says now")
            network.request(envelope.seal(wire.StageKey(KEY), strange))
        error = await running.events.wait(ErrorRaised)
        assert error.error == "live-stub-outdated"
        assert await running.stub().returned("x") == "x"
        assert len(running.events.of(ErrorRaised)) == 1


async def test_a_large_payload_without_a_bucket_fails_its_invocation_alone() -> None:
    async with running_bridge() as running:
        raised = await running.stub().raised("x" * 1_100_000)
        assert raised.error_type == "LivePayloadLost"
        assert await running.stub().returned("small") == "small"


async def test_memory_does_not_grow_with_what_was_answered() -> None:
    """SST leaks per rebuild; here 3,000 invocations of three containers leave nothing but their recent names."""
    async with running_bridge() as running:
        stubs = [running.stub() for _ in range(3)]

        async def use(stub: MemoryStub) -> None:
            for number in range(1000):
                await stub.returned({"number": number, "text": "x" * 1000})

        await asyncio.gather(*(use(stub) for stub in stubs))
        kept = running.bridge.retained
        assert kept["peers"] <= 5
        assert kept["delivered"] <= 3 * 64
        assert kept["waiting"] == kept["running"] == kept["answered"] == kept["held"] == kept["transfers"] == 0


async def until(condition: Any, *, within: float = 10.0) -> None:
    clock = RealClock()
    give_up = clock.monotonic() + within
    while not condition():
        assert clock.monotonic() < give_up, "it never came to that"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("event", [b'{"requestContext":' * 3000 + b"1" + b"}" * 3000, b"[" * 9000 + b"]" * 9000])
async def test_an_event_that_is_nested_beyond_measure_is_run_and_disturbs_no_other(event: bytes) -> None:
    async with running_bridge() as running, asyncio.timeout(10):

        async def without_reading(invocation: Invocation) -> Outcome:
            return Succeeded(payload=b"%d" % len(invocation.payload), report=Report(duration_ms=1.0))

        running.functions.invoke = without_reading  # type: ignore[method-assign]
        outcome = await running.stub().invoke(event, remaining_ms=60_000)
        assert outcome == wire.Returned(b"%d" % len(event))
