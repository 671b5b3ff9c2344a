"""How fast is not too fast: time and chance are arguments."""

from __future__ import annotations

import pytest

from skykite.live.circuit import PATIENCE_S, Circuit
from skykite.live.network import Trouble
from skykite.live.transport import Reason


def least(count: int) -> bytes:
    """Chance that always makes the shortest pause."""
    return bytes(count)


def trouble(reason: Reason = "unreachable") -> Trouble:
    return Trouble(reason, "no")


def test_while_all_is_well_there_is_room_for_as_many_as_allowed() -> None:
    circuit = Circuit(3, least)
    assert [circuit.room(0.0, under_way) for under_way in range(5)] == [True, True, True, False, False]


def test_after_a_failure_one_at_a_time_is_tried_after_a_pause() -> None:
    circuit = Circuit(3, least)
    circuit.failed(trouble(), started=0.0, now=1.0)
    assert not circuit.room(1.0, 0)
    assert circuit.retry_at == pytest.approx(1.125)
    assert circuit.room(circuit.retry_at, 0)
    assert not circuit.room(circuit.retry_at, 1)


def test_pauses_grow_up_to_a_limit() -> None:
    circuit = Circuit(3, least)
    now, pauses = 0.0, []
    for _ in range(12):
        circuit.failed(trouble(), started=now, now=now)
        pauses.append(circuit.retry_at - now)
        now = circuit.retry_at
    assert pauses[:4] == pytest.approx([0.125, 0.25, 0.5, 1.0])
    assert pauses[-1] == pytest.approx(5.0)


def test_requests_that_fail_together_are_one_failure() -> None:
    circuit = Circuit(60, least)
    for _ in range(60):
        circuit.failed(trouble("throttled"), started=0.0, now=1.0)
    assert circuit.retry_at == pytest.approx(1.25)


def test_a_success_of_what_began_before_proves_nothing() -> None:
    circuit = Circuit(3, least)
    circuit.failed(trouble(), started=0.0, now=1.0)
    assert not circuit.succeeded(started=0.5, now=1.1)
    assert circuit.trouble is not None
    assert circuit.succeeded(started=1.2, now=1.3)
    assert circuit.room(1.3, 2)


def test_a_failure_of_what_began_before_it_was_well_again_proves_nothing() -> None:
    circuit = Circuit(3, least)
    circuit.failed(trouble(), started=0.0, now=1.0)
    circuit.succeeded(started=1.2, now=1.3)
    circuit.failed(trouble(), started=0.9, now=1.4)
    assert circuit.trouble is None


def test_another_reason_has_pauses_of_its_own() -> None:
    circuit = Circuit(3, least)
    for now in range(5):
        circuit.failed(trouble(), started=now, now=now)
    circuit.failed(trouble("denied"), started=10.0, now=10.0)
    assert circuit.retry_at == pytest.approx(10.5)


def test_only_what_lasts_is_worth_telling_but_for_want_of_permission() -> None:
    circuit = Circuit(3, least)
    circuit.failed(trouble(), started=0.0, now=1.0)
    assert not circuit.worth_telling(1.0)
    assert circuit.worth_telling(1.0 + PATIENCE_S)
    circuit.succeeded(started=2.0, now=2.0)
    circuit.failed(trouble("denied"), started=3.0, now=3.0)
    assert circuit.worth_telling(3.0)


def test_when_something_has_changed_it_may_be_tried_at_once() -> None:
    circuit = Circuit(3, least)
    circuit.failed(trouble("denied"), started=0.0, now=1.0)
    circuit.hurry(1.01)
    assert circuit.room(1.01, 0)
