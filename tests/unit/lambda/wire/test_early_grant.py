"""INVOKE grants the invocation to the session that was heard a moment ago: one round trip, and still never two runs.

`Network` itself asserts that no call is ever run twice and that no answer is another run's.
"""

from __future__ import annotations

import pytest

from kit.network import OFFLINE, Call, Dev, Network, Party, Stub, Weather, spoken
from skykite_lambda.wire import Cancelled, Delivered, Invoke, Raised, Returned, Undelivered, messages
from skykite_lambda.wire.limits import (
    CLAIM_DELAY,
    CLAIM_WINDOW,
    CONTACT_FRESH,
    GRANT_FRESH,
    LARGEST_GRANTED,
    MOST_ENDED,
    OWNER_SILENCE,
    REMEMBER_ENDED,
    RESULT_HELD,
    SECOND_WINDOW,
)

ROUND_TRIP = 0.08
WINDOWS = CLAIM_WINDOW + SECOND_WINDOW


def in_contact(network: Network, *, clock_stops: bool = False, freezes: bool = False) -> Stub:
    """A container that had an answer a moment ago, of the session that is there."""
    stub = network.stub(freezes=freezes, clock_stops=clock_stops)
    first = network.call(stub)
    network.run_until([first])
    network.run(0.2)
    assert first.returned
    return stub


def answer(network: Network, call: Call) -> Call:
    network.run_until([call])
    network.run(0.2)
    return call


def conversation(network: Network) -> list[str]:
    """What will be said, by name."""
    said: list[str] = []

    def tap(sender: Party, address: bytes, datagram: bytes) -> None:
        said.append("+".join(type(message).__name__ for message in spoken(datagram)) or "ack")

    network.tap = tap
    return said


# What it is for.


def test_a_small_call_costs_one_round_trip_and_three_datagrams() -> None:
    network = Network()
    network.dev(work=0.01)
    stub = in_contact(network)
    said, published = conversation(network), stub.published
    call = answer(network, network.call(stub))
    assert said == ["Invoke", "Result", "ack"]
    assert stub.published - published == 2
    assert call.took == pytest.approx(ROUND_TRIP + 0.01)


def test_the_first_call_of_a_container_that_was_welcomed_is_granted_too() -> None:
    network = Network()
    network.dev(work=0.01)
    stub = network.stub()
    stub.hello()
    network.run(0.5)
    said = conversation(network)
    answer(network, network.call(stub))
    assert said == ["Invoke", "Result", "ack"]


def test_without_contact_it_has_to_ask() -> None:
    network = Network()
    network.dev(work=0.01)
    stub = in_contact(network)
    network.run(CONTACT_FRESH)
    said = conversation(network)
    answer(network, network.call(stub))
    assert said == ["Invoke", "Claim", "Grant", "Result", "ack"]


@pytest.mark.parametrize(("size", "granted"), [(LARGEST_GRANTED, True), (LARGEST_GRANTED + 1, False)])
def test_what_may_take_several_segments_has_to_ask(size: int, granted: bool) -> None:
    network = Network()
    network.dev(work=0.01)
    stub = in_contact(network)
    said = conversation(network)
    call = answer(network, network.call(stub, network.chance.randbytes(size)))
    assert call.returned
    assert ("Grant" not in said) is granted


def test_a_longer_run_is_claimed_in_time_for_its_lease() -> None:
    network = Network()
    network.dev(work=0.3)
    stub = in_contact(network)
    said = conversation(network)
    answer(network, network.call(stub))
    assert said == ["Invoke", "Claim", "ack", "Result", "ack"]
    dev = network.devs[0]
    dev.work = lambda call: 50.0
    call = network.call(stub, timeout=100.0)
    network.run(CLAIM_DELAY + 2 * ROUND_TRIP)
    assert stub.machine.state == "running"
    dev.crash()
    network.run_until([call])
    assert call.error == "LiveDevLost"
    assert "the connection to the `kite dev` that ran this invocation was lost" in (call.message or "")
    assert call.took < OWNER_SILENCE + 1


def test_a_heartbeat_does_if_the_claim_was_lost() -> None:
    network = Network()
    network.dev(work=20.0)
    stub = network.stub()
    stub.hello()
    network.run(0.5)
    network.tamper = lambda sender, address, datagram: (
        None if any(isinstance(message, messages.Claim) for message in spoken(datagram)) else datagram
    )
    call = network.call(stub, timeout=60.0)
    network.run(2.5)
    assert stub.machine.state == "running"
    network.run_until([call])
    assert call.returned


@pytest.mark.parametrize("outcome", ["error", "stored"])
def test_every_kind_of_answer_does(outcome: str) -> None:
    network = Network()
    dev = network.dev(work=0.01)
    stub = in_contact(network)
    call = network.call(stub)
    if outcome == "error":
        dev.errors[call.number] = ("ValueError", "no", [])
    else:
        dev.results[call.number] = bytes(2_000_000)
    network.run(10.0)
    assert call.outcome == (Raised("ValueError", "no") if outcome == "error" else Returned(bytes(2_000_000)))
    assert len(dev.events(Delivered)) == 2


def test_what_the_bridge_cost_is_known_when_it_starts() -> None:
    network = Network()
    dev = network.dev()
    stub = in_contact(network)
    network.run(3.0)
    answer(network, network.call(stub))
    assert dev.events(Invoke)[-1].bridge_ms == pytest.approx(ROUND_TRIP * 1000, abs=2)


# Two sessions, and one that is gone.


def test_a_session_that_stepped_down_declines_and_the_new_one_gets_it() -> None:
    network = Network()
    old = network.dev()
    stub = in_contact(network)
    new = network.dev()
    old.machine.step_down(old.clock())
    call = answer(network, network.call(stub))
    assert call.returned
    assert network.runs[call.number].dev is new
    assert call.took < 3 * ROUND_TRIP
    said = conversation(network)
    answer(network, network.call(stub))
    assert said[:2] == ["Invoke", "Result"], "from now on it is the new one"


def test_a_session_that_stepped_down_is_not_granted_anything_more() -> None:
    network = Network()
    old = network.dev(work=1.0)
    stub = network.stub(freezes=False)
    running = network.call(stub)
    network.run(0.5)
    network.dev()
    old.machine.step_down(old.clock())
    answer(network, running)
    assert running.returned
    said = conversation(network)
    answer(network, network.call(stub))
    assert "Reject" not in said
    assert "Grant" in said


def test_the_session_with_the_higher_epoch_is_granted_it() -> None:
    network = Network()
    old, new = network.dev(), network.dev()
    stub = network.stub(freezes=False)
    stub.hello()
    network.run(1.0)
    calls = [network.call(stub) for _ in range(3)]
    network.run_until(calls)
    assert {run.dev for run in network.ledger} == {new}
    assert old.machine.serving


def test_a_session_whose_lease_is_overdue_asks_first() -> None:
    network = Network()
    dev = network.dev()
    stub = in_contact(network)
    dev.machine.renewed(dev.clock() - 1.0, dev.clock())
    said = conversation(network)
    answer(network, network.call(stub))
    assert said == ["Invoke", "Claim", "Grant", "Result", "ack"]


def test_a_session_that_is_known_to_have_ended_is_not_waited_for() -> None:
    """kill -9 and a restart; the container has not noticed, and grants it to the one that is gone."""
    network = Network()
    old = network.dev()
    stub = in_contact(network)
    old.crash()
    new = network.dev(after=[old])
    network.run(1.0)
    call = answer(network, network.call(stub))
    assert call.returned
    assert network.runs[call.number].dev is new
    assert call.took < 3 * ROUND_TRIP


def test_a_session_that_may_have_run_it_before_it_ended_is_not_replaced() -> None:
    """It did run it. Its successor knows that it has ended, but not that it had not got this one."""
    network = Network()
    old = network.dev(work=60.0)
    stub = network.stub(freezes=False)
    stub.hello()
    network.run(0.5)
    network.black_hole(1.0, lambda sender, receiver: isinstance(receiver, Stub))
    call = network.call(stub)
    network.run(0.5)
    assert call.number in network.runs
    old.crash()
    new = network.dev(after=[old])
    network.run_until([call])
    assert call.error == "LiveDevLost"
    assert call.took == pytest.approx(WINDOWS, abs=0.01)
    assert not new.events(Invoke)
    network.run(1.0)
    assert new.events(Cancelled), "and the successor need not wait for its GRANT"


def test_a_session_that_may_be_asleep_is_not_replaced() -> None:
    """Its lease ran out, somebody else took over. It got the call, and runs it when its lid is opened."""
    network = Network()
    old = network.dev(work=1.0)
    stub = in_contact(network)
    old.sleep(30.0, clock_stops=True)
    new = network.dev()
    call = answer(network, network.call(stub))
    assert call.error == "LiveDevLost"
    network.run(60.0)
    assert not new.events(Invoke)
    assert network.runs[call.number].dev is old


def test_a_session_that_said_nothing_is_not_granted_the_next_one() -> None:
    """Killed without a word, and nobody knows: one call of a container may be lost, not one after the other."""
    network = Network()
    other, killed = network.dev(), network.dev()
    stub = in_contact(network)
    stub.machine.hello("Fn", stub.clock())
    stub.settle()
    network.run(1.0)
    killed.crash()
    first, second = network.call(stub), network.call(stub)
    network.run_until([first, second])
    assert first.error == "LiveDevLost"
    assert "whether it ran this invocation is not known" in (first.message or "")
    assert second.returned
    assert network.runs[second.number].dev is other


def test_a_claim_is_good_for_its_own_invocation_only() -> None:
    """Two calls during which sessions come and go: what the second session claimed of the first call is void."""
    network = Network()
    asleep = network.dev()
    stub = in_contact(network)
    asleep.sleep(300.0)
    leaving = network.dev()
    first = answer(network, network.call(stub))
    assert first.error == "LiveDevLost"
    third = network.dev()
    leaving.machine.step_down(leaving.clock())
    network.black_hole(1.0, lambda sender, receiver: sender is third)
    second = answer(network, network.call(stub))
    assert second.returned
    assert network.runs[second.number].dev is third


def test_only_the_latest_endings_are_vouched_for() -> None:
    network = Network()
    dev = network.dev(after=[])
    for number in range(100):
        dev.machine.ended(number.to_bytes(16, "big"), dev.clock())
    said: list[messages.Message] = []
    network.tap = lambda sender, address, datagram: said.extend(spoken(datagram))
    answer(network, network.call(network.stub()))
    (claim,) = [message for message in said if isinstance(message, messages.Claim)]
    assert [int.from_bytes(session, "big") for session, _ in claim.ended] == list(range(100 - MOST_ENDED, 100))


def test_a_laptop_that_knows_how_long_it_slept_does_not_run_what_is_over() -> None:
    network = Network()
    dev = network.dev()
    stub = in_contact(network, freezes=True)
    dev.sleep(GRANT_FRESH + 5.0)
    call = network.call(stub)
    network.run(120.0)
    assert call.error == "LiveDevLost"
    assert call.number not in network.runs
    assert [event.started for event in dev.events(Cancelled)] == [False]


@pytest.mark.parametrize("then", ["stays", "steps down", "leaves"])
def test_what_was_run_and_forgotten_is_neither_run_again_nor_declined(then: str) -> None:
    """A container whose clock stands still in the middle of a call sends its INVOKE once more, a minute later."""
    network = Network()
    old = network.dev(work=0.01)
    stub = network.stub(freezes=False)
    stub.hello()
    network.run(0.5)
    network.black_hole(60.0, lambda sender, receiver: isinstance(receiver, Stub))
    call = network.call(stub)
    network.run(0.06)
    assert call.number in network.runs
    stub.sleep(RESULT_HELD + REMEMBER_ENDED + 15.0, clock_stops=True)
    network.run(RESULT_HELD + REMEMBER_ENDED + 5.0)
    assert old.machine.retained["records"] == 0, "it is not forgotten yet"
    if then != "stays":
        network.dev()
        old.machine.step_down(old.clock())
    call.timeout = 1000.0
    if then == "leaves":
        network.run(10.6)  # its INVOKE has come again
        old.bye()
    network.run(60.0)
    assert call.error == "LiveDevLost"
    assert len(network.ledger) == 1
    assert len(old.events(Cancelled)) == (1 if then == "stays" else 0)


def test_what_was_forgotten_of_others_does_not_matter() -> None:
    """Ten minutes later the container still thinks it was answered just now: the session asks, and runs it."""
    network = Network()
    dev = network.dev(work=0.01)
    stub = in_contact(network, clock_stops=True, freezes=True)
    for _ in range(10):
        network.run(60.0)
        answer(network, network.call(network.stub()))
    said = conversation(network)
    call = answer(network, network.call(stub))
    assert call.returned
    assert said == ["Invoke", "Claim", "Grant", "Result", "ack"]
    assert dev.machine.retained["forgotten"] >= 10


def test_moments_tell_before_from_after_even_if_no_time_passes() -> None:
    network = Network()
    network.weather = Weather(delay=0.0)
    dev = network.dev(work=0.0)
    stub = network.stub(freezes=False)
    calls = [network.call(stub) for _ in range(5)]
    network.run_until(calls)
    assert all(call.returned for call in calls)
    moments = [dev.machine.stamp(dev.clock()) for _ in range(5)]
    assert moments == sorted(set(moments))


@pytest.mark.parametrize("seed", range(20))
def test_restarts_and_takeovers_under_loss_never_run_a_call_twice(seed: int) -> None:
    network = Network(seed, Weather(loss=0.2, duplication=0.2, jitter=0.5))
    network.dev(work=lambda call: network.chance.choice([0.01, 0.2, 3.0]))
    stubs = [network.stub(freezes=number % 2 == 0, clock_stops=number % 4 == 0) for number in range(8)]
    calls = [network.call(stub, after=network.chance.random() * 60, timeout=40.0) for stub in stubs for _ in range(10)]
    former: list[Dev] = []
    for change in range(8):
        network.run(8.0)
        dev = network.devs[-1]
        how = ("crash", "take over", "bye", "sleep")[(change + seed) % 4]
        if how == "sleep":
            dev.sleep(network.chance.choice([2.0, 20.0]), clock_stops=change % 2 == 0)
            continue
        if how == "crash":
            dev.crash()
        elif how == "bye":
            dev.bye()
        new = network.dev(dev.work, after=[dev] if how != "take over" and seed % 2 else ())
        new.machine.take_over(new.clock())
        new.settle()
        former.append(dev)
    network.run(600.0)
    assert all(call.outcome is not None for call in calls)
    assert len(network.ledger) == len(network.run_calls)
    assert sum(call.returned for call in calls) > 20
    assert all(dev.machine.quiet for dev in network.devs if dev.alive)


# What is heard, and when.


def test_letters_that_were_waiting_while_the_container_was_frozen_are_no_contact() -> None:
    """A heartbeat of ten minutes ago says nothing of now; the lease does, and at once."""
    network = Network()
    network.tamper = lambda sender, address, datagram: (
        None if any(isinstance(message, messages.Cancel) for message in spoken(datagram)) else datagram
    )
    devs = [network.dev(), network.dev()]
    stub = network.stub()
    answer(network, network.call(stub))
    network.run(20.0)
    assert stub.mailbox, "one of them claimed it as well, and was not told that it is over"
    for dev in devs:
        dev.crash()
    network.run(600.0)
    call = answer(network, network.call(stub))
    assert call.outcome == Raised("LiveDevOffline", OFFLINE)
    assert call.took < 0.1


def test_bye_reaches_those_who_would_grant_it_the_next_call() -> None:
    network = Network()
    dev = network.dev()
    stub = in_contact(network)
    dev.bye()
    assert dev.machine.quiet, "it waits for containers that are frozen"
    network.run(1.5)
    assert stub.machine.contact is None
    call = answer(network, network.call(stub))
    assert call.error == "LiveDevOffline"
    assert call.took < 0.1


@pytest.mark.parametrize("served", [True, False])
def test_what_a_session_did_not_get_before_it_left_is_not_lost(served: bool) -> None:
    """As when it was taken over, had nothing left to do, and was gone before the next INVOKE reached it."""
    network = Network()
    old = network.dev()
    stub = in_contact(network)
    new = network.dev() if served else None
    call = network.call(stub)  # it takes 40 ms to get there
    network.run(0.01)
    old.bye()
    network.run(0.02)
    old.alive = False
    answer(network, call)
    if new is None:
        assert call.error == "LiveDevOffline"
        assert call.took < CLAIM_WINDOW + 0.1
    else:
        assert call.returned, call.outcome
        assert network.runs[call.number].dev is new
        assert call.took < 3 * ROUND_TRIP


def test_what_a_session_has_run_is_not_run_again_when_it_leaves_before_its_outcome_has_come() -> None:
    network = Network()
    old = network.dev(work=0.01)
    stub = in_contact(network)
    new = network.dev()

    def lose_results(sender: Party, address: bytes, datagram: bytes) -> bytes | None:
        return None if any(isinstance(message, messages.Result) for message in spoken(datagram)) else datagram

    network.tamper = lose_results
    call = network.call(stub)
    network.run(0.1)
    assert network.runs[call.number].dev is old
    said = conversation(network)
    old.bye()
    old.alive = False
    answer(network, call)
    assert said[0] == "Leave"
    assert call.error == "LiveDevLost"
    assert "it may have run in part" in (call.message or "")
    assert new.machine.serving


def test_bye_while_it_may_be_running_is_a_loss_at_once() -> None:
    network = Network()
    dev = network.dev(work=50.0)
    stub = network.stub(freezes=False)
    stub.hello()
    network.run(0.5)
    call = network.call(stub)
    network.run(0.05)
    dev.bye()
    network.run_until([call])
    assert call.error == "LiveDevLost"
    assert "`kite dev` ended while it ran this invocation" in (call.message or "")
    assert call.took < 0.2


def test_an_answer_that_overtakes_its_claim_is_still_delivered() -> None:
    network = Network()
    dev = network.dev(work=CLAIM_DELAY + 0.01)
    stub = in_contact(network)
    late: list[bytes] = []

    def tamper(sender: Party, address: bytes, datagram: bytes) -> bytes | None:
        if any(isinstance(message, messages.Claim) for message in spoken(datagram)) and not late:
            late.append(datagram)
            network.at(network.now + 0.055, lambda: stub.arrives(datagram))
            return None
        return datagram

    network.tamper = tamper
    network.call(stub)
    network.run(30.0)
    assert late
    assert len(dev.events(Delivered)) == 2
    assert not dev.events(Undelivered)


def test_an_old_stamp_does_not_make_a_session_fresh_again() -> None:
    network = Network()
    dev = network.dev()
    stub = in_contact(network)
    moment = stub.machine._contacts._stamps[dev.machine.session][1]
    said: list[bytes] = []
    network.tap = lambda sender, address, datagram: said.append(datagram) if sender is dev else None
    network.tamper = lambda sender, address, datagram: None if sender is dev else datagram
    network.call(stub, timeout=3.0)
    network.run(5.0)
    network.tamper = None
    answer(network, network.call(stub))
    newest = stub.machine._contacts._stamps[dev.machine.session][1]
    stub.arrives(said[0])
    assert stub.machine._contacts._stamps[dev.machine.session][1] == newest > moment


def test_a_claim_is_not_repeated_after_the_answer() -> None:
    network = Network()
    network.dev(work=0.2)
    stub = in_contact(network)
    until = network.now + 3.0
    network.tamper = lambda sender, address, datagram: (
        None if network.now < until and isinstance(sender, Dev) else datagram
    )
    said = conversation(network)
    answer(network, network.call(stub))
    assert said.count("Claim") == 1
    assert said.count("Result") > 2


def test_a_stranger_of_another_release_does_not_disturb_those_who_understand_each_other() -> None:
    network = Network()
    network.dev(work=3.0)
    stub = in_contact(network)
    network.dev(protocol=2)
    until = network.now + 2.0
    network.tamper = lambda sender, address, datagram: (
        None
        if network.now < until and any(isinstance(message, messages.Claim) for message in spoken(datagram))
        else datagram
    )
    call = answer(network, network.call(stub))
    assert call.returned


def test_granting_early_can_be_left_out() -> None:
    network = Network()
    network.dev(work=0.01)
    stub = network.stub(freezes=False, grants_early=False)
    answer(network, network.call(stub))
    said = conversation(network)
    answer(network, network.call(stub))
    assert said == ["Invoke", "Claim", "Grant", "Result", "ack"]
