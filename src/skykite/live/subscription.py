"""One WebSocket to AppSync Events, subscribed to one channel; it may publish, too.

In: a route, a signer, a channel. Out: datagrams as they come, and in the end why it is over. I/O: the connection.

https://docs.aws.amazon.com/appsync/latest/eventapi/event-api-websocket-protocol.html
The service says `ka` once a minute; a connection that says nothing for longer is taken for dead, long before the five
minutes that the service itself would grant. One that does not answer what is published on it is so within seconds.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

from skykite.live.network import Route, Trouble, keep_alive, open_connection
from skykite.live.refusals import problem_in, reason_of
from skykite_lambda.live import messages

if TYPE_CHECKING:
    from websockets.client import ClientProtocol
    from websockets.frames import Frame
    from websockets.http11 import Response

ATTEMPT_LIMIT_S: Final = 15.0
SILENCE_S: Final = 75.0
ANSWER_S: Final = 5.0  # within which what is published is answered
_MESSAGE_LIMIT: Final = 2 * 1024 * 1024  # bytes; five events of 240 KB are the most there may be in one
_SUBSCRIPTION: Final = "requests"


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
        from websockets.client import ClientProtocol
        from websockets.typing import Subprotocol
        from websockets.uri import parse_uri

        self._loop = asyncio.get_running_loop()
        self._host = route.host
        self._received = received
        self._silence_s = silence_s
        self._websocket: ClientProtocol = ClientProtocol(
            parse_uri(f"wss://{route.host}{messages.REALTIME_PATH}"),  # how it is reached is not its concern
            subprotocols=[Subprotocol(name) for name in offered],
            max_size=_MESSAGE_LIMIT,
        )
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] = []
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
        from websockets.protocol import State

        if self._websocket.state is State.OPEN:
            self._websocket.send_text(text.encode())
            self._flush()

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
        from websockets.protocol import State

        self._closed = True
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(1000)
            self._flush()
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Without a word, since nobody may be listening."""
        self._closed = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._transport is not None:
            self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        keep_alive(transport)
        self._websocket.send_request(self._websocket.connect())
        self._flush()
        self._watch()

    def data_received(self, data: bytes) -> None:
        from websockets.http11 import Response

        self._heard = self._loop.time()
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                self._handshaken(event)
            else:
                self._frame(cast("Frame", event))
        self._flush()
        if self._websocket.close_expected() and self._transport is not None:
            self._transport.close()

    def eof_received(self) -> None:
        self._websocket.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        failure = self._websocket.handshake_exc
        if failure is not None:
            self._end(Trouble("refused", f"`{self._host}` speaks no WebSocket: {failure}"))
            return
        code, reason = self._websocket.close_code, self._websocket.close_reason
        said = f" ({code} {reason})".replace(" )", ")") if code not in (None, 1006) else f" ({exc})" if exc else ""
        self._end(Trouble("closed", f"`{self._host}` closed the connection{said}"))

    # What is said

    def _handshaken(self, response: Response) -> None:
        if self._websocket.handshake_exc is None:
            self._move("open")
            return
        problem = problem_in(bytes(response.body or b""))
        text = problem.text if problem else response.reason_phrase
        message = f"`{self._host}` refuses the connection: {response.status_code} {text}".rstrip()
        self._end(Trouble(reason_of(response.status_code, problem), message))

    def _frame(self, frame: Frame) -> None:
        from websockets.frames import Opcode

        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                text, self._fragments = b"".join(self._fragments), []
                self._message(messages.parse(text.decode("utf-8", "replace")))

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

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        data = b"".join(self._websocket.data_to_send())
        if data:
            self._transport.write(data)

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
