"""When functions get credentials, who waits for them, and how often anybody is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from kit.clock import ManualClock
from kit.cloud import RecordedEvents
from kit.credentials import Vending
from skykite.errors import SkykiteError
from skykite.live.credentials import FunctionRole
from skykite.live.keeper import CredentialedInvoker, CredentialKeeper
from skykite.model.events import ErrorRaised, InvocationFinished, InvocationStarted
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded, Trigger
from skykite.model.names import FunctionId, RequestId

A, B, C = FunctionId("Notes/A"), FunctionId("Notes/B"), FunctionId("Notes/C")


def role_of(function: FunctionId, role: str = "own") -> FunctionRole:
    return FunctionRole(id=function, name=function.replace("/", "-"), role=f"arn:aws:iam::123456789012:role/{role}")


@dataclass
class Bench:
    """A keeper with everything around it. `told` are the batches; while `slow` is clear, telling takes its time."""

    clock: ManualClock = field(default_factory=ManualClock)
    events: RecordedEvents = field(default_factory=RecordedEvents)
    told: list[dict[FunctionId, str]] = field(default_factory=list)
    failing: list[SkykiteError] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    ran: list[tuple[FunctionId, str]] = field(default_factory=list)
    pulse_s: float = 3600.0

    def __post_init__(self) -> None:
        self.gate.set()
        self.source = Vending(self.clock)
        self.keeper = CredentialKeeper(
            source=self.source,
            clock=self.clock,
            events=self.events,
            on_credentials=self._on_credentials,
            pulse_s=self.pulse_s,
        )
        self.invoker = CredentialedInvoker(invoker=self, keeper=self.keeper, clock=self.clock, events=self.events)

    async def _on_credentials(self, new: Mapping[FunctionId, Mapping[str, str]]) -> None:
        await self.gate.wait()
        if self.failing:
            raise self.failing.pop()
        self.told.append({function: variables["AWS_ACCESS_KEY_ID"] for function, variables in new.items()})

    async def invoke(self, invocation: Invocation) -> Outcome:
        """The invoker within: runs at once, with what was told."""
        self.ran.append((invocation.function, self._key(invocation.function)))
        return Succeeded(payload=b"{}", report=Report(duration_ms=1.0))

    def _key(self, function: FunctionId) -> str:
        return next((batch[function] for batch in reversed(self.told) if function in batch), "none")

    async def call(self, function: FunctionId) -> Outcome:
        return await self.invoker.invoke(
            Invocation(
                request_id=RequestId("r"), function=function, payload=b"{}", trigger=Trigger(kind="event", label="x")
            )
        )

    async def until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    async def settle(self) -> None:
        """Let everything happen that can: nothing here waits for the world."""
        for _ in range(50):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(**options: float) -> AsyncIterator[Bench]:
    bench = Bench(**options)  # type: ignore[arg-type]
    await bench.keeper.start()
    try:
        yield bench
    finally:
        await bench.keeper.stop()


async def test_credentials_are_fetched_before_anybody_asks_and_told_together() -> None:
    async with running() as bench:
        bench.source.hold(*map(role_of, (A, B, C)))
        bench.keeper.serve(map(role_of, (A, B, C)))
        await bench.until(lambda: len(bench.source.asked) == 3)
        bench.source.release(role_of(A), role_of(B))
        await bench.settle()
        assert bench.told == []
        bench.source.release(role_of(C))
        await bench.until(lambda: bench.told)
        assert bench.told == [{A: "ASIA1", B: "ASIA2", C: "ASIA3"}]
        assert bench.keeper.variables(B)["AWS_SESSION_TOKEN"] == "token 2"


async def test_an_invocation_waits_for_its_function_alone_and_runs_with_what_was_told() -> None:
    async with running() as bench:
        bench.source.hold(role_of(A), role_of(B))
        bench.keeper.serve(map(role_of, (A, B)))
        call = asyncio.create_task(bench.call(A))
        await bench.settle()
        assert bench.ran == []
        bench.gate.clear()
        bench.source.release(role_of(A))
        await bench.settle()
        assert bench.ran == []
        bench.gate.set()
        await bench.settle()
        assert call.done(), "it waited for the other function too"
        assert isinstance(call.result(), Succeeded)
        assert bench.ran == [(A, "ASIA1")]
        assert bench.told == [{A: "ASIA1"}]


async def test_every_invocation_begins_with_a_quarter_of_an_hour_and_more() -> None:
    async with running() as bench:
        bench.keeper.serve([role_of(A)])
        await bench.call(A)
        bench.clock.advance(44 * 60 - 1)
        bench.source.hold(role_of(A))
        bench.keeper.renew_ahead()  # which takes its time
        await bench.call(A)
        assert bench.ran[-1] == (A, "ASIA1")
        bench.clock.advance(1)
        call = asyncio.create_task(bench.call(A))
        await bench.settle()
        assert len(bench.ran) == 2
        bench.source.release(role_of(A))
        await call
        assert bench.ran[-1] == (A, "ASIA2")


async def test_what_is_used_is_renewed_ahead_and_what_is_idle_is_left_alone() -> None:
    async with running() as bench:
        bench.keeper.serve(map(role_of, (A, B)))
        await bench.until(lambda: bench.told)
        await bench.call(A)
        bench.clock.advance(38 * 60)
        bench.keeper.renew_ahead()
        await bench.settle()
        assert bench.source.asked == [A, B]
        bench.clock.advance(2 * 60)
        bench.keeper.renew_ahead()
        await bench.settle()
        assert bench.told[1] == {A: "ASIA3"}
        bench.clock.advance(5 * 3600)
        bench.keeper.renew_ahead()
        await bench.settle()
        assert bench.source.asked == [A, B, A]
        await bench.call(B)
        assert bench.ran[-1] == (B, "ASIA4")


async def test_it_is_looked_at_by_itself_what_must_be_renewed() -> None:
    async with running(pulse_s=0.01) as bench:
        bench.keeper.serve([role_of(A)])
        await bench.call(A)
        bench.clock.advance(40 * 60)
        await bench.until(lambda: len(bench.told) == 2)


async def test_without_credentials_an_invocation_fails_clearly_and_is_shown() -> None:
    async with running() as bench:
        bench.source.refused = {A, B}
        bench.keeper.serve(map(role_of, (A, B, C)))
        await bench.until(lambda: bench.events.of(ErrorRaised))
        outcome = await bench.call(A)
        assert isinstance(outcome, Failed)
        assert (outcome.kind, outcome.error_type, outcome.message, outcome.hint) == (
            "unavailable",
            "LiveCredentialsUnavailable",
            "`Notes/A` cannot run under its role",
            "allow it",
        )
        assert bench.ran == []
        assert [event.function for event in bench.events.of(InvocationStarted)] == [A]
        (finished,) = bench.events.of(InvocationFinished)
        assert finished.error is not None
        assert finished.error.type == "LiveCredentialsUnavailable"
        assert [(event.error, event.context) for event in bench.events.of(ErrorRaised)] == [
            ("live-role-refused", "also: `Notes/B`")
        ]


async def test_a_refusal_is_believed_for_a_moment_and_asked_about_again_after_it() -> None:
    async with running() as bench:
        bench.source.refused = {A}
        bench.keeper.serve([role_of(A)])
        assert isinstance(await bench.call(A), Failed)
        asked = len(bench.source.asked)
        assert isinstance(await bench.call(A), Failed)
        assert len(bench.source.asked) == asked
        bench.source.refused = set()
        bench.clock.advance(6)
        assert isinstance(await bench.call(A), Succeeded)
        assert len(bench.events.of(ErrorRaised)) == 1


async def test_credentials_that_cannot_be_renewed_serve_until_they_end() -> None:
    async with running() as bench:
        bench.keeper.serve([role_of(A)])
        await bench.call(A)
        bench.source.refused = {A}
        bench.clock.advance(50 * 60)
        assert isinstance(await bench.call(A), Succeeded)
        bench.clock.advance(9 * 60 + 1)
        assert isinstance(await bench.call(A), Failed)


async def test_a_role_of_its_own_makes_a_function_new_and_everything_else_keeps_its_credentials() -> None:
    async with running() as bench:
        bench.keeper.serve(map(role_of, (A, B)))
        await bench.until(lambda: bench.told)
        bench.keeper.serve([role_of(A), role_of(B, "another"), role_of(C)])
        await bench.until(lambda: len(bench.told) == 2)
        assert bench.told[1] == {B: "ASIA3", C: "ASIA4"}
        bench.keeper.serve([role_of(A)])
        assert bench.keeper.variables(B) == {}
        assert bench.keeper.variables(A)["AWS_ACCESS_KEY_ID"] == "ASIA1"


async def test_an_invocation_that_waits_while_its_role_changes_gets_the_new_ones() -> None:
    async with running() as bench:
        former, present = role_of(A), role_of(A, "another")
        bench.source.hold(former, present)
        bench.keeper.serve([former])
        call = asyncio.create_task(bench.call(A))
        await bench.settle()
        bench.keeper.serve([present])
        bench.source.release(former)
        await bench.settle()
        assert bench.told == []
        assert not call.done()
        bench.source.release(present)
        await call
        assert bench.ran == [(A, "ASIA2")]


async def test_credentials_that_are_the_same_as_before_are_not_told_again() -> None:
    async with running() as bench:
        bench.source.steady = True
        bench.keeper.serve([role_of(A)])
        await bench.call(A)
        bench.clock.advance(50 * 60)
        await bench.call(A)
        assert bench.source.asked == [A, A]
        assert bench.told == [{A: "ASIA1"}]


async def test_what_could_not_be_told_is_told_again() -> None:
    async with running() as bench:
        bench.source.steady = True
        bench.failing = [SkykiteError("worker-not-started", "cannot start a worker process")]
        bench.keeper.serve([role_of(A)])
        outcome = await bench.call(A)
        assert isinstance(outcome, Failed)
        assert outcome.message == "cannot start a worker process"
        bench.clock.advance(6)
        assert isinstance(await bench.call(A), Succeeded)
        assert bench.told == [{A: "ASIA1"}]


async def test_a_function_that_is_not_served_here_waits_for_nothing() -> None:
    async with running() as bench:
        assert isinstance(await bench.call(A), Succeeded)
        assert bench.source.asked == []


async def test_whoever_waits_when_the_session_stops_is_told() -> None:
    bench = Bench()
    await bench.keeper.start()
    bench.source.hold(role_of(A))
    bench.keeper.serve([role_of(A)])
    call = asyncio.create_task(bench.call(A))
    await bench.until(lambda: bench.source.asked)
    await bench.keeper.stop()
    outcome = await call
    assert isinstance(outcome, Failed)
    assert outcome.message == "Skykite was stopped"
    with pytest.raises(SkykiteError, match="live-stopped"):
        await bench.keeper.ready(A)


async def test_a_fault_of_ours_fails_one_function_and_the_others_go_on_getting_credentials() -> None:
    async with running() as bench:
        obtain = bench.source.obtain

        async def broken(function: FunctionRole) -> Any:
            if function.id == A:
                raise RuntimeError("a bug")
            return await obtain(function)

        bench.source.obtain = broken  # type: ignore[method-assign]
        bench.keeper.serve([role_of(A), role_of(B)])
        outcome = await bench.call(A)
        assert isinstance(outcome, Failed)
        assert outcome.error_type == "LiveCredentialsUnavailable"
        assert "a bug" in outcome.message
        assert isinstance(await bench.call(B), Succeeded)


async def test_a_fault_of_ours_in_telling_credentials_does_not_end_them_all() -> None:
    async with running() as bench:
        bench.failing.append(RuntimeError("a bug"))  # type: ignore[arg-type]
        bench.keeper.serve([role_of(A)])
        assert isinstance(await bench.call(A), Failed)
        bench.keeper.serve([role_of(A), role_of(B)])
        assert isinstance(await bench.call(B), Succeeded)
