"""Which invoker takes an invocation: the runtime here, or Lambda itself for functions that run as deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from skykite.model.events import InvocationError, InvocationFinished, InvocationLog, InvocationStarted
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded
from skykite.model.names import FunctionId
from skykite.ports import Clock, EventSink, Invoker

if TYPE_CHECKING:
    from skykite.aws import AwsSession


_OF_LAMBDA: Final = tuple(f"{word} RequestId: " for word in ("START", "END", "REPORT"))


class LambdaInvoker:
    """Invokes deployed functions through the Lambda API. `names` maps ids to physical names. I/O: AWS."""

    def __init__(self, session: AwsSession, clock: Clock, names: dict[FunctionId, str]) -> None:
        self._session = session
        self._clock = clock
        self._names = names

    async def invoke(self, invocation: Invocation) -> Outcome:
        from skykite.aws import AwsError

        started = self._clock.monotonic()
        name = self._names[invocation.function]
        try:
            answer = await self._session.run(
                self._session.lambda_.invoke,
                name,
                invocation.payload,
                client_context=invocation.client_context,
                tail=True,
            )
        except AwsError as error:
            report = Report(duration_ms=(self._clock.monotonic() - started) * 1000)
            return Failed(
                kind="unavailable",
                error_type=error.aws_code or error.code,
                message=error.message,
                report=report,
                request_id=invocation.request_id,
                hint=error.hint,
            )
        report = Report(duration_ms=(self._clock.monotonic() - started) * 1000, log=answer.log)
        if answer.function_error is None:
            return Succeeded(payload=answer.payload, report=report)
        document = _ErrorDocument.parse(answer.payload)
        return Failed(
            kind="handled",
            error_type=document.errorType,
            message=document.errorMessage,
            trace=document.frames(),
            document=answer.payload,
            report=report,
            request_id=invocation.request_id,
        )


class ToldInvoker:
    """Tells of what another invoker does as the runtime does of its own: the invocation, its log, how it ended."""

    def __init__(self, invoker: Invoker, events: EventSink) -> None:
        self._invoker = invoker
        self._events = events

    async def invoke(self, invocation: Invocation) -> Outcome:
        function, trigger, request_id = invocation.function, invocation.trigger, invocation.request_id
        self._events.emit(InvocationStarted(request_id=request_id, function=function, trigger=trigger))
        outcome = await self._invoker.invoke(invocation)
        report = outcome.report
        if text := _of_the_function(report.log):
            self._events.emit(InvocationLog(request_id=request_id, function=function, stream="stdout", text=text))
        self._events.emit(
            InvocationFinished(
                request_id=request_id,
                function=function,
                trigger=trigger,
                duration_ms=report.duration_ms,
                init_ms=report.init_ms,
                max_memory_mb=report.max_memory_mb,
                error=InvocationError.of(outcome),
            )
        )
        return outcome


def _of_the_function(log: bytes) -> str:
    """Without what Lambda itself writes into a log."""
    lines = log.decode(errors="replace").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_OF_LAMBDA))


class SplitInvoker:
    """Live functions run here, all others where they were deployed."""

    def __init__(self, runtime: Invoker) -> None:
        self._runtime = runtime
        self._deployed: Invoker | None = None
        self._elsewhere: frozenset[FunctionId] = frozenset()

    def divert(self, functions: frozenset[FunctionId], invoker: Invoker) -> None:
        """Send `functions` to `invoker` from now on, everything else to the runtime."""
        self._elsewhere = functions
        self._deployed = invoker

    async def invoke(self, invocation: Invocation) -> Outcome:
        if invocation.function in self._elsewhere and self._deployed is not None:
            return await self._deployed.invoke(invocation)
        return await self._runtime.invoke(invocation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErrorDocument:
    """What Lambda answers for a failed invocation. Other runtimes than Python's may leave any of it out."""

    errorType: str = "Unknown"  # noqa: N815  (AWS's name)
    errorMessage: str = ""  # noqa: N815
    stackTrace: tuple[str, ...] | None = None  # noqa: N815
    trace: tuple[str, ...] | None = None  # Node's word

    def frames(self) -> tuple[str, ...] | None:
        if self.trace is None:
            return self.stackTrace
        return tuple(f"{line}\n" for line in self.trace if line.lstrip().startswith("at "))

    @classmethod
    def parse(cls, payload: bytes) -> _ErrorDocument:
        try:
            return msgspec.json.decode(payload, type=cls)
        except msgspec.MsgspecError:
            return cls(errorMessage=payload.decode(errors="replace"))
