"""How a WebSocket begins: with `websockets`' server as the oracle, in whatever pieces its answer comes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from skykite.live.handshake import Handshake

OFFERED = ("aws-appsync-event-ws", "header-abc")
REFUSAL = (
    b'HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"errors": ["not allowed"]}'
)


def asked(chooses: str = OFFERED[0]) -> tuple[Handshake, ServerProtocol, Request]:
    handshake = Handshake("events.example", "/event/realtime", OFFERED)
    server = ServerProtocol(subprotocols=[Subprotocol(chooses)])
    server.receive_data(handshake.request)
    (request,) = server.events_received()
    assert isinstance(request, Request)
    return handshake, server, request


def feed_in_pieces(handshake: Handshake, data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for begin, end in pairwise(places):
        handshake.feed(data[begin:end])


@given(cuts=st.lists(st.integers(min_value=0), max_size=5), behind=st.binary(max_size=20))
def test_an_answer_is_accepted_in_any_pieces_and_what_is_behind_it_is_kept(cuts: list[int], behind: bytes) -> None:
    handshake, server, request = asked()
    assert (request.path, request.headers["Host"]) == ("/event/realtime", "events.example")
    server.send_response(server.accept(request))
    feed_in_pieces(handshake, b"".join(server.data_to_send()) + behind, cuts)
    assert handshake.is_accepted
    assert handshake.behind == behind


@given(cuts=st.lists(st.integers(min_value=0), max_size=5))
def test_a_refusal_is_over_once_it_has_been_read_to_its_end(cuts: list[int]) -> None:
    handshake, _, _ = asked()
    handshake.feed(REFUSAL[:-1])
    assert not handshake.is_over
    handshake, _, _ = asked()
    feed_in_pieces(handshake, REFUSAL, cuts)
    assert handshake.is_over
    assert not handshake.is_accepted
    assert (handshake.status, handshake.reason, handshake.garbled) == (403, "Forbidden", None)
    assert handshake.behind == b'{"errors": ["not allowed"]}'


@given(cuts=st.lists(st.integers(min_value=0), max_size=8), sizes=st.lists(st.integers(1, 9), max_size=8))
def test_a_refusal_in_chunks_is_joined_in_whatever_pieces_it_comes(cuts: list[int], sizes: list[int]) -> None:
    said, chunks = b'{"errors": ["not allowed"]}', b""
    places = sorted({0, len(said), *(sum(sizes[:count]) % len(said) for count in range(len(sizes)))})
    for begin, end in pairwise(places):
        chunks += b"%X;of=no-interest\r\n%b\r\n" % (end - begin, said[begin:end])
    answer = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n"
    handshake, _, _ = asked()
    handshake.feed(answer[:-3])
    assert not handshake.is_over
    handshake, _, _ = asked()
    feed_in_pieces(handshake, answer, cuts)
    assert handshake.is_over
    assert (handshake.status, handshake.garbled, handshake.behind) == (403, None, said)


def test_a_refusal_without_a_length_is_what_comes_until_the_connection_ends() -> None:
    handshake, _, _ = asked()
    handshake.feed(b"HTTP/1.1 403 Forbidden\r\n\r\nnot ")
    handshake.feed(b"allowed")
    assert not handshake.is_over
    handshake.end()
    assert (handshake.is_over, handshake.status, handshake.garbled) == (True, 403, None)
    assert handshake.behind == b"not allowed"


@pytest.mark.parametrize(
    "head",
    [b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"],
    ids=["one chunk", "no chunk", "no length"],
)
def test_a_refusal_that_says_more_than_is_of_interest_is_over(head: bytes) -> None:
    handshake, _, _ = asked()
    handshake.feed(b"HTTP/1.1 403 Forbidden\r\n" + head)
    for _ in range(100):
        handshake.feed(b"x" * 1000)
    assert handshake.is_over
    assert (handshake.status, handshake.garbled) == (403, None)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAA\r\nSec-WebSocket-Protocol: aws-appsync-event-ws\r\n\r\n"
        ),
        b"x" * 40_000,
    ],
    ids=["another protocol", "nothing agreed on", "for another key", "no end"],
)
def test_what_is_no_websocket_is_told_as_such(answer: bytes) -> None:
    handshake, _, _ = asked()
    handshake.feed(answer)
    assert handshake.is_over
    assert not handshake.is_accepted
    assert handshake.garbled


def test_another_subprotocol_than_the_one_that_was_offered_is_not_taken() -> None:
    handshake, server, request = asked(chooses=OFFERED[1])
    server.send_response(server.accept(request))
    handshake.feed(b"".join(server.data_to_send()))
    assert handshake.garbled is not None


@pytest.mark.parametrize("received", [b"", b"HTTP/1.1 1"])
def test_a_connection_that_ends_too_soon_is_over(received: bytes) -> None:
    handshake, _, _ = asked()
    handshake.feed(received)
    assert not handshake.is_over
    handshake.end()
    assert handshake.is_over
    assert handshake.garbled is not None
    assert "ended" in handshake.garbled
