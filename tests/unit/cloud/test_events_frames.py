"""Frames as the server of Event APIs reads and writes them, against the client of the `websockets` library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from skykite_cloud.events.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame, Frames, Violation, encode

LIMIT = 100_000
SIZES = st.sampled_from([0, 1, 3, 4, 125, 126, 127, 65535, 65536, 70_001])
MESSAGES = st.tuples(st.sampled_from([TEXT, BINARY]), st.lists(SIZES, min_size=1, max_size=3))
CONTROL = st.tuples(st.sampled_from([PING, PONG, CLOSE]), st.binary(max_size=125))


def client() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)


def sent(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """As a client sends it, in one frame."""
    return TheirFrame(Opcode(opcode), payload, fin=final).serialize(mask=True)


def read(frames: Frames, *pieces: bytes) -> list[Frame]:
    found = []
    for piece in pieces:
        frames.feed(piece)
        while (frame := frames.next()) is not None:
            found.append(frame)
    return found


@given(st.lists(st.one_of(MESSAGES, CONTROL), max_size=4), st.data())
def test_what_a_client_sends_is_read_however_it_is_cut(said: list[tuple[int, object]], data: st.DataObject) -> None:
    wanted: list[Frame] = []
    stream = b""
    for opcode, content in said:
        if isinstance(content, bytes):
            stream += sent(opcode, content)
            wanted.append(Frame(opcode, content))
            continue
        assert isinstance(content, list)
        parts = [bytes([65 + number]) * size for number, size in enumerate(content)]
        if sum(map(len, parts)) > LIMIT:
            continue
        for number, part in enumerate(parts):
            stream += sent(opcode if number == 0 else 0, part, final=number == len(parts) - 1)
        wanted.append(Frame(opcode, b"".join(parts)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(Frames(LIMIT), *pieces) == wanted


@given(st.sampled_from([TEXT, BINARY]), SIZES)
def test_a_client_understands_what_is_written(opcode: int, size: int) -> None:
    reader = client()
    reader.receive_data(encode(opcode, b"x" * size))
    (frame,) = reader.events_received()
    assert isinstance(frame, TheirFrame)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (opcode, True, b"x" * size)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode(TEXT, b"no mask"), 1002),
        (b"\xc1" + sent(TEXT, b"x")[1:], 1002),
        (b"\x83" + sent(TEXT, b"x")[1:], 1002),
        (sent(0, b"of nothing"), 1002),
        (sent(TEXT, b"one", final=False) + sent(TEXT, b"two"), 1002),
        (b"\x09" + sent(PING, b"in parts")[1:], 1002),
        (b"\x89\xfe\x00\x7e" + bytes(4 + 126), 1002),
        (b"\x81\xfe\x00\x05" + bytes(4 + 5), 1002),
        (b"\x81\xff" + (200).to_bytes(8, "big") + bytes(4 + 200), 1002),
        (b"\x81\xff" + (2**63).to_bytes(8, "big"), 1009),
        (sent(TEXT, b"x" * LIMIT, final=False) + sent(0, b"y"), 1009),
    ],
    ids=[
        "no mask", "reserved bit", "unknown opcode", "fragment of nothing", "two messages at once", "control in parts",
        "long control", "length in two bytes for one", "length in eight bytes for one", "an absurd length",
        "too long in parts",
    ],
)  # fmt: skip
def test_what_a_client_must_not_do_ends_the_connection(data: bytes, code: int) -> None:
    with pytest.raises(Violation) as raised:
        read(Frames(LIMIT), data)
    assert raised.value.code == code


def test_the_largest_message_is_taken() -> None:
    assert read(Frames(LIMIT), sent(TEXT, b"x" * LIMIT)) == [Frame(TEXT, b"x" * LIMIT)]
