"""What a session can be sure to remember."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.wire import memory
from skykite_lambda.wire.memory import Memory


def test_what_came_after_the_last_that_was_forgotten_is_known() -> None:
    it = Memory(0.0)
    assert it.reaches(b"a", 1)
    it.forget(b"a", 100)
    assert not it.reaches(b"a", 100)
    assert it.reaches(b"a", 101)
    assert it.reaches(b"b", 1), "another stub's"
    it.forget(b"a", 50)
    assert not it.reaches(b"a", 100)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=50))
def test_memory_is_never_thought_longer_than_it_is(forgotten: list[tuple[int, int]]) -> None:
    """However few stubs are listed."""
    most, memory.MOST_PEERS = memory.MOST_PEERS, 3
    try:
        it = Memory(0.0)
        for stub, came in forgotten:
            it.forget(bytes((stub,)), came)
            assert len(it) <= 3
        for stub, came in forgotten:
            assert not it.reaches(bytes((stub,)), came)
    finally:
        memory.MOST_PEERS = most


def test_stubs_that_were_silent_for_long_are_not_listed_any_more() -> None:
    it = Memory(0.0)
    it.forget(b"a", it.moment(1.0))
    it.forget(b"b", it.moment(2000.0))
    assert len(it) == 1
    assert not it.reaches(b"a", 1_000_000)
    assert it.reaches(b"a", 1_000_001)
    it.forget(b"b", it.moment(2001.0))
    it.moment(9000.0)
    it.forget(b"b", 3_000_000_000)
    assert len(it) == 0
    assert not it.reaches(b"b", 3_000_000_000)


def test_moments_are_microseconds_and_each_is_later() -> None:
    it = Memory(5.0)
    assert it.moment(6.0) == 1_000_000
    assert it.moment(6.0) == 1_000_001
    assert it.moment(5.5) == 1_000_002
    assert it.since(1_000_000, 8.0) == 2.0
