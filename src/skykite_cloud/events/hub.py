"""Events on their way: from whoever publishes to everybody who listens. Delivery is at most once, as on AWS.

No I/O: a listener is handed text, and sends it when it can.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from skykite_cloud.events import limits
from skykite_cloud.events.callers import Callers
from skykite_cloud.events.channels import Path, Subscriptions, parse_channel
from skykite_cloud.events.handlers import on_subscribe
from skykite_cloud.events.management import Api
from skykite_cloud.events.refusals import Refusal, bad_request, unauthorized
from skykite_cloud.events.signatures import publish_body, subscribe_body, to_json
from skykite_cloud.events.texts import read_json


class Receiver(Protocol):
    """A connected client."""

    def hear(self, subscription: str, event: str) -> None:
        """`event` is a JSON literal: the published text as a string."""

    def leave(self) -> None:
        """Its API is no more."""


Listener = tuple[Receiver, str]


@dataclass(frozen=True, slots=True)
class Published:
    """What became of each event."""

    successful: list[dict[str, Any]]
    failed: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {"successful": self.successful, "failed": self.failed}


class Hub:
    """All Event APIs of this cloud."""

    def __init__(self) -> None:
        self._callers = Callers()
        self._subscriptions: Subscriptions[Listener] = Subscriptions()
        self._connected: dict[str, set[Receiver]] = {}  # by API

    def join(self, api: Api, receiver: Receiver) -> None:
        """It is connected from now on, until it `part`s."""
        self._connected.setdefault(api.api_id, set()).add(receiver)

    def part(self, api: Api, receiver: Receiver) -> None:
        there = self._connected.get(api.api_id, set())
        there.discard(receiver)
        if not there:
            self._connected.pop(api.api_id, None)

    def connect(self, api: Api, authorization: Mapping[str, str], body: bytes) -> Refusal | None:
        return self._callers.authorize(api, "connect", None, authorization, body)

    def subscribe(
        self, api: Api, channel: object, authorization: Mapping[str, str], receiver: Receiver, subscription: str
    ) -> Path | Refusal:
        """The path, to be given back at the end."""
        path = parse_channel(channel, wildcard=True)
        if path is None:
            return bad_request("Invalid Channel Format")
        namespace = api.namespace(path[0])
        if namespace is None:
            return self._without_namespace(api, path[0])
        refusal = self._callers.authorize(api, "subscribe", namespace, authorization, subscribe_body(str(channel)))
        if refusal is not None:
            return refusal
        handler = on_subscribe(namespace.record.get("codeHandlers"))
        if handler is not None and not handler(path):
            return Refusal(401, "Unauthorized", "You are not authorized to make this call.", "onSubscribe")
        self._subscriptions.add(api.api_id, path, (receiver, subscription))
        return path

    def _without_namespace(self, api: Api, name: str) -> Refusal:
        """Also if the API was deleted; then everybody who is connected to it has to go."""
        if not api.exists:
            for receiver in self._connected.get(api.api_id, ()):
                receiver.leave()
        return unauthorized(f"no namespace `{name}`")

    def unsubscribe(self, api: Api, path: Path, receiver: Receiver, subscription: str) -> None:
        self._subscriptions.remove(api.api_id, path, (receiver, subscription))

    def publish(
        self, api: Api, channel: object, events: object, authorization: Mapping[str, str], body: bytes | None
    ) -> Published | Refusal:
        """`body` is what came over HTTP; over a WebSocket it is what AppSync would make of the message."""
        path = _check(channel, events)
        if isinstance(path, Refusal):
            return path
        namespace = api.namespace(path[0])
        if namespace is None:
            return self._without_namespace(api, path[0])
        assert isinstance(events, list)
        literals = [to_json(event) for event in events]
        if body is None:
            body = publish_body(str(channel), literals)
        refusal = self._callers.authorize(api, "publish", namespace, authorization, body)
        if refusal is not None:
            return refusal
        published = Published([], [])
        for index, (event, literal) in enumerate(zip(events, literals, strict=True)):
            problem = _problem(event)
            if problem is None:
                for receiver, subscription in self._subscriptions.of(api.api_id, path):
                    receiver.hear(subscription, literal)
            entry = {"identifier": str(uuid.uuid4()), "index": index}
            if problem is None:
                published.successful.append(entry)
            else:
                published.failed.append({**entry, "code": 400, "message": problem})
        return published


def _check(channel: object, events: object) -> Path | Refusal:
    """The path, if `events` is a list of strings that may be published at once."""
    if not channel:
        return bad_request("Missing channel")
    if not events and isinstance(events, list | None):
        return bad_request("Missing events")
    if not isinstance(events, list) or not all(isinstance(event, str) and _is_utf8(event) for event in events):
        return Refusal(400, "SerializationException", "Expected list of strings")
    if len(events) > limits.EVENTS_A_PUBLISH:
        return bad_request(f"Input exceeded {limits.EVENTS_A_PUBLISH} event limit")
    return parse_channel(channel, wildcard=False) or bad_request("Invalid Channel Format")


def _is_utf8(text: str) -> bool:
    """Not half of a surrogate pair, which JSON can say."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(event: str) -> str | None:
    """Why this one event cannot be published."""
    if len(event.encode()) > limits.EVENT_BYTES:
        return f"The event is larger than {limits.EVENT_BYTES // 1024} KB"
    try:
        read_json(event)
    except (ValueError, RecursionError):
        return "The event is not valid JSON"
    return None
