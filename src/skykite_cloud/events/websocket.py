"""One WebSocket of a client of an Event API: its messages in, AppSync's messages out, until either side ends it.

A bridged invocation crosses several of them, so each takes its connection over once it stands: bytes are looked at as
they come, and answers written before the event loop's next step.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from skykite_cloud.connections import connection_of
from skykite_cloud.events import limits
from skykite_cloud.events.channels import Path
from skykite_cloud.events.frames import BINARY, CLOSE, NO_TEXT, PING, PONG, TEXT, Frame, Frames, Violation, encode
from skykite_cloud.events.hub import Hub
from skykite_cloud.events.management import Api
from skykite_cloud.events.refusals import Refusal
from skykite_cloud.events.signatures import CONNECT_BODY
from skykite_cloud.events.texts import read_json

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PROTOCOL = "aws-appsync-event-ws"
_AUTHORIZATION = "header-"
_SUBSCRIPTION = re.compile(r"[A-Za-z0-9_+-]{1,128}")
_MOST_WAITING = 64 * 1024 * 1024
_LONGEST = 16 * 1024 * 1024  # bytes of a message, which is looked at before it is refused for its size
_UNAUTHORIZED, _GOING_AWAY = 4401, 1001
_LEAVE_S = 2.0  # for the client to answer a close


class Connection:
    """`run` it once. Everything but `run` happens between two steps of the event loop."""

    def __init__(self, hub: Hub, api: Api, *, publishes_a_second: int) -> None:
        self._hub = hub
        self._api = api
        self._loop = asyncio.get_running_loop()
        self._rate = limits.Rate(publishes_a_second, self._loop.time())
        self._subscriptions: dict[str, Path] = {}
        self._frames = Frames(_LONGEST)
        self._writer: asyncio.StreamWriter | None = None
        self._losing = False
        self._leaving = False

    async def run(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        protocols = scope["subprotocols"]
        self._writer = connection_of(scope).take_over(self._arrived)
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL if PROTOCOL in protocols else None})
        refusal = self._connect(protocols)
        if refusal is not None:
            self._say({"type": "connection_error", "errors": _coded(refusal)})
            self._close(_UNAUTHORIZED)
            await receive()  # websocket.disconnect
            return
        timers = [self._loop.call_later(limits.CONNECTION_S, self._close, _GOING_AWAY)]
        self._keep_alive(timers)
        self._hub.join(self._api, self)
        try:
            await receive()  # websocket.disconnect: all else comes to `_arrived`
        finally:
            self._hub.part(self._api, self)
            for timer in timers:
                timer.cancel()
            for subscription, path in self._subscriptions.items():
                self._hub.unsubscribe(self._api, path, self, subscription)

    def hear(self, subscription: str, event: str) -> None:
        if self._waiting > _MOST_WAITING:
            # It does not read what it asked for. AWS would not keep it for long either.
            if not self._losing:
                self._losing = True
                lost = Refusal(429, "LimitExceededError", "Events were lost: they are not read fast enough")
                self._refuse("broadcast_error", subscription, lost)
            return
        self._losing = False
        self._put(f'{{"id":"{subscription}","type":"data","event":{event}}}')

    def leave(self) -> None:
        self._loop.call_soon(self._close, _GOING_AWAY)  # what is being answered is answered first

    # Frames

    def _arrived(self, data: bytes) -> None:
        frames = self._frames
        try:
            frames.feed(data)
            while (frame := frames.next()) is not None:
                if not self._leaving:
                    self._take(frame)
                elif frame.opcode == CLOSE:
                    self._end()
        except Violation as violation:
            self._close(violation.code)

    def _take(self, frame: Frame) -> None:
        opcode, payload = frame
        if opcode == TEXT:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                raise Violation(NO_TEXT, "text that is not UTF-8") from None
            self._receive(text)
        elif opcode == BINARY:
            self._receive("")  # which is no message
        elif opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE:
            self._write(CLOSE, payload[:2])
            self._leaving = True
            self._end()

    def _put(self, text: str) -> None:
        self._write(TEXT, text.encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        """Nothing, once leave is taken."""
        if self._writer is not None and not self._leaving:
            self._writer.write(encode(opcode, payload))

    def _close(self, code: int) -> None:
        """Take leave. The end comes with the client's answer: what it has not read would be lost by an earlier one."""
        if not self._leaving:
            self._write(CLOSE, code.to_bytes(2, "big"))
            self._leaving = True
            self._loop.call_later(_LEAVE_S, self._end)

    def _end(self) -> None:
        """What is written goes out first."""
        if self._writer is not None:
            self._writer.close()

    @property
    def _waiting(self) -> int:
        """Bytes that the other end has not taken yet."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    # Messages

    def _connect(self, protocols: list[str]) -> Refusal | None:
        if PROTOCOL not in protocols:
            return Refusal(400, "SubProtocolNotSupportedError", f"The subprotocol {PROTOCOL} is missing")
        encoded = next((one.removeprefix(_AUTHORIZATION) for one in protocols if one.startswith(_AUTHORIZATION)), "")
        try:
            padded = encoded + "=" * (-len(encoded) % 4)
            given = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True) or b"{}")
        except (binascii.Error, ValueError, RecursionError):
            return Refusal(400, "BadRequestException", "The authorization in the subprotocol is not base64url of JSON")
        return self._hub.connect(self._api, _headers(given), CONNECT_BODY)

    def _keep_alive(self, timers: list[asyncio.TimerHandle]) -> None:
        def beat() -> None:
            self._put('{"type":"ka"}')
            timers[-1] = self._loop.call_later(limits.KEEP_ALIVE_S, beat)

        timers.append(self._loop.call_later(limits.KEEP_ALIVE_S, beat))

    def _say(self, message: Message) -> None:
        self._put(json.dumps(message))

    def _refuse(self, kind: str, request: object, refusal: Refusal) -> None:
        self._say({"type": kind, "id": request, "errors": refusal.errors})

    def _receive(self, text: str) -> None:
        try:
            message = read_json(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._say({"type": "error", "errors": Refusal(400, "InvalidInputError", "Message is not JSON").errors})
            return
        match message.get("type"):
            case "publish":
                self._publish(message, len(text))
            case "subscribe":
                self._subscribe(message)
            case "unsubscribe":
                self._unsubscribe(message)
            case "connection_init":
                self._say({"type": "connection_ack", "connectionTimeoutMs": limits.CONNECTION_TIMEOUT_MS})
            case "ka":
                pass
            case _:
                refusal = Refusal(400, "UnsupportedOperation", "Operation not supported through the realtime channel")
                self._refuse("error", message.get("id"), refusal)

    def _publish(self, message: Message, size: int) -> None:
        request = message.get("id")
        if not self._rate.take(self._loop.time()):
            refusal = Refusal(429, "LimitExceededError", "Rate exceeded")
            self._refuse("publish_error", request, refusal)
            return
        if size > limits.PUBLISH_BYTES:
            self._refuse("publish_error", request, Refusal(413, "InvalidInputError", "The message is too large"))
            return
        published = self._hub.publish(
            self._api, message.get("channel"), message.get("events"), _headers(message.get("authorization")), None
        )
        if isinstance(published, Refusal):
            self._refuse("publish_error", request, published)
        else:
            self._say({"type": "publish_success", "id": request, **published.as_json()})

    def _subscribe(self, message: Message) -> None:
        subscription = message.get("id")
        if not isinstance(subscription, str) or not _SUBSCRIPTION.fullmatch(subscription):
            refusal = Refusal(400, "InvalidInputError", "The id of a subscription is 1 to 128 of A-Z a-z 0-9 - _ +")
        elif subscription in self._subscriptions:
            refusal = Refusal(400, "DuplicatedOperationError", f"The id {subscription} is in use")
        elif len(self._subscriptions) >= limits.SUBSCRIPTIONS_A_CONNECTION:
            refusal = Refusal(400, "MaxSubscriptionsReachedError", "Max number of subscriptions reached")
        else:
            path = self._hub.subscribe(
                self._api, message.get("channel"), _headers(message.get("authorization")), self, subscription
            )
            if not isinstance(path, Refusal):
                self._subscriptions[subscription] = path
                self._say({"type": "subscribe_success", "id": subscription})
                return
            refusal = path
        self._refuse("subscribe_error", subscription, refusal)

    def _unsubscribe(self, message: Message) -> None:
        subscription = message.get("id")
        path = self._subscriptions.pop(subscription, None) if isinstance(subscription, str) else None
        if path is None:
            refusal = Refusal(400, "UnknownOperationError", f"Unknown operation id {subscription}")
            self._refuse("unsubscribe_error", subscription, refusal)
            return
        assert isinstance(subscription, str)
        self._hub.unsubscribe(self._api, path, self, subscription)
        self._say({"type": "unsubscribe_success", "id": subscription})


def _headers(given: object) -> Mapping[str, str]:
    """The `authorization` of a message: what would be headers, had it come over HTTP."""
    if not isinstance(given, dict):
        return {}
    return {name.lower(): value for name, value in given.items() if isinstance(value, str)}


def _coded(refusal: Refusal) -> list[dict[str, Any]]:
    return [{**error, "errorCode": refusal.status} for error in refusal.errors]
