"""Runs on this machine what the cloud wants run: the shell around the wire's dev machine.

In: datagrams from a `Transport`, outcomes from an `Invoker`, time. Out: datagrams, invocations, events.
I/O: through the transport, `payloads`, `lease` and `saved_events`; timers of the event loop, exact to the machine's.

The machine decides, this does: what is granted waits in a `FairQueue` for room, is run, and its outcome goes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, assert_never

from skykite.errors import SkykiteError
from skykite.live.fronts import Fronts
from skykite.live.lease import Lease, LeaseDocument
from skykite.live.payloads import Payloads
from skykite.live.queue import IN_MEMORY, FairQueue, Waiting
from skykite.live.saved_events import SavedEvents
from skykite.live.transfers import Transfers
from skykite.live.transport import Disconnection, Transport
from skykite.model.events import (
    BridgeConnected,
    BridgeDisconnected,
    BridgeTakenOver,
    ErrorRaised,
    InvocationDropped,
    Notice,
)
from skykite.model.invocation import Failed, Invocation, Outcome, Succeeded, Trigger
from skykite.model.names import FunctionId, RequestId
from skykite.model.triggers import trigger_of
from skykite.ports import Clock, EventSink, Invoker
from skykite_lambda import wire

AT_ONCE: Final = 256
"""Invocations given to the invoker at a time. More than workers, so that those wait where the workers are."""
AT_ONCE_BYTES: Final = 256 * 1024 * 1024
_QUEUE_FULL: Final = 256 * 1024 * 1024  # bytes; beyond it large payloads stay in S3
_BYE_S: Final = 0.5
_WHO_S: Final = 5.0  # to find out who took over
_REPEAT_S: Final = 60.0  # between two complaints of the same kind

DropReason = Literal["expired", "cancelled", "undelivered", "rejected"]


@dataclass(slots=True, kw_only=True, eq=False)
class _Running:
    waiting: Waiting
    task: asyncio.Task[None]
    unwanted: bool = False  # its outcome: nobody waits for it any more


class Bridge:
    """`serve`, `start`, then `run` until it returns, then `stop`. Use from one event loop.

    `machine` has the monotonic time of `clock`. Without `payloads` nothing above 1 MB goes through; without `lease`
    only frames tell that another session took over; without `saved` no events are kept for replay.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        machine: wire.DevMachine,
        invoker: Invoker,
        events: EventSink,
        clock: Clock,
        payloads: Payloads | None = None,
        lease: Lease | None = None,
        saved: SavedEvents | None = None,
        at_once: int = AT_ONCE,
        in_memory: int = IN_MEMORY,
    ) -> None:
        self._transport = transport
        self._machine = machine
        self._invoker = invoker
        self._events = events
        self._clock = clock
        self._lease = lease
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._functions: frozenset[FunctionId] | None = None  # until it is known, invocations wait
        self._names: Mapping[str, str] = {}
        self._queue = FairQueue(in_memory=in_memory)
        self._running: dict[bytes, _Running] = {}
        self._running_bytes = 0
        self._answered: dict[bytes, tuple[wire.InvocationHead, float]] = {}  # outcome on its way; when it came
        self._fronts = Fronts(events=events, saved=saved, label=lambda payload: self._trigger(payload).label)
        self._transfers = Transfers(
            machine=machine,
            payloads=payloads,
            clock=clock,
            room=lambda: self._queue.size < _QUEUE_FULL,
            moved=self._pump,
            complain=self._complain,
        )
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._disconnected_at: float | None = None
        self._reconnected_at = float("-inf")  # the last time
        self._stopping = False
        self._told_taken_over = False
        self.taker: LeaseDocument | None = None  # whose the stage is, once another's lease was seen
        self._complained: dict[str, float] = {}
        self._over = asyncio.Event()
        self._quiet = asyncio.Event()

    @property
    def retained(self) -> dict[str, int]:
        """What is kept in memory; for tests that nothing grows."""
        return {
            **self._machine.retained,
            "waiting": len(self._queue),
            "running": len(self._running),
            "transfers": len(self._transfers),
            "answered": len(self._answered),
            "fronts": len(self._fronts),
        }

    @property
    def serving(self) -> bool:
        """Whether the stage is this session's still."""
        return self._machine.serving

    async def check(self) -> None:
        """Step down now if somebody has taken the stage, and not only when the lease is renewed the next time."""
        if self.serving and self._lease is not None and (taker := await self._lease.taker()) is not None:
            self._taken(taker)

    def serve(self, functions: Collection[FunctionId], *, names: Mapping[str, str] | None = None) -> None:
        """These functions, and no others, are run from now on; until the first call, invocations wait. `names` says
        what to call other resources of the app, by physical name, where they trigger a function."""
        self._functions = frozenset(functions)
        self._names = dict(names or {})
        self._dispatch()
        self._pump()

    async def start(self) -> None:
        """Connect, and tell other sessions of this stage to step down. Raises SkykiteError if that is impossible."""
        await self._transport.connect(self)
        self._machine.take_over(self._now())
        self._pump()

    async def run(self) -> None:
        """Return when another session has taken over and everything that was begun here is finished."""
        over = self._loop.create_task(self._over.wait(), name="bridge over")
        keeping = None if self._lease is None else self._loop.create_task(self._keep_lease(self._lease), name="lease")
        try:
            if keeping is not None:
                await asyncio.wait({over, keeping}, return_when=asyncio.FIRST_COMPLETED)
                if not keeping.done():  # nothing was left to finish; the lease says in a moment who took over
                    await asyncio.wait({keeping}, timeout=_WHO_S)
                if keeping.done():
                    keeping.result()
            await over
            self._tell_taken_over("another session")
        finally:
            for task in (over, keeping):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for task in (over, keeping) if task is not None), return_exceptions=True)

    async def stop(self, why: str = "`kite dev` was stopped") -> None:
        """Tell the stubs that wait for us, free the stage, and leave. What still runs is not waited for."""
        self._stopping = True
        self._fronts.close()
        self._machine.bye(why, self._now())
        self._pump()
        for running in self._running.values():
            running.task.cancel()
        await asyncio.gather(self._take_leave(), self._release())
        if self._timer is not None:
            self._timer.cancel()
        await self._transfers.close()
        self._queue.close()

    async def _take_leave(self) -> None:
        try:
            async with asyncio.timeout(_BYE_S):
                await self._quiet.wait()
        except TimeoutError:
            pass
        await self._transport.close()

    async def _release(self) -> None:
        if self._lease is not None:
            try:
                await self._lease.release()
            except SkykiteError as error:
                self._complain(error)

    # The transport's listener

    def received(self, datagrams: Sequence[bytes]) -> None:
        now = self._now()
        for datagram in datagrams:
            self._machine.receive(datagram, now)
        self._pump()

    def connected(self) -> None:
        now = self._now()
        outage_ms = None if self._disconnected_at is None else (now - self._disconnected_at) * 1000
        if outage_ms is not None:
            self._reconnected_at = now
        self._disconnected_at = None
        self._events.emit(BridgeConnected(outage_ms=outage_ms))
        if outage_ms is not None and self._lease is not None:
            self._lease.nudge()

    def disconnected(self, disconnection: Disconnection) -> None:
        if self._disconnected_at is None:
            self._disconnected_at = self._now()
        self._events.emit(
            BridgeDisconnected(reason=disconnection.reason, message=disconnection.message, hint=disconnection.hint)
        )

    # The machine

    def _now(self) -> float:
        return self._clock.monotonic()

    def _pump(self) -> None:
        """Do what the machine wants done, now that something happened."""
        if self._pumping:  # something happened while doing it; the loop below sees to it
            return
        self._pumping = True
        try:
            while happened := self._machine.events():
                for event in happened:
                    self._happened(event)
                self._dispatch()
        finally:
            self._pumping = False
        outgoing: dict[bytes, list[bytes]] = {}
        for address, datagram in self._machine.outgoing():
            outgoing.setdefault(address, []).append(datagram)
        for address, datagrams in outgoing.items():
            self._transport.publish(address, datagrams)
        self._arm()
        if self._stopping or not self._machine.serving:
            self._look_whether_over()

    def _arm(self) -> None:
        at = self._machine.next_timer()
        if at is None or (self._timer is not None and self._timer_at <= at):
            return  # one that comes too early arms the next
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - self._now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._machine.tick(self._now())
        self._pump()

    def _look_whether_over(self) -> None:
        if self._machine.quiet:
            self._quiet.set()
            if not self._running and not self._queue and not self._transfers:
                self._over.set()

    def _happened(self, event: wire.Event) -> None:
        match event:
            case wire.Invoke():
                self._invoke(event)
            case wire.Fetch() | wire.NeedUploadUrl() | wire.NeedDownloadUrl():
                self._transfers.want(event)
            case wire.Cancelled():
                self._cancelled(event)
            case wire.Delivered():
                self._answered.pop(event.id, None)
                self._transfers.discard(event.id)
            case wire.Undelivered():
                self._undelivered(event)
            case wire.TakenOver():
                self._stepped_down()
            case wire.Rejected():
                self._complain(_outdated(event.protocol))
            case _:
                assert_never(event)

    # Invocations

    def _invoke(self, event: wire.Invoke) -> None:
        waiting = Waiting(
            id=event.id,
            head=event.head,
            payload=event.payload,
            bridge_ms=event.bridge_ms,
            came=self._now(),
            deadline=event.deadline,
        )
        self._fronts.watch(waiting)
        try:
            self._queue.push(waiting)
        except OSError as error:
            text = f"too many invocations wait, and the disk takes no more of them: {error.strerror}"
            self._answer_failure(waiting, "LiveQueueFull", text)
            self._complain(SkykiteError("live-queue-full", text, hint="make room in the folder for temporary files"))

    def _dispatch(self) -> None:
        """Start what there is room for."""
        if self._functions is None:
            return
        while (waiting := self._next()) is not None:
            try:
                self._queue.pop()
            except OSError as error:
                self._queue.remove(waiting.id)
                self._answer_failure(waiting, "LiveQueueFull", f"a waiting event cannot be read again: {error}")
                continue
            if waiting.function not in self._functions:
                self._reject(waiting)
                continue
            task = self._loop.create_task(self._run(waiting), name=f"bridge {waiting.head.request_id}")
            self._running[waiting.id] = _Running(waiting=waiting, task=task)
            self._running_bytes += waiting.size
            task.add_done_callback(partial(self._ran, waiting.id))

    def _next(self) -> Waiting | None:
        """Whom there is room for. Of a function of which nothing runs there always is for one: what does run may wait
        for its answer."""
        waiting = self._queue.peek()
        if waiting is None or not self._running:
            return waiting
        if len(self._running) < self._at_once and self._running_bytes + waiting.size <= AT_ONCE_BYTES:
            return waiting
        return self._queue.prefer({running.waiting.function for running in self._running.values()})

    def _reject(self, waiting: Waiting) -> None:
        name = waiting.function
        text = f"`{name}` is not among the functions that the running `kite dev` runs; deploy the stage again"
        self._answer_failure(waiting, "LiveFunctionUnknown", text)
        self._drop(waiting.head, "rejected", "this session does not run that function")

    async def _run(self, waiting: Waiting) -> None:
        assert waiting.payload is not None
        head = waiting.head
        try:
            outcome = await self._invoker.invoke(
                Invocation(
                    request_id=RequestId(head.request_id),
                    function=waiting.function,
                    payload=waiting.payload,
                    trigger=self._trigger(waiting.payload),
                    client_context=None if head.client_context is None else head.client_context.encode(),
                    trace_id=head.trace_id,
                    bridge_ms=waiting.bridge_ms,
                )
            )
        except SkykiteError as error:
            if not self._running[waiting.id].unwanted:
                self._answer_failure(waiting, "LiveDevFailed", f"{error.code}: {error.message}")
            self._complain(error)
            return
        if not self._running[waiting.id].unwanted:
            self._answer(waiting, outcome)
            self._pump()  # now, and not when the loop comes to the end of this task

    def _ran(self, id: bytes, task: asyncio.Task[None]) -> None:
        running = self._running.pop(id)
        self._running_bytes -= running.waiting.size
        self._fronts.forget(id)
        if task.cancelled():
            if not (running.unwanted or self._stopping):  # something within was ended, and not by us
                self._answer_failure(running.waiting, "LiveDevFailed", "what ran it here was ended")
        elif (error := task.exception()) is not None:
            # A bug of ours. Whoever waits is told, and so is the user.
            self._answer_failure(running.waiting, "LiveDevFailed", f"{type(error).__name__}: {error}")
            self._loop.call_exception_handler({"message": "an invocation broke the bridge", "exception": error})
        self._dispatch()
        self._transfers.fetch()
        self._pump()

    def _answer(self, waiting: Waiting, outcome: Outcome) -> None:
        self._answered[waiting.id] = waiting.head, waiting.came
        match outcome:
            case Succeeded():
                self._machine.returned(waiting.id, outcome.payload, self._now())
            case Failed():
                self._machine.raised(waiting.id, outcome.error_type, outcome.message, outcome.trace or (), self._now())
            case _:
                assert_never(outcome)

    def _answer_failure(self, waiting: Waiting, error_type: str, text: str) -> None:
        self._fronts.forget(waiting.id)
        self._answered[waiting.id] = waiting.head, waiting.came
        self._machine.raised(waiting.id, error_type, text, (), self._now())

    def _trigger(self, payload: bytes) -> Trigger:
        found = trigger_of(payload, invoked=False, names=self._names)
        return found if found.label else Trigger(kind="invoke")  # no service sends such an event

    def _cancelled(self, event: wire.Cancelled) -> None:
        self._transfers.discard(event.id)
        self._answered.pop(event.id, None)
        waiting = self._queue.remove(event.id)
        running = self._running.get(event.id)
        self._fronts.forget(event.id)
        if running is not None:
            running.unwanted = True
            running.task.cancel()  # what a worker has begun goes on to its end, as in Lambda
            self._drop(event.head, "cancelled", f"nobody waits for its outcome any more: {event.why}")
        elif self._machine.serving:
            expired = waiting is not None and self._now() >= waiting.deadline
            self._drop(event.head, "expired" if expired else "cancelled", f"it was not run: {event.why}")

    def _drop(self, head: wire.InvocationHead, reason: DropReason, message: str) -> None:
        self._events.emit(
            InvocationDropped(
                request_id=RequestId(head.request_id), function=head.function, reason=reason, message=message
            )
        )

    def _undelivered(self, event: wire.Undelivered) -> None:
        answered = self._answered.pop(event.id, None)
        self._transfers.discard(event.id)
        if answered is None or self._stopping:
            return
        head, came = answered
        if event.certain:
            self._drop(head, "undelivered", f"its outcome did not reach the cloud: {event.why}")
        elif self._disconnected_at is not None or self._reconnected_at >= came:
            self._drop(head, "undelivered", f"whether its outcome reached the cloud is not known: {event.why}")
        # Else all is well: a container may freeze before it has said so, until its next invocation.

    # Other sessions

    async def _keep_lease(self, lease: Lease) -> None:
        self._taken(await lease.keep(on_trouble=self._complain, on_mended=self._lease_mended))

    def _taken(self, taker: LeaseDocument) -> None:
        self.taker = taker
        self._machine.step_down(self._now())
        self._tell_taken_over(taker.holder)
        self._pump()

    def _stepped_down(self) -> None:
        """A frame said so; the lease says who it is."""
        if self._lease is None:
            self._tell_taken_over("another session")
        else:
            self._lease.nudge()
            self._loop.call_later(_WHO_S, self._tell_taken_over, "another session")

    def _tell_taken_over(self, by: str) -> None:
        if not self._told_taken_over and not self._stopping:
            self._told_taken_over = True
            self._events.emit(BridgeTakenOver(by=by, running=len(self._running) + len(self._queue)))

    # Complaints

    def _lease_mended(self) -> None:
        self._complained.pop("live-lease-died", None)
        self._events.emit(Notice(notice="live-lease-lives", message="invocations reach this machine again"))

    def _complain(self, error: SkykiteError) -> None:
        """Once a minute for each kind: what fails for one invocation fails for the next hundred too."""
        last = self._complained.get(error.code)
        if last is None or self._now() - last >= _REPEAT_S:
            self._complained[error.code] = self._now()
            self._events.emit(ErrorRaised.of(error))


def _outdated(protocol: int) -> SkykiteError:
    return SkykiteError(
        "live-stub-outdated",
        f"a function of this stage was deployed by another version of Skykite (its protocol is {protocol}, "
        f"this one's {wire.PROTOCOL})",
        hint="restart `kite dev`, which deploys the stage again",
    )
