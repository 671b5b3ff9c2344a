from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite.cli.render.lines import ASCII, UNICODE, clean, duration, size, symbols_for


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0.0 ms"),
        (3.21, "3.2 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (412.4, "412 ms"),
        (999.6, "1.0 s"),
        (1_250, "1.2 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min 0 s"),
        (125_000, "2 min 5 s"),
    ],
)
def test_durations_have_three_digits_at_most(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (187_185, "183 KB"),
        (1023 * 1024, "1.0 MB"),
        (250 * 1024**2, "250 MB"),
        (3 * 1024**3, "3.0 GB"),
        (4000 * 1024**3, "4000 GB"),
    ],
)
def test_sizes_have_three_digits_at_most_and_a_unit(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("encoding", "symbols"),
    [("utf-8", UNICODE), ("cp1252", ASCII), ("ascii", ASCII), ("no-such", ASCII), (None, ASCII)],
)
def test_symbols_are_those_the_terminal_can_show(encoding: str | None, symbols: object) -> None:
    assert symbols_for(encoding) is symbols


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a\tb"),
        ("10 %\r20 %\r\n30 %", "10 %\n20 %\n30 %"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[?25lhidden", "hidden"),
        ("bell\x07 null\x00", "bell\\x07 null\\x00"),
        ("\x9b2Jc1", "\\x9b2Jc1"),
        ("end\x1b", "end\\x1b"),
    ],
)
def test_a_function_can_colour_its_output_but_not_steer_the_terminal(written: str, shown: str) -> None:
    assert clean(written, colour=True) == shown


@given(st.text(alphabet=st.sampled_from("\x1b[]0;31mJ\x07\\ab\n\r\x9b?")))
def test_without_colour_no_escape_is_left(text: str) -> None:
    assert "\x1b" not in clean(text, colour=False)
