"""Which invoker takes an invocation: the runtime here, or Lambda itself for functions that run as deployed."""

from __future__ import annotations

import asyncio

from skykite.aws import AwsSession
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded
from skykite.model.names import FunctionId
from skykite.ports import Clock, Invoker


class LambdaInvoker:
    """Invokes deployed functions through the Lambda API. `names` maps ids to physical names. I/O: AWS."""

    def __init__(self, session: AwsSession, clock: Clock, names: dict[FunctionId, str]) -> None:
        self._session = session
        self._clock = clock
        self._names = names

    async def invoke(self, invocation: Invocation) -> Outcome:
        started = self._clock.monotonic()
        answer = await asyncio.to_thread(
            self._session.lambda_.invoke, self._names[invocation.function], invocation.payload
        )
        report = Report(duration_ms=(self._clock.monotonic() - started) * 1000, log=answer.log)
        if answer.function_error is None:
            return Succeeded(payload=answer.payload, report=report)
        return Failed(
            kind="handled",
            error_type=answer.error_type,
            message=answer.error_message,
            trace=answer.trace,
            report=report,
            request_id=invocation.request_id,
        )


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
