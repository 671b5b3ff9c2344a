"""One WebSocket to AppSync Events, subscribed to one channel; it may publish, too.

In: a route, a signer, a channel. Out: datagrams as they come, and in the end why it is over. I/O: the connection.

https://docs.aws.amazon.com/appsync/latest/eventapi/event-api-websocket-protocol.html
The service says `ka` once a minute; a connection that says nothing for longer is taken for dead, long before the five
minutes that the service itself would grant. One that does not answer what is published on it is so within seconds.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, cast

from skykite.live.handshake import Handshake
from skykite.live.network import Route, Trouble, keep_alive, open_connection
from skykite.live.refusals import problem_in, reason_of
from skykite_lambda.live import messages
from skykite_lambda.live.websocket import BINARY, CLOSE, PING, PONG, TEXT, Frame, Frames, Violation, encode_frame

ATTEMPT_LIMIT_S: Final = 15.0
SILENCE_S: Final = 75.0
ANSWER_S: Final = 5.0  # within which what is published is answered
_LEAVE_S: Final = 5.0
_MESSAGE_LIMIT: Final = 2 * 1024 * 1024  # bytes; five events of 240 KB are the most there may be in one
_SUBSCRIPTION: Final = "requests"
_NORMAL: Final = 1000
_NO_CODE: Final = 1005
_BROKEN: Final = 1002


Answered = Callable[["messages.Published | messages.Problem | None"], None]
"""Hears what became of something published; None if the connection ended first."""


class Sign(Protocol):
    """Makes the headers of `POST /event` with this body, at the HTTP host whatever the request is."""

    def __call__(self, body: bytes) -> Mapping[str, str]: ...


async def subscribe(
    route: Route,
    *,
    sign: Sign,
    channel: str,
    received: Callable[[Sequence[bytes]], None],
    silence_s: float = SILENCE_S,
) -> Subscription:
    """Connect and subscribe. Raises Trouble, or AwsError where there is nothing to sign with."""
    offered = [messages.SUBPROTOCOL, _header(sign(b"{}"))]
    opened = await open_connection(route, lambda: Subscription(route, offered, received, silence_s))
    try:
        async with asyncio.timeout(ATTEMPT_LIMIT_S):
            await opened.reach("open")
            opened.say(messages.connection_init())
            await opened.reach("acknowledged")
            body = messages.compact({"channel": channel})
            signed = messages.compact(dict(sign(body.encode())))
            opened.say(f'{{"type":"subscribe","id":"{_SUBSCRIPTION}",{body[1:-1]},"authorization":{signed}}}')
            await opened.reach("subscribed")
    except TimeoutError as error:
        opened.abort()
        if opened.ended.done():  # by a refusal that never came to its end
            raise opened.ended.result() from error
        raise Trouble("unreachable", f"`{route.host}` did not answer for {ATTEMPT_LIMIT_S:.0f} s") from error
    except BaseException:
        opened.abort()
        raise
    return opened


class Subscription(asyncio.Protocol):
    """Made by `subscribe`. `ended` says in the end why it is over; a `close` of ours is no end in that sense."""

    def __init__(
        self, route: Route, offered: Sequence[str], received: Callable[[Sequence[bytes]], None], silence_s: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = route.host
        self._received = received
        self._silence_s = silence_s
        self._handshake: Handshake | None = Handshake(route.host, messages.REALTIME_PATH, offered)  # until it is over
        self._frames = Frames(_MESSAGE_LIMIT)
        self._transport: asyncio.Transport | None = None
        self._stage = ""
        self._moved: asyncio.Future[None] | None = None
        self._heard = self._loop.time()
        self._watchdog: asyncio.TimerHandle | None = None
        self._publishing: dict[str, tuple[float, Answered]] = {}  # the oldest first
        self._published = 0
        self._closed = False
        self.ended: asyncio.Future[Trouble] = self._loop.create_future()

    async def reach(self, stage: str) -> None:
        """Wait until the server has answered so far. Raises Trouble."""
        while self._stage != stage:
            if self.ended.done():
                raise self.ended.result()
            self._moved = self._loop.create_future()
            await self._moved

    def say(self, text: str) -> None:
        """Nothing, once the other end has taken leave: `reach` will say so."""
        self._write(TEXT, text.encode())

    def publish(self, body: str, signed: Mapping[str, str], answered: Answered) -> None:
        """Say it at once. `body` is what was signed."""
        self._published += 1
        operation = f"publish-{self._published}"
        now = self._loop.time()
        self._publishing[operation] = (now, answered)
        headers = messages.compact(dict(signed))
        self.say(f'{{"type":"publish","id":"{operation}",{body[1:-1]},"authorization":{headers}}}')
        if self._watchdog is None or self._watchdog.when() > now + ANSWER_S:
            self._watch()

    def close(self) -> None:
        """Take leave."""
        self._depart(_NORMAL.to_bytes(2, "big"))

    def abort(self) -> None:
        """Without a word, since nobody may be listening."""
        self._take_refusal()
        self._closed = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._transport is not None:
            self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        keep_alive(transport)
        assert self._handshake is not None
        self._transport.write(self._handshake.request)
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        frames = self._frames
        if self._handshake is not None:
            self._shake_hands(self._handshake, data)
        else:
            frames.feed(data)
        try:
            while not self._closed and (frame := frames.next()) is not None:
                self._frame(frame)
        except Violation as violation:
            self._write(CLOSE, violation.code.to_bytes(2, "big"))
            self._end(Trouble("closed", f"`{self._host}` sent {violation}"))
            self.abort()

    def eof_received(self) -> None:
        if self._handshake is not None:
            self._handshake.end()
            self._refuse(self._handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._take_refusal()
        self._end(Trouble("closed", f"`{self._host}` closed the connection" + (f" ({exc})" if exc else "")))

    # What is said

    def _shake_hands(self, handshake: Handshake, data: bytes) -> None:
        handshake.feed(data)
        if handshake.is_accepted:
            self._handshake = None
            self._frames.feed(handshake.behind)
            self._move("open")
        elif handshake.is_over:
            self._refuse(handshake)

    def _refuse(self, handshake: Handshake) -> None:
        self._end(self._refusal(handshake))
        self.abort()

    def _refusal(self, handshake: Handshake) -> Trouble:
        """What came is no WebSocket, or will be none."""
        if handshake.garbled is not None:
            return Trouble("refused", f"`{self._host}` speaks no WebSocket: {handshake.garbled}")
        problem = problem_in(handshake.behind)
        text = problem.text if problem else handshake.reason
        message = f"`{self._host}` refuses the connection: {handshake.status} {text}".rstrip()
        return Trouble(reason_of(handshake.status, problem), message)

    def _take_refusal(self) -> None:
        """What has come of one is what there will be of it."""
        if self._handshake is not None and self._handshake.status and not self.ended.done():
            self._handshake.end()
            self._end(self._refusal(self._handshake))

    def _frame(self, frame: Frame) -> None:
        opcode, payload = frame
        if opcode == TEXT:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                raise Violation(1007, "text that is not UTF-8") from None
            self._message(messages.parse(text))
        elif opcode == BINARY:
            raise Violation(1003, "bytes instead of text")
        elif opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else _NO_CODE
            said = f"{code} {payload[2:].decode('utf-8', 'replace')}".rstrip()
            self._depart(_echo(payload))
            self._end(Trouble("closed", f"`{self._host}` closed the connection ({said})"))

    def _depart(self, code: bytes) -> None:
        """Say so; what is not gone within seconds never will be, as to another end that reads nothing any more."""
        self._write(CLOSE, code)
        self._closed = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._transport is not None:
            self._transport.close()
            self._watchdog = self._loop.call_later(_LEAVE_S, self._transport.abort)

    def _message(self, message: messages.Message | None) -> None:
        match message:
            case messages.Data():
                datagrams = [found for event in message.events if (found := messages.datagram_of(event)) is not None]
                if datagrams and not self._closed:
                    self._received(datagrams)
            case messages.Acknowledged():
                self._silence_s = min(self._silence_s, message.timeout_s)
                self._watch()
                self._move("acknowledged")
            case messages.Subscribed():
                self._move("subscribed")
            case messages.Published() | messages.Problem() if message.id in self._publishing:
                _, answered = self._publishing.pop(message.id)
                answered(message)
            case messages.Problem() if message.kind != "broadcast_error":  # which is a loss like any other
                what = "subscription" if message.kind == "subscribe_error" else "connection"
                self._end(Trouble(reason_of(0, message), f"`{self._host}` refuses the {what}: {message.text}"))
                self.abort()
            case _:
                pass

    def _move(self, stage: str) -> None:
        self._stage = stage
        self._wake()

    def _end(self, trouble: Trouble) -> None:
        if not self.ended.done():
            self.ended.set_result(trouble)
        self._wake()
        publishing, self._publishing = self._publishing, {}
        for _, answered in publishing.values():
            answered(None)

    def _wake(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)

    def _write(self, opcode: int, payload: bytes) -> None:
        """Nothing, before the other end has accepted, or after one has taken leave or the connection has ended."""
        transport = self._transport
        if self._handshake is None and not self._closed and transport is not None and not transport.is_closing():
            transport.write(encode_frame(opcode, payload, os.urandom(4)))

    def _watch(self) -> None:
        """End it when nothing was heard for too long."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        silent = self._heard + self._silence_s
        unanswered = next(iter(self._publishing.values()))[0] + ANSWER_S if self._publishing else silent
        if self._loop.time() < min(silent, unanswered):
            self._watchdog = self._loop.call_at(min(silent, unanswered), self._watch)
            return
        if unanswered < silent:
            message = f"`{self._host}` did not answer for {ANSWER_S:.0f} s"
        else:
            message = f"nothing was heard from `{self._host}` for {self._silence_s:.0f} s"
        self._end(Trouble("silent", message))
        self.abort()


def _header(signed: Mapping[str, str]) -> str:
    text = messages.compact(dict(signed))
    return "header-" + base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _echo(payload: bytes) -> bytes:
    """What to answer a close with: its own code, if it is one that may be sent."""
    code = int.from_bytes(payload[:2], "big")
    may_be_sent = len(payload) > 1 and (1000 <= code <= 1014 or 3000 <= code <= 4999) and code not in (1004, 1005, 1006)
    return payload[:2] if may_be_sent or not payload else _BROKEN.to_bytes(2, "big")
