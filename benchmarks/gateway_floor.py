"""The gateway alone: an invoker that answers at once, so that only HTTP, routing and the event cost anything.

python benchmarks/gateway_floor.py [--asyncio]      prints the URL, serves until interrupted
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from datetime import UTC, datetime

from skykite.gateway import Gateway, ServedApi
from skykite.model.events import Event
from skykite.model.invocation import Invocation, Outcome, Report, Succeeded
from skykite.model.manifest import HttpApiEntry, RouteEntry
from skykite.model.names import ConstructPath, FunctionId, LogicalId, RequestId, StackName


class System:
    """Clock, ids and events as cheap as they get."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def request_id(self) -> RequestId:
        return RequestId(str(uuid.uuid4()))

    def token(self) -> str:
        return uuid.uuid4().hex

    def emit(self, event: Event) -> None:
        pass


class Instant:
    """The invoker."""

    _outcome = Succeeded(
        payload=b'{"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "Hello, World!"}',
        report=Report(duration_ms=0.1),
    )

    async def invoke(self, invocation: Invocation) -> Outcome:
        return self._outcome


async def main() -> None:
    system = System()
    gateway = Gateway(invoker=Instant(), events=system, clock=system, ids=system)
    keys = ("GET /", "GET /notes", "POST /notes", "GET /notes/{id}", "ANY /{proxy+}")
    entry = HttpApiEntry(
        path=ConstructPath("Bench/Api"),
        stack=StackName("bench"),
        logical_id=LogicalId("Api"),
        name="bench",
        routes=tuple(RouteEntry(key=key, function=FunctionId(f"Bench/{key}")) for key in keys),
    )
    endpoints = await gateway.serve([ServedApi(entry=entry, api_id="abc123", account="123456789012")])
    print(endpoints[0].url, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await gateway.stop()


if __name__ == "__main__":
    try:
        if "--asyncio" in sys.argv[1:]:
            asyncio.run(main())
        else:
            import uvloop

            uvloop.run(main())
    except KeyboardInterrupt:
        pass
