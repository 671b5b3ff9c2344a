"""Load on one URL over kept connections: requests a second and how long they take. I/O: sockets; prints.

    python benchmarks/http_load.py http://127.0.0.1:4000/ --connections 1,10,50 --seconds 5

Runs in a process of its own, needs nothing but Python 3.11, and takes uvloop if it is there. Each connection sends the
next request when it has the answer to the last. Connections are opened, and warmed by `--warmup` requests each, before
the clock starts. Latency is from the write of a request to its last byte.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 20.0  # a server that never answers must not hold up the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is sent, and where to."""

    host: str
    port: int
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One round. `failed` counts answers outside 200–299, connections that broke or were refused, and
    requests without an answer. Times are milliseconds."""

    connections: int
    requests: int
    failed: int
    seconds: float
    requests_per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class Client(asyncio.Protocol):
    """One connection. `ask` sends the request and gives the status; 0 means the connection broke."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._buffer = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    async def ask(self) -> int:
        transport = self._transport or await self._connect()
        self._answer = asyncio.get_running_loop().create_future()
        transport.write(self._target.request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        length = answer_length(self._buffer)
        if length is not None and len(self._buffer) >= length:
            status = int(self._buffer[9:12])
            keep_alive = b"connection: close" not in bytes(self._buffer[:length]).lower()
            del self._buffer[:length]
            if not keep_alive and self._transport is not None:
                self._transport.close()
                self._transport = None
            self._finish(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._finish(0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    async def _connect(self) -> asyncio.Transport:
        self._buffer.clear()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, self._target.host, self._target.port)
        return self._transport

    def _finish(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


def answer_length(buffer: bytearray) -> int | None:
    """How long the answer at the start of the buffer is, once that can be told (chunked: when it is all there)."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[:end]).lower()
    body = end + 4
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        return body + int(head[at + 17 :].split(b"\r\n", 1)[0])
    if b"\r\ntransfer-encoding: chunked" in head:
        while True:
            line = buffer.find(b"\r\n", body)
            if line < 0:
                return None
            size = int(buffer[body:line].split(b";")[0], 16)
            body = line + 2 + size + 2
            if size == 0:
                return body
    return body


async def run_round(target: Target, connections: int, seconds: float, warmup: int) -> Result:
    """`connections` clients for so many seconds."""
    clients = [Client(target) for _ in range(connections)]
    times: list[float] = []
    failed = 0
    for _ in range(warmup):
        hanging = await unanswered({asyncio.ensure_future(client.ask()): client for client in clients}, PATIENCE_S)
        failed += hanging
        if hanging:
            break
    start = time.perf_counter()
    end = start + seconds
    last = start

    async def work(client: Client) -> None:
        nonlocal failed, last
        now = time.perf_counter()
        while now < end:
            try:
                status = await client.ask()
            except OSError:
                status = 0
            before, now = now, time.perf_counter()
            times.append(now - before)
            if not 200 <= status <= 299:
                failed += 1
        last = max(last, now)

    rounds = {asyncio.ensure_future(work(client)): client for client in clients}
    hanging = await unanswered(rounds, seconds + PATIENCE_S)
    failed += hanging  # not in one line: that would read `failed` before the round and forget what the round counted
    elapsed = max(seconds, last - start)
    for client in clients:
        client.close()
    times.sort()
    return Result(
        connections=connections,
        requests=len(times),
        failed=failed,
        seconds=round(elapsed, 3),
        requests_per_second=round(len(times) / elapsed, 1),
        p50_ms=percentile(times, 50),
        p90_ms=percentile(times, 90),
        p99_ms=percentile(times, 99),
        max_ms=percentile(times, 100),
    )


async def unanswered(work: Mapping[asyncio.Future[Any], Client], patience_s: float) -> int:
    """How many had no answer in time or no connection. Theirs are closed, so that the next request opens another."""
    done, pending = await asyncio.wait(work, timeout=patience_s)
    for task in pending:
        task.cancel()
        work[task].close()
    return len(pending) + sum(task.exception() is not None for task in done)


def percentile(ordered: list[float], percent: int) -> float:
    """In milliseconds, of seconds in ascending order; nearest rank. 0 where nothing was answered."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)] * 1000, 3)


def make_target(url: str, method: str, headers: list[str], body: bytes) -> Target:
    """A request as bytes."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise SystemExit(f"`{url}` is not an http:// URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: http_load", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return Target(host=parts.hostname, port=parts.port or 80, request=head + body)


async def run_rounds(arguments: argparse.Namespace, target: Target) -> list[Result]:
    """One round after the other."""
    return [
        await run_round(target, connections, arguments.seconds, arguments.warmup)
        for connections in arguments.connections
    ]


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load on one URL over kept connections.")
    parser.add_argument("url")
    parser.add_argument("--connections", type=lambda text: [int(n) for n in text.split(",")], default=[1, 10, 50])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--warmup", type=int, default=50, help="requests on each connection before the clock starts")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[], metavar="'Name: value'")
    parser.add_argument("--body", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one object a round instead of a table")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Exit code 1 if anything failed."""
    options = parse(argv)
    body = Path(options.body).read_bytes() if options.body else b""
    target = make_target(options.url, options.method, options.header, body)
    try:
        import uvloop
    except ImportError:
        results = asyncio.run(run_rounds(options, target))
    else:
        results = uvloop.run(run_rounds(options, target))
    if options.json:
        for result in results:
            print(json.dumps(asdict(result)))
    else:
        print(f"{'conns':>5} {'req/s':>10} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'max ms':>8} {'failed':>7}")
        for result in results:
            print(
                f"{result.connections:>5} {result.requests_per_second:>10,.0f} {result.p50_ms:>8.3f}"
                f" {result.p90_ms:>8.3f} {result.p99_ms:>8.3f} {result.max_ms:>8.3f} {result.failed:>7}"
            )
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
