"""Messages, items and compression as bytes: whatever comes in, the answer is a value or `Malformed`."""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.wire import items, messages
from skykite_lambda.wire.codec import Malformed
from skykite_lambda.wire.compression import compress, decompress
from skykite_lambda.wire.items import Ack, Note, Segment, Stamp
from skykite_lambda.wire.messages import LAYOUTS

IDS = st.binary(min_size=16, max_size=16)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS,
    "text": st.text(),
    "bytes": st.binary(),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "flag": st.booleans(),
}


def values(name: str) -> st.SearchStrategy[Any]:
    """What a field of that name may hold."""
    if name.endswith(", or nothing"):
        return st.none() | values(name.removesuffix(", or nothing"))
    if name.startswith("several: "):
        return st.lists(values(name.removeprefix("several: ")), max_size=4).map(tuple)
    if " and " in name:
        one, _, other = name.partition(" and ")
        return st.tuples(values(one), values(other))
    return VALUES[name]


def messages_of(kind: type) -> st.SearchStrategy[Any]:
    return st.tuples(*(values(field.name) for field in LAYOUTS[kind].fields)).map(lambda fields: kind(*fields))


MESSAGES = st.one_of([messages_of(kind) for kind in LAYOUTS])
ITEMS = st.one_of(
    st.builds(Ack, st.integers(0, 2**32 - 1), st.integers(0, 2), st.integers(0, 2**64 - 1)),
    st.builds(Note, st.binary(max_size=40)),
    st.builds(Stamp, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)),
    st.builds(
        lambda message, part, more, age, data: Segment(message, part, part + 1 + more, 0, len(data) + more, age, data),
        st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 20), st.integers(0, 2**32 - 1),
        st.binary(max_size=40),
    ),
)  # fmt: skip


@given(MESSAGES)
def test_every_message_is_read_as_it_was_written(message: Any) -> None:
    from_stub = LAYOUTS[type(message)].from_stub
    again = messages.decode(messages.encode(message), from_stub=from_stub)
    assert again == message
    assert type(again) is type(message)


@given(MESSAGES)
def test_what_one_side_says_the_other_may_not(message: Any) -> None:
    with pytest.raises(Malformed):
        messages.decode(messages.encode(message), from_stub=not LAYOUTS[type(message)].from_stub)


@given(MESSAGES, st.data())
def test_a_message_cut_short_or_with_something_behind_it_is_malformed(message: Any, data: st.DataObject) -> None:
    written = messages.encode(message)
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    for wrong in (cut, written + b"\0"):
        with pytest.raises(Malformed):
            messages.decode(wrong, from_stub=LAYOUTS[type(message)].from_stub)


@given(st.sampled_from([layout.code for layout in LAYOUTS.values()]), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_message_or_malformed(code: int, data: bytes, from_stub: bool) -> None:
    for candidate in (data, bytes((code,)) + data):
        with contextlib.suppress(Malformed):
            messages.decode(candidate, from_stub=from_stub)


def test_bad_utf_8_is_malformed() -> None:
    hello = messages.encode(messages.Hello("xy"))
    with pytest.raises(Malformed):
        messages.decode(hello.replace(b"xy", b"\xff\xfe"), from_stub=True)


def test_a_length_that_promises_gigabytes_is_malformed_and_costs_nothing() -> None:
    with pytest.raises(Malformed):
        messages.decode(b"\x01\xff\xff\xff\xff", from_stub=True)
    trace = bytes((LAYOUTS[messages.Error].code,)) + bytes(16) + bytes(8) + b"\xff\xff\xff\xff"
    with pytest.raises(Malformed):
        messages.decode(trace, from_stub=False)


def test_half_a_character_in_a_text_of_the_users_is_no_failure() -> None:
    error = messages.Error(bytes(16), "E", "file \udcff", ())
    assert messages.decode(messages.encode(error), from_stub=False) == error._replace(message="file ?")


def test_no_two_messages_have_one_code() -> None:
    assert len({layout.code for layout in LAYOUTS.values()}) == len(LAYOUTS)


@given(st.lists(ITEMS, max_size=6))
def test_items_are_read_as_they_were_packed(found: list[items.Item]) -> None:
    assert items.parse(b"".join(map(items.pack, found))) == found


@given(st.binary(max_size=100), st.sampled_from([b"", b"\1", b"\2", b"\3", b"\4"]))
def test_any_bytes_are_items_or_malformed(data: bytes, kind: bytes) -> None:
    with contextlib.suppress(Malformed):
        items.parse(kind + data)


@pytest.mark.parametrize(
    "wrong",
    [
        Segment(1, 3, 3, 0, 9, 0, b"x"),  # the fourth of three
        Segment(1, 0, 0, 0, 9, 0, b"x"),
        Segment(1, 0, 65, 0, 99, 0, b"x"),  # too many
        Segment(1, 0, 1, 2, 1, 0, b"x"),  # flags from the future
        Segment(1, 0, 2, 0, 1, 0, b"xy"),  # longer than the whole
        Ack(1, 3, 0),
    ],
)
def test_items_that_contradict_themselves_are_malformed(wrong: items.Item) -> None:
    with pytest.raises(Malformed):
        items.parse(items.pack(wrong))


@given(st.binary(max_size=50_000))
def test_compression_gives_back_what_it_was_given(data: bytes) -> None:
    assert decompress(*compress(data)) == data


@pytest.mark.parametrize("size", [200, 10_000, 2_000_000])
def test_what_does_not_shrink_is_left_alone(size: int) -> None:
    noise = os.urandom(size)
    assert compress(noise) == (0, noise)


def test_what_shrinks_is_made_smaller() -> None:
    flags, data = compress(b'{"key": "value"}' * 1000)
    assert flags
    assert len(data) < 1000


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(Malformed):
        decompress(items.COMPRESSED, bomb)


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False)])
def test_the_cap_on_what_is_unpacked_is_exact(size: int, fits: bool) -> None:
    packed = zlib.compress(bytes(size))
    if fits:
        assert decompress(items.COMPRESSED, packed, 1000) == bytes(size)
    else:
        with pytest.raises(Malformed):
            decompress(items.COMPRESSED, packed, 1000)


@pytest.mark.parametrize("wrong", [b"", b"not zlib", zlib.compress(b"x" * 99)[:-1], zlib.compress(b"x" * 99) + b"more"])
def test_no_complete_stream_is_malformed(wrong: bytes) -> None:
    with pytest.raises(Malformed):
        decompress(items.COMPRESSED, wrong)
