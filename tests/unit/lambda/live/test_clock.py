"""Dates in headers, which decide whether a lease is alive and a signature valid."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.live.clock import Clock, parse_http_date


class TwoClocks(Clock):
    def __init__(self) -> None:
        self.monotonic_now = 1000.0
        self.time_now = 1_795_000_000.0
        super().__init__()

    def monotonic(self) -> float:
        return self.monotonic_now

    def time(self) -> float:
        return self.time_now


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(["running", "monotonic stops", "wall stops"])), max_size=20)
)
def test_frozen_time_counts_once_whichever_clock_missed_it(spans: list[tuple[float, str]]) -> None:
    clock = TwoClocks()
    began, passed, owed = clock.elapsed(), 0.0, 0.0
    for seconds, what in spans:
        clock.monotonic_now += 0 if what == "monotonic stops" else seconds
        clock.time_now += 0 if what == "wall stops" else seconds
        passed += seconds
        owed += seconds if what == "wall stops" else 0
        assert clock.elapsed() - began == pytest.approx(passed, abs=1e-3)
        clock.time_now += owed  # somebody puts the wall clock right, sooner or later
        owed = 0.0
        assert clock.elapsed() - began == pytest.approx(passed, abs=1e-3)


def test_a_wall_clock_that_is_set_back_takes_nothing_back() -> None:
    clock = TwoClocks()
    before = clock.elapsed()
    clock.time_now -= 3600
    assert clock.elapsed() == before
    clock.monotonic_now += 5
    clock.time_now += 5
    assert clock.elapsed() == before + 5


@given(st.integers(-60_000_000_000, 250_000_000_000))
def test_every_date_is_read_as_the_standard_library_writes_it(seconds: int) -> None:
    assert parse_http_date(formatdate(seconds, usegmt=True)) == seconds


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "now",
        "Fri, 27 Nov 2026 22:16:00",
        "Fri, 27 Nov 2026 22:16:00 CET",
        "Friday, 27-Nov-26 22:16:00 GMT",
        "Fri Nov 27 22:16:00 2026",
        "Fri, 27 Foo 2026 22:16:00 GMT",
        "Fri, 27 Nov 2026 22:16 GMT",
        "Fri, x Nov 2026 22:16:00 GMT",
        "Fri, 27 Nov 2026 22:1²:00 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert parse_http_date(text) is None
