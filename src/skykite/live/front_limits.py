"""How long those who wait in front of a function wait, for the explanation when they give up. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html (30 s)
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html (29 s for REST and WebSocket APIs)
Function URLs and load balancers wait as long as the function may take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontLimit:
    """`answer` is what the client gets when the time is up."""

    name: str
    seconds: float
    answer: str


HTTP_API: Final = FrontLimit(name="HTTP API", seconds=30.0, answer="503 Service Unavailable")
REST_API: Final = FrontLimit(name="REST API", seconds=29.0, answer="504 Endpoint request timed out")
WEBSOCKET_API: Final = FrontLimit(name="WebSocket API", seconds=29.0, answer="an error message")


class _Context(msgspec.Struct):
    domain: str | None = msgspec.field(default=None, name="domainName")
    elb: Any = None
    connection: str | None = msgspec.field(default=None, name="connectionId")
    api: str | None = msgspec.field(default=None, name="apiId")


class _Event(msgspec.Struct):
    version: Any = None  # of the format; REST APIs leave it out
    context: _Context = msgspec.field(default_factory=_Context, name="requestContext")


_DECODE: Final = msgspec.json.Decoder(_Event).decode


def front_limit(payload: bytes) -> FrontLimit | None:
    """Of the API that sent this event; None if it is none, or waits as long as it takes."""
    try:
        event = _DECODE(payload)
    except (msgspec.MsgspecError, RecursionError):
        return None
    context = event.context
    if context.elb is not None or context.api is None or ".lambda-url." in (context.domain or ""):
        return None
    if context.connection is not None:
        return WEBSOCKET_API
    return HTTP_API if event.version is not None else REST_API
