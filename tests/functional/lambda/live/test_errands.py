"""Threads beside the one that waits."""

from __future__ import annotations

import threading
from select import select

from skykite_lambda.live.errands import Errands, Finished


def wait_for(errands: Errands, count: int = 1) -> list[Finished]:
    found: list[Finished] = []
    while len(found) < count:
        assert select([errands], [], [], 5)[0], "nobody was woken"
        found += errands.finished()
    return found


def test_the_end_of_an_errand_wakes_who_waits_for_it() -> None:
    errands = Errands()
    errands.start("one", lambda _: "done")
    assert wait_for(errands) == [Finished("one", "done")]
    assert not errands.is_running("one")
    assert errands.finished() == []
    errands.heard()
    assert not select([errands], [], [], 0)[0]


def test_an_error_is_handed_over() -> None:
    errands = Errands()
    errands.start("one", lambda _: 1 / 0)
    (finished,) = wait_for(errands)
    assert isinstance(finished.result, ZeroDivisionError)


def test_an_errand_is_not_run_twice_at_once() -> None:
    errands = Errands()
    go = threading.Event()
    calls: list[int] = []

    def errand(_: threading.Event) -> None:
        calls.append(1)
        go.wait(5)

    errands.start("one", errand)
    errands.start("one", errand)
    assert errands.is_running("one")
    go.set()
    wait_for(errands)
    assert calls == [1]


def test_what_was_abandoned_is_told_so_and_never_heard_of_again() -> None:
    errands = Errands()
    told = threading.Event()

    def errand(cancelled: threading.Event) -> str:
        assert cancelled.wait(5)
        told.set()
        return "late"

    errands.start("one", errand)
    assert errands.abandon() == {"one"}
    assert told.wait(5)
    errands.start("one", lambda _: "new")
    assert wait_for(errands) == [Finished("one", "new")]
    assert errands.finished() == []
