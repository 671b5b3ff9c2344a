"""The endpoints of all Event APIs, as one ASGI application that comes before MiniStack's.

It serves what is addressed to the host names of an Event API, `POST /event` and the WebSocket `/event/realtime`, and
verifies its callers itself: the door needs to look at nothing but where they come from.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any

from skykite_cloud.events import limits
from skykite_cloud.events.hub import Hub
from skykite_cloud.events.management import api_at
from skykite_cloud.events.refusals import Refusal, bad_request
from skykite_cloud.events.websocket import Connection

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_HTTP_HOST = re.compile(r"[a-z0-9]+\.appsync-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?(?::\d+)?", re.IGNORECASE)
_REALTIME_HOST = re.compile(
    r"[a-z0-9]+\.appsync-realtime-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?(?::\d+)?", re.IGNORECASE
)


class Events:
    """One per cloud. `publishes_a_second` limits each WebSocket; 0 lifts the limit."""

    def __init__(self, *, publishes_a_second: int) -> None:
        self._hub = Hub()
        self._publishes_a_second = publishes_a_second

    def serves(self, scope: Scope, host: str) -> bool:
        """Whether a request to this host is for an Event API. GraphQL APIs share the domain."""
        if scope["type"] == "websocket":
            return _REALTIME_HOST.fullmatch(host) is not None and scope["path"].startswith("/event/")
        return _HTTP_HOST.fullmatch(host) is not None and scope["path"] == "/event"

    async def __call__(self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        host = headers["host"].partition(":")[0].lower()
        if scope["type"] == "http":
            status, answer = await self._publish(scope, host, headers, receive)
            await _respond(send, status, answer)
            return
        api = api_at("REALTIME", host)
        if api is None or scope["path"] != "/event/realtime":
            await receive()
            await send({"type": "websocket.close"})
            return
        connection = Connection(self._hub, api, publishes_a_second=self._publishes_a_second)
        await connection.run(scope, receive, send)

    async def _publish(
        self, scope: Scope, host: str, headers: Mapping[str, str], receive: Receive
    ) -> tuple[int, dict[str, Any] | Refusal]:
        body = await _body(receive)
        api = api_at("HTTP", host)
        if api is None:
            return 404, Refusal(404, "ResourceNotFoundException", "Unable to find the Api.")
        if scope["method"] != "POST":
            return 404, Refusal(404, "UnknownOperationException", "Unknown Operation Request.")
        if len(body) > limits.PUBLISH_BYTES:
            return 413, Refusal(413, "RequestEntityTooLargeException", "The request is too large")
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            refusal = bad_request("Unable to parse request body")
            return refusal.status, refusal
        published = self._hub.publish(api, given.get("channel"), given.get("events"), headers, body)
        if isinstance(published, Refusal):
            return published.status, published
        return 200, published.as_json()


async def _body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        return whole
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _respond(send: Send, status: int, answer: dict[str, Any] | Refusal) -> None:
    content = {"errors": answer.errors} if isinstance(answer, Refusal) else answer
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"date", formatdate(usegmt=True).encode()),
        (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
    ]
    if isinstance(answer, Refusal):
        headers.append((b"x-amzn-errortype", answer.error_type.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
