"""An AppSync Event API on loopback as a dev session sees it: publishing over HTTP, and WebSockets.

Every signature is verified with botocore's own signer. It can be told to misbehave in the ways that networks and young
APIs do; settings may be changed at any time. Lives in the event loop of the test.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from kit.appsync import CREDENTIALS, HTTP_HOST, REALTIME_HOST, REGION, Aws, Connection, read_message, server_frame
from skykite.aws import AwsSession
from skykite.model.bootstrap import EventApi
from skykite.model.live import replies_prefix, requests_channel

APP, STAGE = "notes", "alice"
REQUESTS = requests_channel(APP, STAGE)
REPLIES = replies_prefix(APP, STAGE)
API = EventApi(
    api_id="abcdefghij",
    arn=f"arn:aws:appsync:{REGION}:000000000000:apis/abcdefghij",
    http_host=HTTP_HOST,
    realtime_host=REALTIME_HOST,
)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True)
class No:
    """A refusal: of a handshake with an HTTP status, of a message with an error type."""

    status: int
    error: str
    message: str = ""

    @property
    def errors(self) -> dict[str, Any]:
        return {"errors": [{"errorType": self.error, "message": self.message}]}


@dataclass(frozen=True)
class Publish:
    """One request to publish that came over HTTP."""

    at: float
    channel: str
    datagrams: tuple[bytes, ...]


@dataclass(eq=False)
class EventApiServer:
    verifier: Aws = field(default_factory=Aws)
    deleted: bool = False  # what AppSync itself says of the API
    ka_s: float = 60.0
    timeout_ms: int = 300_000
    as_array: bool = False
    # Refusals: the next ones, each used once, then the lasting one.
    handshakes: deque[No | None] = field(default_factory=deque)
    refuse_handshakes: No | None = None
    subscribes: deque[No | None] = field(default_factory=deque)
    posts: deque[No | None] = field(default_factory=deque)
    refuse_posts: No | None = None
    failing: deque[set[int]] = field(default_factory=deque)  # places of the events that are not taken
    hang_posts: bool = False
    leave_at: str = ""  # close a WebSocket, once, after the handshake or in place of the answer to that message
    close_after_post: bool = False  # keep-alive that is not kept
    drop_connections: bool = False  # close every TCP connection without a word
    lose: Callable[[str, bytes], bool] = lambda channel, datagram: False
    relay: bool = True  # what is published reaches those who listen

    port: int = 0
    tls: bool = False
    connections: list[Connection] = field(default_factory=list)
    handshakes_at: list[float] = field(default_factory=list)
    subscribes_at: list[float] = field(default_factory=list)
    posts_at: list[float] = field(default_factory=list)
    websocket_publishes_at: list[float] = field(default_factory=list)
    websocket_publishes: deque[No | None] = field(default_factory=deque)  # refusals, each used once
    published: list[Publish] = field(default_factory=list)
    tcp_connections: int = 0
    under_way: int = 0
    most_under_way: int = 0
    keys_seen: list[str] = field(default_factory=list)  # access keys of subscribes
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def session(self, **changes: Any) -> AwsSession:
        """Signs with the credentials that are taken here."""
        given = {
            "region": REGION,
            "endpoint_url": self.url,
            "access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            "session_token": CREDENTIALS["AWS_SESSION_TOKEN"],
        }
        return AwsSession(**{**given, **changes})

    async def until(self, condition: Callable[[], object], *, within: float = 10.0) -> None:
        """Return when it is so; looked at whenever something happens here."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()

    def deliver(self, *datagrams: bytes, channel: str = REQUESTS) -> None:
        """To whoever is subscribed to that channel."""
        self._broadcast(channel, ['"' + base64.urlsafe_b64encode(one).rstrip(b"=").decode() + '"' for one in datagrams])

    def subscribed(self, channel: str = REQUESTS) -> list[Connection]:
        return [one for one in self.connections if channel in one.subscriptions.values()]

    def close_all(self, code: int = 1000, *, abruptly: bool = False) -> None:
        for connection in list(self.connections):
            if abruptly:
                connection.writer.transport.abort()
            else:
                connection.writer.write(server_frame(8, code.to_bytes(2, "big")))
                connection.writer.close()

    def go_silent(self) -> None:
        """The WebSockets there are become half-open; those that come later are well."""
        for connection in self.connections:
            connection.silent = True

    # The service

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tcp_connections += 1
        try:
            while not self.drop_connections:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if headers["host"] == REALTIME_HOST:
                    assert first == "GET /event/realtime HTTP/1.1", first
                    await self._websocket(reader, writer, headers)
                    return
                if first == f"GET /v2/apis/{API.api_id} HTTP/1.1":
                    writer.write(self._described())
                    continue
                assert first == "POST /event HTTP/1.1", first
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                try:
                    status, answer = await self._post(headers, body)
                finally:
                    self.under_way -= 1
                if self.drop_connections:
                    return
                text = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()
                if self.close_after_post:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _described(self) -> bytes:
        status, error = (404, "NotFoundException") if self.deleted else (200, "")
        text = json.dumps({"message": "no such API"} if self.deleted else {"api": {"apiId": API.api_id}})
        head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(text)}\r\nx-amzn-ErrorType: {error}\r\n\r\n"
        return (head + text).encode()

    async def _post(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        now = asyncio.get_running_loop().time()
        self.posts_at.append(now)
        self._changed.set()
        if self.hang_posts:
            await asyncio.Event().wait()
        if problem := self.verifier.signature_problem("appsync", "POST", HTTP_HOST, "/event", headers, body):
            refusal: No | None = No(403, "UnauthorizedException", problem)
        else:
            refusal = self.posts.popleft() if self.posts else self.refuse_posts
        if refusal is not None:
            return refusal.status, refusal.errors
        asked = json.loads(body)
        return 200, self._publish(asked["channel"], asked["events"], len(body), at=now)

    def _publish(self, channel: str, texts: Sequence[str], size: int, *, at: float) -> dict[str, Any]:
        assert 1 <= len(texts) <= 5
        assert all(len(text.encode()) <= 240 * 1024 for text in texts)
        assert size <= 1_200_000
        failing = self.failing.popleft() if self.failing else set()
        lists: dict[str, list[dict[str, Any]]] = {"successful": [], "failed": []}
        for index in range(len(texts)):
            lists["failed" if index in failing else "successful"].append({"identifier": str(index), "index": index})
        taken = [text for index, text in enumerate(texts) if index not in failing]
        datagrams = tuple(_datagram(text) for text in taken)
        self.published.append(Publish(at, channel, datagrams))
        if self.relay:
            kept = [text for text, one in zip(taken, datagrams, strict=True) if not self.lose(channel, one)]
            self._broadcast(channel, kept)
        self._changed.set()
        return lists

    def _broadcast(self, channel: str, texts: Sequence[str]) -> None:
        for connection in self.connections:
            for subscription, subscribed in connection.subscriptions.items():
                if subscribed == channel:
                    for text in texts:
                        connection.send(
                            {"type": "data", "id": subscription, "event": [text] if self.as_array else text}
                        )

    async def _websocket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: dict[str, str]
    ) -> None:
        self.handshakes_at.append(asyncio.get_running_loop().time())
        self._changed.set()
        refusal = self.handshakes.popleft() if self.handshakes else self.refuse_handshakes
        offered = [word.strip() for word in headers["sec-websocket-protocol"].split(",")]
        assert offered[0] == "aws-appsync-event-ws"
        encoded = next(word for word in offered if word.startswith("header-")).removeprefix("header-")
        assert "=" not in encoded
        authorization = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        if refusal is None and (problem := self._unauthorized(authorization, b"{}")):
            refusal = No(403, "UnauthorizedException", problem)
        if refusal is not None:
            body = json.dumps(refusal.errors)
            writer.write(f"HTTP/1.1 {refusal.status} -\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
            return
        accept = base64.b64encode(sha1(headers["sec-websocket-key"].encode() + _MAGIC).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: aws-appsync-event-ws\r\n\r\n".encode()
        )
        connection = Connection(reader, writer)
        if self._leave(connection, "handshake"):
            return
        self.connections.append(connection)
        keeping = asyncio.create_task(self._keep_alive(connection))
        try:
            while (message := await read_message(connection)) is not None:
                self._take(connection, message)
                await writer.drain()
        finally:
            keeping.cancel()
            self.connections.remove(connection)
            self._changed.set()

    def _leave(self, connection: Connection, step: str) -> bool:
        if self.leave_at != step:
            return False
        self.leave_at = ""
        connection.writer.write(server_frame(8, (1001).to_bytes(2, "big")))
        connection.writer.close()
        return True

    async def _keep_alive(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(self.ka_s)
            connection.send({"type": "ka"})

    def _unauthorized(self, authorization: dict[str, str], body: bytes) -> str | None:
        if authorization.get("host") != HTTP_HOST:
            return "signed for another host"
        return self.verifier.signature_problem("appsync", "POST", HTTP_HOST, "/event", authorization, body)

    def _take(self, connection: Connection, message: dict[str, Any]) -> None:
        kind, operation = message["type"], message.get("id")
        now = asyncio.get_running_loop().time()
        if self._leave(connection, kind):
            return
        if kind == "connection_init":
            connection.send({"type": "connection_ack", "connectionTimeoutMs": self.timeout_ms})
            return
        asked = {"channel": message["channel"]}
        if kind == "publish":
            asked["events"] = message["events"]
        body = json.dumps(asked, separators=(",", ":")).encode()
        problem = self._unauthorized(message["authorization"], body)
        refusal = No(401, "UnauthorizedException", problem) if problem else None
        if kind == "subscribe":
            self.subscribes_at.append(now)
            self.keys_seen.append(message["authorization"]["authorization"].split("Credential=")[1].split("/")[0])
            refusal = refusal or (self.subscribes.popleft() if self.subscribes else None)
        elif kind == "publish":
            self.websocket_publishes_at.append(now)
            refusal = refusal or (self.websocket_publishes.popleft() if self.websocket_publishes else None)
        if refusal is not None:
            connection.send({"type": f"{kind}_error", "id": operation, **refusal.errors})
        elif kind == "subscribe":
            connection.subscriptions[str(operation)] = message["channel"]
            connection.send({"type": "subscribe_success", "id": operation})
        else:
            size = len(body)
            connection.send(
                {
                    "type": "publish_success",
                    "id": operation,
                    **self._publish(message["channel"], message["events"], size, at=now),
                }
            )
        self._changed.set()


def _datagram(text: str) -> bytes:
    encoded = json.loads(text)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


@asynccontextmanager
async def event_api(tls: ssl.SSLContext | None = None) -> AsyncIterator[EventApiServer]:
    service = EventApiServer(tls=tls is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await service.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=4 * 1024 * 1024)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
