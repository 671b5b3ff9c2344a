"""Frames to the letter of RFC 6455, whatever a server sends and however it is cut up."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.websocket import server_frame, unmask
from skykite_lambda.live.websocket import CLOSE, PING, TEXT, Frame, Frames, Violation, encode_frame

payloads = st.binary(max_size=200) | st.sampled_from([b"x" * size for size in (125, 126, 127, 65535, 65536)])


def raw(first: int, payload: bytes, *, length: bytes | None = None) -> bytes:
    return bytes([first]) + (bytes([len(payload)]) if length is None else length) + payload


def read(data: bytes) -> list[Frame]:
    frames = Frames(limit=1000)
    frames.feed(data)
    return list(iter(frames.next, None))


@given(opcode=st.sampled_from([TEXT, PING, CLOSE]), payload=payloads, mask=st.binary(min_size=4, max_size=4))
def test_what_is_sent_is_one_masked_frame_in_the_shortest_form(opcode: int, payload: bytes, mask: bytes) -> None:
    frame = encode_frame(opcode, payload, mask)
    expected = server_frame(opcode, payload)
    head = len(expected) - len(payload)
    assert frame[0] == expected[0]
    assert frame[1] == expected[1] | 0x80
    assert frame[2:head] == expected[2:head]
    assert frame[head : head + 4] == mask
    assert unmask(frame[head + 4 :], mask) == payload


def test_masking_240_kb_takes_next_to_no_time() -> None:
    payload = bytes(240 * 1024)
    started = time.perf_counter()
    for _ in range(10):
        encode_frame(TEXT, payload, b"abcd")
    assert (time.perf_counter() - started) / 10 < 0.01  # byte by byte takes 20 ms and more


@given(
    messages=st.lists(st.tuples(payloads, st.lists(st.integers(0, 70000), max_size=3)), max_size=4),
    cuts=st.lists(st.integers(1, 70000), max_size=20),
)
def test_messages_come_out_whole_however_they_are_fragmented_and_cut(
    messages: list[tuple[bytes, list[int]]], cuts: list[int]
) -> None:
    stream = b""
    for payload, places in messages:
        bounds = [0, *sorted(place % (len(payload) + 1) for place in places), len(payload)]
        parts = [payload[start:end] for start, end in pairwise(bounds)]
        for index, part in enumerate(parts):
            frame = server_frame(TEXT if index == 0 else 0, part)
            final = 0x80 if index == len(parts) - 1 else 0
            stream += bytes([frame[0] & 0x7F | final]) + frame[1:] + server_frame(PING, b"between")
    frames = Frames()
    found: list[Frame] = []
    for cut in [*cuts, len(stream)]:
        frames.feed(stream[:cut])
        stream = stream[cut:]
        while (frame := frames.next()) is not None:
            found.append(frame)
    assert [frame.payload for frame in found if frame.opcode == TEXT] == [payload for payload, _ in messages]


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_make_frames_or_a_violation(data: bytes) -> None:
    with suppress(Violation):
        assert all(len(frame.payload) <= 1000 for frame in read(data))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (raw(0xC1, b"x"), 1002),  # a compressed frame, which was not agreed on
        (raw(0x83, b"x"), 1002),  # an opcode that is none
        (raw(0x81, b"", length=b"\x80"), 1002),  # masked
        (raw(0x09, b"x"), 1002),  # a ping in fragments
        (raw(0x89, b"x" * 126, length=b"\x7e\x00\x7e"), 1002),  # a long ping
        (raw(0x80, b"x"), 1002),  # goes on with nothing
        (raw(0x01, b"x") + raw(0x81, b"y"), 1002),  # begins before the last one ended
        (raw(0x81, b"x", length=b"\x7e\x00\x01"), 1002),  # a length in more bytes than it needs
        (raw(0x81, b"x", length=b"\x7f" + bytes(7) + b"\x7e"), 1002),
        (raw(0x81, b"", length=b"\x7f" + b"\xff" * 8), 1009),  # a length beyond everything
        (raw(0x81, b"", length=b"\x7f" + (1001).to_bytes(8, "big")), 1002),
        (raw(0x81, b"", length=b"\x7e" + (1001).to_bytes(2, "big")), 1009),  # known before it has come
        ((raw(0x01, b"x" * 100) + raw(0x00, b"x" * 100) * 9 + raw(0x80, b"x")), 1009),  # too much in small parts
    ],
)
def test_what_a_server_must_not_send_ends_the_connection(data: bytes, code: int) -> None:
    with pytest.raises(Violation) as violation:
        read(data)
    assert violation.value.code == code
