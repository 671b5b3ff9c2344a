"""Keeps every function that runs here in credentials, and holds its invocations until it has some.

In: functions and a `CredentialSource`. Out: environment variables, told in batches; an `Invoker` that waits for them.
I/O: what the source does; events.

They are fetched ahead. A function that is used has new ones before the old are too short for an
invocation; one that nobody calls is left alone, so that an idle session neither asks AWS nor replaces workers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from skykite.errors import SkykiteError
from skykite.live.credentials import CredentialSource, FunctionRole, Issued
from skykite.model.events import ErrorRaised, InvocationError, InvocationFinished, InvocationStarted
from skykite.model.invocation import Failed, Invocation, Outcome, Report
from skykite.model.names import FunctionId
from skykite.ports import Clock, EventSink, Invoker

OnCredentials = Callable[[Mapping[FunctionId, Mapping[str, str]]], Awaitable[None]]
"""Told of the environment variables of these functions, which are new. Called one at a time, on the loop; the
invocations that wait for them go on when it returns."""

ERROR_TYPE: Final = "LiveCredentialsUnavailable"
BATCH_S: Final = 1.0  # how long what nobody waits for may be kept to be told with others
PULSE_S: Final = 30.0
AHEAD: Final = timedelta(minutes=5)  # how long before it is needed a used function's renewal begins
_LAST_USE: Final = timedelta(minutes=1)  # what must be left if renewing fails
_TRIED_AGAIN_S: Final = 5.0


@dataclass(slots=True, kw_only=True)
class _Held:
    """What is known of one function."""

    function: FunctionRole
    variables: Mapping[str, str] | None = field(default=None, repr=False)
    issued: Issued | None = None  # told
    fetching: asyncio.Future[None] | None = None
    error: SkykiteError | None = None
    failed_at: float = 0.0
    used: bool = False  # since it was issued
    waiting: int = 0  # invocations

    def fresh(self, now: datetime) -> bool:
        return self.issued is not None and now < self.issued.renew_at

    def bearable(self, now: datetime) -> bool:
        return self.issued is not None and now < self.issued.ends_at - _LAST_USE

    def to_renew_ahead(self, now: datetime) -> bool:
        if self.issued is None or not self.used or self.fetching is not None:
            return False
        return now >= self.issued.renew_at - AHEAD


class CredentialKeeper:
    """Use `start` and `stop` once each, on one event loop."""

    def __init__(
        self,
        *,
        source: CredentialSource,
        clock: Clock,
        events: EventSink,
        on_credentials: OnCredentials,
        pulse_s: float = PULSE_S,
    ) -> None:
        self._source = source
        self._clock = clock
        self._events = events
        self._on_credentials = on_credentials
        self._pulse_s = pulse_s
        self._held: dict[FunctionId, _Held] = {}
        self._arrived: list[tuple[_Held, asyncio.Future[None], Issued | SkykiteError]] = []
        self._waited_for: dict[asyncio.Future[None], _Held] = {}
        self._news = asyncio.Event()
        self._said: set[tuple[str, str]] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Be ready for `serve`."""
        started = asyncio.Event()
        self._running = asyncio.create_task(self._run(started), name="credentials")
        await started.wait()

    async def stop(self) -> None:
        """Fetch nothing more. Whoever waits for credentials is told that there are none."""
        if self._running is None:
            return
        running, self._running = self._running, None
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    def serve(self, functions: Iterable[FunctionRole]) -> None:
        """Have credentials for exactly these, and begin to fetch those that are missing."""
        before, self._held = self._held, {}
        for function in functions:
            known = before.get(function.id)
            if known is not None and known.function == function:
                self._held[function.id] = known
            else:
                self._held[function.id] = held = _Held(function=function)
                self._fetch(held)

    def serves(self, function: FunctionId) -> bool:
        """Whether it is one of those last given to `serve`."""
        return function in self._held

    def variables(self, function: FunctionId) -> Mapping[str, str]:
        """The last that were told, or are being told; empty if there are none yet."""
        held = self._held.get(function)
        return (held and held.variables) or {}

    def renew_ahead(self) -> None:
        """Begin to renew what is used and will soon be too short for an invocation. Called every `pulse_s`."""
        now = self._clock.now()
        for held in self._held.values():
            if held.to_renew_ahead(now):
                self._fetch(held)

    async def ready(self, function: FunctionId) -> None:
        """Return once the function has credentials that are long enough for an invocation. At once for one that is not
        served here. Raises the SkykiteError for which it has none."""
        while (held := self._held.get(function)) is not None:
            await self._wait(held)
            if self._held.get(function) is held:  # else it was deployed anew meanwhile
                if held.error is not None and not held.bearable(self._clock.now()):
                    raise held.error
                return

    async def _wait(self, held: _Held) -> None:
        held.used = True
        if held.fresh(self._clock.now()):
            return
        just_failed = held.error is not None and self._clock.monotonic() - held.failed_at < _TRIED_AGAIN_S
        if held.fetching is not None or not just_failed:
            held.waiting += 1
            self._news.set()
            try:
                await asyncio.shield(held.fetching or self._fetch(held))
            finally:
                held.waiting -= 1

    async def _run(self, started: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._deliver())
                started.set()
                while True:
                    await asyncio.sleep(self._pulse_s)
                    self.renew_ahead()
        finally:
            self._tasks = None
            for done, held in list(self._waited_for.items()):
                self._settle(done, held, _stopped())

    def _fetch(self, held: _Held) -> asyncio.Future[None]:
        """Done when the outcome is in `held`. Raises `live-stopped`."""
        if self._tasks is None:
            raise _stopped()
        held.fetching = done = asyncio.get_running_loop().create_future()
        self._waited_for[done] = held
        self._tasks.create_task(self._obtain(held, done))
        return done

    async def _obtain(self, held: _Held, done: asyncio.Future[None]) -> None:
        outcome: Issued | SkykiteError
        try:
            outcome = await self._source.obtain(held.function)
        except SkykiteError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001  (a bug of ours concerns this function, and not all of them)
            outcome = _fault(error)
        self._arrived.append((held, done, outcome))
        self._news.set()

    async def _deliver(self) -> None:
        while True:
            await self._news.wait()
            await self._gather()
            self._news.clear()
            batch, self._arrived = self._arrived, []
            new: dict[FunctionId, Mapping[str, str]] = {}
            for held, _, outcome in batch:
                current = self._held.get(held.function.id) is held
                if isinstance(outcome, Issued) and outcome.variables != held.variables and current:
                    held.variables = new[held.function.id] = outcome.variables
            failure = await self._tell(new) if new else None
            settled = [(held, done, failure or outcome) for held, done, outcome in batch]
            for held, done, outcome in settled:
                self._settle(done, held, outcome)
            self._complain((held, outcome) for held, _, outcome in settled)

    async def _gather(self) -> None:
        """Until there is somebody to tell at once, or nothing more to come soon."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BATCH_S
        while len(self._arrived) < len(self._waited_for) and not any(held.waiting for held, _, _ in self._arrived):
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                if self._arrived:
                    return
                deadline = loop.time() + BATCH_S

    async def _tell(self, new: Mapping[FunctionId, Mapping[str, str]]) -> SkykiteError | None:
        try:
            await self._on_credentials(new)
        except Exception as raised:  # noqa: BLE001  (likewise)
            error = raised if isinstance(raised, SkykiteError) else _fault(raised)
            for function in new:  # to be told again
                if (held := self._held.get(function)) is not None:
                    held.variables = None
            return error
        return None

    def _settle(self, done: asyncio.Future[None], held: _Held, outcome: Issued | SkykiteError) -> None:
        held.fetching = None
        del self._waited_for[done]
        done.set_result(None)
        if isinstance(outcome, SkykiteError):
            held.error, held.failed_at = outcome, self._clock.monotonic()
            return
        held.issued, held.error, held.used = outcome, None, held.waiting > 0

    def _complain(self, outcomes: Iterable[tuple[_Held, Issued | SkykiteError]]) -> None:
        """Once for all functions that fail alike, until something works again."""
        failed: dict[str, list[tuple[_Held, SkykiteError]]] = {}
        for held, outcome in outcomes:
            if isinstance(outcome, SkykiteError):
                if (outcome.code, held.function.id) not in self._said:
                    self._said.add((outcome.code, held.function.id))
                    failed.setdefault(outcome.code, []).append((held, outcome))
            else:
                self._said = {said for said in self._said if said[1] != held.function.id}
        for (_, first), *others in failed.values():
            error = ErrorRaised.of(first)
            also = ", ".join(f"`{held.function.id}`" for held, _ in others)
            self._events.emit(msgspec.structs.replace(error, context=f"also: {also}") if also else error)


class CredentialedInvoker:
    """Gives `invoker` what has credentials; what cannot have any fails with `LiveCredentialsUnavailable`."""

    def __init__(self, *, invoker: Invoker, keeper: CredentialKeeper, clock: Clock, events: EventSink) -> None:
        self._invoker = invoker
        self._keeper = keeper
        self._clock = clock
        self._events = events

    async def invoke(self, invocation: Invocation) -> Outcome:
        began = self._clock.monotonic()
        try:
            await self._keeper.ready(invocation.function)
        except SkykiteError as error:
            return self._failed(invocation, error, (self._clock.monotonic() - began) * 1000)
        return await self._invoker.invoke(invocation)

    def _failed(self, invocation: Invocation, error: SkykiteError, duration_ms: float) -> Failed:
        """Nobody else says that there was an invocation: it never reaches the runtime."""
        request_id, function, trigger = invocation.request_id, invocation.function, invocation.trigger
        self._events.emit(InvocationStarted(request_id=request_id, function=function, trigger=trigger))
        self._events.emit(
            InvocationFinished(
                request_id=request_id,
                function=function,
                trigger=trigger,
                duration_ms=duration_ms,
                init_ms=None,
                max_memory_mb=None,
                error=InvocationError(type=ERROR_TYPE, message=error.message, hint=error.hint),
                bridge_ms=invocation.bridge_ms,
            )
        )
        return Failed(
            kind="unavailable",
            error_type=ERROR_TYPE,
            message=error.message,
            report=Report(duration_ms=duration_ms),
            request_id=request_id,
            hint=error.hint,
        )


def _fault(error: Exception) -> SkykiteError:
    return SkykiteError("internal", f"this is a bug in Skykite: `{type(error).__name__}: {error}`", blame="skykite")


def _stopped() -> SkykiteError:
    return SkykiteError("live-stopped", "Skykite was stopped")
