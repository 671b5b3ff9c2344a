"""Never more than so many, and never sooner than that."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.live.pace import Backoff, TokenBucket


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=300))
def test_no_second_holds_more_than_burst_and_rate(gaps: list[float]) -> None:
    bucket, now, taken = TokenBucket(25, 25.0, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now):
            taken.append(now)
        else:
            assert bucket.ready_at(now) > now
    for index, start in enumerate(taken):
        within = [moment for moment in taken[index:] if moment <= start + 1.0]
        assert len(within) <= 25 + 25 + 1


@given(st.integers(1, 60), st.floats(0, 100))
def test_it_is_ready_when_it_says(already: int, now: float) -> None:
    bucket = TokenBucket(25, 25.0, now)
    for _ in range(already):
        bucket.take(now)
    assert bucket.take(bucket.ready_at(now) + 1e-6)


def test_a_pause_lasts_as_long_as_it_should_and_ends() -> None:
    bucket = TokenBucket(25, 25.0, 0.0)
    bucket.pause(0.0, 2.0)
    assert not bucket.take(1.99)
    assert bucket.ready_at(1.99) <= 2.01
    assert bucket.take(2.01)
    assert not bucket.take(2.02)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = TokenBucket(1, 1.0, 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_waits_grow_to_their_limit_and_start_over() -> None:
    backoff = Backoff(0.2, 5.0, os.urandom)
    waits = [backoff.next() for _ in range(2000)]
    for place, wait in enumerate(waits):
        whole = min(5.0, 0.2 * 2 ** min(place, 16))
        assert whole / 2 <= wait <= whole
    assert len({round(wait, 6) for wait in waits[10:]}) > 1000  # no two stubs at the same moment
    assert backoff.failures == 2000
    backoff.reset()
    assert backoff.next() <= 0.2
