"""The AWS that a stub sees: an AppSync Event API, the parameter store and a bucket, on loopback.

Every signature is verified with botocore's own signer. It can be told to misbehave in all the ways that networks and
young APIs do. Runs in a thread with an event loop of its own, so that what is under test may block.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import queue
import re
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kit.loopback import running_server
from kit.websocket import Connection, read_message, server_frame

REGION = "eu-central-1"
HTTP_HOST = f"abcdefghij.appsync-api.{REGION}.amazonaws.com"
REALTIME_HOST = f"abcdefghij.appsync-realtime-api.{REGION}.amazonaws.com"
REQUESTS = "/kite-requests/0123456789abcdef0123456789abcdef"
REPLIES = "/kite-replies/0123456789abcdef0123456789abcdef"
BUCKET = "kite-bootstrap-000000000000"
LEASE_KEY = "live/0123456789abcdef0123456789abcdef/lease.json"
PARAMETER = "/skykite/notes/alice/live-key"
KEY = bytes(range(32))
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2Vj//EXAMPLE==",
}
_CHANNEL = re.compile(r"/[A-Za-z0-9-]{1,50}(/[A-Za-z0-9-]{1,50}){1,4}")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def stub_environment() -> dict[str, str]:
    """What a deployed stub finds, but for where to connect to."""
    live = {
        "v": 1,
        "http": HTTP_HOST,
        "ws": REALTIME_HOST,
        "requests": REQUESTS,
        "replies": REPLIES,
        "lease": {"bucket": BUCKET, "key": LEASE_KEY},
        "key": PARAMETER,
        "function": "Api/Notes",
        "app": "notes",
        "stage": "alice",
    }
    return {"KITE_LIVE": json.dumps(live, separators=(",", ":")), "AWS_REGION": REGION, **CREDENTIALS}


@dataclass
class Refusal:
    """What to answer instead of what was asked for; `http` at the handshake, `kind` in a message."""

    error: str
    message: str = ""
    http: int | None = None
    kind: str | None = None

    def errors(self) -> dict[str, Any]:
        return {"errors": [{"errorType": self.error, "message": self.message}]}


@dataclass
class Aws:
    """Settings may be changed at any time; what happened is in the lists and queues."""

    credentials: dict[str, str] = field(default_factory=lambda: dict(CREDENTIALS))
    clock_offset: float = 0.0  # of AWS's clock to ours
    ka_interval: float = 60.0
    as_array: bool = False
    key: bytes | None = KEY
    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)  # with the time of writing, by AWS's clock
    # Answers to the next attempts, each used once.
    handshakes: deque[Refusal] = field(default_factory=deque)
    subscribes: deque[Refusal] = field(default_factory=deque)
    publishes: deque[Refusal | set[int] | None] = field(default_factory=deque)  # places that fail; None for silence
    keys: deque[tuple[int, str]] = field(default_factory=deque)
    leases: deque[tuple[int, str]] = field(default_factory=deque)
    refuse_handshakes: Refusal | None = None  # all of them
    refuse_publishes: Refusal | None = None
    silent_from_now: bool = False  # also new connections
    drop: Callable[[str, bytes], bool] = lambda channel, datagram: False
    delay: Callable[[str], float] = lambda request: 0.0  # seconds; infinite ones are never answered
    on_datagram: Callable[[bytes], None] | None = None  # called in AWS's thread

    connections: list[Connection] = field(default_factory=list)
    handshakes_seen: int = 0
    batches: list[int] = field(default_factory=list)  # events of each publish
    batch_times: list[float] = field(default_factory=list)
    requests_seen: list[str] = field(default_factory=list)
    datagrams: queue.Queue[bytes] = field(default_factory=queue.Queue)
    subscribed: queue.Queue[str] = field(default_factory=queue.Queue)
    port: int = 0
    loop: asyncio.AbstractEventLoop = field(init=False)

    # For tests, from any thread.

    def environment(self) -> dict[str, str]:
        return {**stub_environment(), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def now(self) -> float:
        return time.time() + self.clock_offset

    def write_lease(self, *, age: float = 0.0, **changes: Any) -> None:
        lease = {"v": 1, "epoch": 7, "session": "00" * 16, "ttl_s": 60, "who": "alice@laptop", "pid": 1, "open": True}
        self.objects[LEASE_KEY] = (json.dumps({**lease, **changes}).encode(), self.now() - age)

    def deliver(self, session: bytes, *datagrams: bytes) -> None:
        """To whoever is subscribed to the reply channel of `session`."""
        texts = ['"' + base64.b64encode(datagram).decode() + '"' for datagram in datagrams]
        self.call(self._broadcast, f"{REPLIES}/{session.hex()}", texts)

    def say(self, message: dict[str, Any]) -> None:
        """To everybody."""
        self.call(lambda: [connection.send(message) for connection in self.connections])

    def close_all(self, code: int = 1000, *, abruptly: bool = False) -> None:
        def close() -> None:
            for connection in self.connections:
                if abruptly:
                    connection.writer.transport.abort()
                else:
                    connection.writer.write(server_frame(8, code.to_bytes(2, "big")))
                    connection.writer.close()

        self.call(close)

    def go_silent(self) -> None:
        """Every connection becomes half-open; those that come later are well."""
        self.call(lambda: [setattr(connection, "silent", True) for connection in self.connections])

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        async def inside() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(10)

    # The service.

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = f"{method} {headers['host']}{target.partition('?')[0]}"
        self.requests_seen.append(request)
        if (seconds := self.delay(request)) == math.inf:
            await reader.read()
            return
        await asyncio.sleep(seconds)
        if headers["host"] == REALTIME_HOST:
            await self._websocket(reader, writer, headers)
            return
        status, answer, more = self._request(method, target, headers, body)
        lines = [f"HTTP/1.1 {status} -", f"Date: {formatdate(self.now(), usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in more.items()]
        writer.write("\r\n".join([*lines, f"Content-Length: {len(answer)}", "", ""]).encode() + answer)
        await writer.drain()

    def _request(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        host = headers["host"]
        if host == f"ssm.{REGION}.amazonaws.com":
            if problem := self.signature_problem("ssm", method, host, target, headers, body):
                return 400, json.dumps({"__type": problem, "message": problem}).encode(), {}
            if self.keys:
                status, code = self.keys.popleft()
                return status, json.dumps({"__type": code}).encode(), {}
            asked = json.loads(body)
            if self.key is None or asked != {"Name": PARAMETER, "WithDecryption": True}:
                return 400, b'{"__type":"ParameterNotFound"}', {}
            return 200, json.dumps({"Parameter": {"Value": base64.b64encode(self.key).decode()}}).encode(), {}
        path, _, query = target.partition("?")
        bucket, _, name = unquote(path).lstrip("/").partition("/")
        if "X-Amz-Signature" in query:  # made by tests as `presigned`, which is enough to tell them from others
            if parse_qs(query)["X-Amz-Signature"] != [hashlib.sha256(name.encode()).hexdigest()]:
                return 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>", {}
        elif problem := self.signature_problem("s3", method, host, target, headers, body):
            return 403, f"<Error><Code>{problem}</Code></Error>".encode(), {}
        if name == LEASE_KEY and self.leases:
            status, code = self.leases.popleft()
            return status, f"<Error><Code>{code}</Code></Error>".encode(), {}
        if method == "PUT":
            self.objects[name] = (body, self.now())
            return 200, b"", {}
        if bucket != BUCKET or name not in self.objects:
            return 403, b"<Error><Code>AccessDenied</Code></Error>", {}
        content, written = self.objects[name]
        return 200, content, {"Last-Modified": formatdate(written, usegmt=True)}

    def presigned(self, name: str) -> str:
        return (
            f"http://127.0.0.1:{self.port}/{BUCKET}/{name}?X-Amz-Signature={hashlib.sha256(name.encode()).hexdigest()}"
        )

    def signature_problem(
        self, service: str, method: str, host: str, target: str, headers: dict[str, str], body: bytes
    ) -> str | None:
        """What AWS would call it, by botocore's own canonical form of the request."""
        known = {name.lower(): value for name, value in headers.items()}
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
            r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
            known.get("authorization", ""),
        )
        if found is None or "host" not in found[5].split(";"):
            return "IncompleteSignatureException"
        moment = known["x-amz-date"]
        signed_at = time.mktime(time.strptime(moment, "%Y%m%dT%H%M%SZ")) - time.timezone
        if abs(signed_at - self.now()) > 300:
            return "RequestTimeTooSkewed" if service == "s3" else "InvalidSignatureException"
        if known.get("x-amz-security-token") != self.credentials["AWS_SESSION_TOKEN"]:
            return "ExpiredToken" if service == "s3" else "ExpiredTokenException"
        credentials = Credentials(found[1], self.credentials["AWS_SECRET_ACCESS_KEY"])
        kind = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
        signer = kind(credentials, service, REGION)
        request = AWSRequest(method, f"https://{host}{target}", data=body)
        for name in found[5].split(";"):
            request.headers[name] = known[name]
        request.context["timestamp"] = moment
        text = signer.string_to_sign(request, signer.canonical_request(request))
        scope = (moment[:8], REGION, service, self.credentials["AWS_ACCESS_KEY_ID"])
        if signer.signature(text, request) != found[6] or (found[2], found[3], found[4], found[1]) != scope:
            return "SignatureDoesNotMatch"
        return None

    async def _websocket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: dict[str, str]
    ) -> None:
        self.handshakes_seen += 1
        refusal = self.handshakes.popleft() if self.handshakes else self.refuse_handshakes
        date = f"Date: {formatdate(self.now(), usegmt=True)}\r\n"
        if refusal is not None and refusal.http is not None:
            body = json.dumps(refusal.errors()).encode()
            head = f"HTTP/1.1 {refusal.http} {refusal.error}\r\n{date}Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            return
        offered = [word.strip() for word in headers["sec-websocket-protocol"].split(",")]
        assert "aws-appsync-event-ws" in offered
        encoded = next(word for word in offered if word.startswith("header-")).removeprefix("header-")
        assert "=" not in encoded
        authorization = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + _MAGIC).digest()).decode()
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\n{date}Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: aws-appsync-event-ws\r\n\r\n".encode()
        )
        connection = Connection(reader, writer, silent=self.silent_from_now)
        self.connections.append(connection)
        keeping = asyncio.create_task(self._keep_alive(connection))
        try:
            if refusal is None and (problem := self._unauthorized(authorization, b"{}")):
                refusal = Refusal("BadRequestException", problem)
            if refusal is not None:
                connection.send({"type": refusal.kind or "connection_error", **refusal.errors()})
                return
            while (message := await read_message(connection)) is not None:
                self._take(connection, message)
                await writer.drain()
        finally:
            keeping.cancel()
            self.connections.remove(connection)

    async def _keep_alive(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(self.ka_interval)
            connection.send({"type": "ka"})

    def _unauthorized(self, authorization: dict[str, str], body: bytes) -> str | None:
        if authorization.get("host") != HTTP_HOST:
            return "host"
        return self.signature_problem("appsync", "POST", HTTP_HOST, "/event", authorization, body)

    def _take(self, connection: Connection, message: dict[str, Any]) -> None:
        kind, operation = message["type"], message.get("id")
        if kind == "connection_init":
            connection.send({"type": "connection_ack", "connectionTimeoutMs": 300000})
            return
        asked = {"channel": message["channel"]}
        if kind == "publish":
            asked["events"] = message["events"]
        body = json.dumps(asked, separators=(",", ":")).translate(
            {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&='+"}
        )
        assert _CHANNEL.fullmatch(message["channel"])
        refusal: Any = None
        if problem := self._unauthorized(message["authorization"], body.encode()):
            refusal = Refusal("UnauthorizedException", problem)
        elif kind == "subscribe":
            refusal = self.subscribes.popleft() if self.subscribes else None
        elif self.refuse_publishes is not None:
            refusal = self.refuse_publishes
        elif self.publishes and (refusal := self.publishes.popleft()) is None:
            return
        if isinstance(refusal, Refusal):
            connection.send({"type": f"{kind}_error", "id": operation, **refusal.errors()})
        elif kind == "subscribe":
            connection.subscriptions[str(operation)] = message["channel"]
            self.subscribed.put(message["channel"])
            connection.send({"type": "subscribe_success", "id": operation})
        else:
            self._published(connection, message, refusal or set())

    def _published(self, connection: Connection, message: dict[str, Any], failing: set[int]) -> None:
        texts: list[str] = message["events"]
        assert 1 <= len(texts) <= 5
        assert all(len(text.encode()) <= 240 * 1024 for text in texts)
        assert sum(map(len, texts)) <= 1_200_000
        assert message["channel"] == REQUESTS
        self.batches.append(len(texts))
        self.batch_times.append(time.monotonic())
        lists: dict[str, list[dict[str, Any]]] = {"successful": [], "failed": []}
        for index, text in enumerate(texts):
            lists["failed" if index in failing else "successful"].append({"identifier": str(index), "index": index})
            if index not in failing:
                encoded = json.loads(text)
                datagram = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
                if not self.drop(message["channel"], datagram):
                    self.datagrams.put(datagram)
                    if self.on_datagram is not None:
                        self.on_datagram(datagram)
        connection.send({"type": "publish_success", "id": message["id"], **lists})

    def _broadcast(self, channel: str, texts: list[str]) -> None:
        for connection in self.connections:
            for subscription, subscribed in connection.subscriptions.items():
                if subscribed == channel:
                    for text in texts:
                        event = [text] if self.as_array else text
                        connection.send({"type": "data", "id": subscription, "event": event})


@contextmanager
def running_aws(tls: ssl.SSLContext | None = None) -> Iterator[Aws]:
    aws = Aws()
    with running_server(aws.serve, tls=tls, limit=4 * 1024 * 1024) as (aws.port, aws.loop):
        yield aws
