"""Output, taken apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skykite.runtime.logs import LogParser, LogText

NONCE = "0123456789abcdef"
BEGIN, END = b"\x000123456789abcdef(", b"\x000123456789abcdef)"


def parsed(*chunks: bytes) -> list[LogText]:
    parser = LogParser(NONCE)
    return [piece for chunk in chunks for piece in parser.feed(chunk)] + parser.flush()


def test_marked_text_is_stderr_and_order_is_kept() -> None:
    assert parsed(b"one\n" + BEGIN + b"two\n" + END + b"three\n") == [
        LogText(stream="stdout", text="one\n"),
        LogText(stream="stderr", text="two\n"),
        LogText(stream="stdout", text="three\n"),
    ]


def test_text_is_held_back_until_its_line_ends() -> None:
    parser = LogParser(NONCE)
    assert parser.feed(b"on") == []
    assert parser.feed(b"e\ntw") == [LogText(stream="stdout", text="one\n")]
    assert parser.flush() == [LogText(stream="stdout", text="tw")]
    assert parser.flush() == []


def test_bytes_that_are_not_utf8_are_shown_and_not_fatal() -> None:
    assert parsed(b"\xff\n") == [LogText(stream="stdout", text="\ufffd\n")]


def test_endless_line_is_handed_out_in_parts() -> None:
    parser = LogParser(NONCE)
    assert parser.feed(b"x" * 70_000) == [LogText(stream="stdout", text="x" * 70_000)]


@given(
    parts=st.lists(
        st.tuples(st.booleans(), st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1)), max_size=8
    ),
    cuts=st.lists(st.integers(min_value=1, max_value=40), max_size=40),
)
def test_nothing_is_lost_wherever_reads_are_cut(parts: list[tuple[bool, str]], cuts: list[int]) -> None:
    data = b"".join(BEGIN + text.encode() + END if error else text.encode() for error, text in parts)
    chunks = []
    for cut in cuts:
        chunks.append(data[:cut])
        data = data[cut:]
    pieces = parsed(*chunks, data)
    for error, stream in ((False, "stdout"), (True, "stderr")):
        assert "".join(p.text for p in pieces if p.stream == stream) == "".join(t for e, t in parts if e == error)
