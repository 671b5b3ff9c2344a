"""One request, whatever comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from kit.live import PushedClock
from kit.loopback import running_server
from skykite_lambda.live.http import Origin, Response, TooLarge, parse_url, request
from skykite_lambda.live.network import Garbled, Network, Unreachable

Ask = Callable[..., Response]


@pytest.fixture
def answer() -> list[bytes]:
    return []


@pytest.fixture
def seen() -> list[bytes]:
    return []


@pytest.fixture
def ask(answer: list[bytes], seen: list[bytes]) -> Iterator[Ask]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        for part in answer:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if not answer:
            await reader.read()

    with running_server(serve) as (port, _):
        clock = PushedClock()
        network = Network({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}, clock)

        def ask(method: str = "GET", body: bytes = b"", within: float = 5.0, **headers: str) -> Response:
            deadline = clock.elapsed() + within
            return request(
                network, method, Origin("s3.example"), "/x?y", headers=headers, body=body, deadline=deadline, limit=1000
            )

        yield ask


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"],
        [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"],
        [b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"],
        [b"HTTP/1.0 200\r\n\r\nhello"],
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n03\r\nl",
            b"lo\r\n0\r\nTrailer: x\r\n\r\n",
        ],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r", b"\nhello\r\n0\r\n\r\n"],
    ],
)
def test_an_answer_is_read_in_every_form_and_in_every_piece(ask: Ask, answer: list[bytes], parts: list[bytes]) -> None:
    answer.extend(parts)
    found = ask()
    assert (found.status, found.body) == (200, b"hello")


def test_a_request_says_whom_it_is_for_and_how_long_it_is(ask: Ask, answer: list[bytes], seen: list[bytes]) -> None:
    answer.append(b"HTTP/1.1 204 None\r\nX-Y: z\r\n\r\n")
    found = ask("PUT", b"12345", **{"content-type": "text/plain"})
    assert (found.status, found.headers, found.body) == (204, {"x-y": "z"}, b"")
    assert seen[0].decode().lower().splitlines()[:-1] == [
        "put /x?y http/1.1",
        "connection: close",
        "accept-encoding: identity",
        "host: s3.example",
        "content-type: text/plain",
        "content-length: 5",
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\n",
    ],
)
def test_more_than_was_asked_for_is_not_taken(ask: Ask, answer: list[bytes], text: bytes) -> None:
    answer.append(text)
    with pytest.raises(TooLarge):
        ask()


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"HTTP/1.1 200 OK",
    ],
)
def test_what_is_no_http_is_no_answer(ask: Ask, answer: list[bytes], text: bytes) -> None:
    answer.append(text)
    with pytest.raises(Garbled):
        ask()


def test_a_server_that_never_answers_is_given_up_in_time(ask: Ask) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"`s3\.example` did not answer: timed out"):
        ask(within=0.2)
    assert time.monotonic() - started < 2


def test_an_answer_that_comes_before_the_request_is_over_counts(ask: Ask, answer: list[bytes]) -> None:
    """As when S3 refuses an upload by its headers, and ends the connection."""
    answer.append(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    assert ask("PUT", bytes(50_000_000)).status == 403


def test_no_header_smuggles_another_one_in(ask: Ask) -> None:
    with pytest.raises(ValueError, match="line break"):
        ask(accept="x\r\nhost: elsewhere")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://b.s3.amazonaws.com/k?a=b&c", (Origin("b.s3.amazonaws.com"), "/k?a=b&c")),
        ("http://127.0.0.1:4566/b/k", (Origin("127.0.0.1", 4566, False), "/b/k")),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: tuple[Origin, str]) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://h/",
        "https://h",
        "https:///x",
        "https://u@h/",
        "https://h:x/",
        "https://h/a b",
        "https://h/\r\n",
        "https://h/ü",
        "https://h?x/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"no URL|invalid literal"):
        parse_url(url)
