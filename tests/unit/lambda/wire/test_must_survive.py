"""What live development has to survive of a network, of a laptop and of Lambda: one simulation for each.

`Network` itself asserts that no call is ever run twice and that no answer is another run's.
"""

from __future__ import annotations

import random

import pytest

from kit.network import KEY, LEASE_RENEWED, OFFLINE, Call, Dev, Network, Party, Stub, Weather, spoken
from skykite_lambda.wire import (
    Cancelled,
    Delivered,
    Invoke,
    Raised,
    Rejected,
    Returned,
    TakenOver,
    Undelivered,
    envelope,
    messages,
)
from skykite_lambda.wire.limits import (
    CLAIM_HELD,
    CLAIM_WINDOW,
    INLINE_PAYLOAD,
    LARGEST_REQUEST,
    LARGEST_RESULT,
    OWNER_SILENCE,
)
from skykite_lambda.wire.messages import Message

NOISE = random.Random(2).randbytes(LARGEST_RESULT + 1)


def at_once(network: Network, calls: int, *, timeout: float = 60.0) -> list[Call]:
    """A container each, all invoked within a second."""
    return [network.call(network.stub(), timeout=timeout, after=network.chance.random()) for _ in range(calls)]


class Dropping:
    """Loses the first datagrams with such a message in them."""

    def __init__(self, kind: type[Message], times: int = 1) -> None:
        self.kind = kind
        self.left = times

    def __call__(self, sender: Party, address: bytes, datagram: bytes) -> bytes | None:
        if self.left and any(isinstance(message, self.kind) for message in spoken(datagram)):
            self.left -= 1
            return None
        return datagram


# The network.


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_loss_duplication_and_reordering(loss: float, jitter: float) -> None:
    network = Network(int(loss * 100), Weather(loss=loss, duplication=loss, jitter=jitter))
    network.dev()
    calls = at_once(network, 150)
    network.run(90.0)
    assert all(call.outcome is not None for call in calls)
    answered = sum(call.returned for call in calls) / len(calls)
    assert answered >= {0.3: 0.97, 0.4: 0.9}.get(loss, 0.99 if loss == 0.2 else 1.0)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in messages.LAYOUTS if kind not in (messages.Bye, messages.Leave, messages.Rehello)],
    ids=lambda kind: kind.__name__,
)
def test_the_first_of_each_message_is_lost(kind: type[Message]) -> None:
    """A small call, a large one, and a session that takes over: every kind of message is said in here."""
    network = Network()
    network.tamper = tamper = Dropping(kind)
    old = network.dev(work=3.0)
    stub = network.stub(freezes=False)
    stub.hello()
    large = NOISE[:2_000_000]
    small_call = network.call(stub)
    large_call = network.call(stub, large)
    old.results[large_call.number] = large
    failing_call = network.call(stub)
    old.errors[failing_call.number] = ("ValueError", "no", ["line\n"])
    network.run_until([small_call, large_call, failing_call])
    assert failing_call.outcome == Raised("ValueError", "no", ("line\n",))
    assert small_call.returned, small_call.outcome
    assert large_call.outcome == Returned(large)
    new = network.dev()
    new.machine.take_over(new.clock())
    new.settle()
    network.run(5.0)
    assert not old.machine.serving
    last = network.call(stub)
    network.run(30.0)
    assert last.returned
    assert network.runs[last.number].dev is new
    given_up = network.call(stub, timeout=3.0)
    new.work = lambda call: 60.0
    network.run(30.0)
    assert given_up.error == "LiveDeadline"
    assert new.events(Cancelled)
    assert not tamper.left, "it was not even said"


def test_every_bye_is_lost() -> None:
    network = Network()
    dev = network.dev(work=50.0)
    call = network.call(network.stub())
    network.run(3.0)
    network.tamper = tamper = Dropping(messages.Bye, 100)
    dev.bye()
    network.run_until([call])
    assert tamper.left < 100
    assert call.error == "LiveDevLost"
    assert call.took < 3.0 + OWNER_SILENCE


@pytest.mark.parametrize("lost", [0, 1, 100])
def test_a_grant_comes_after_the_claim_was_given_up(lost: int) -> None:
    """The session says REHELLO; if that gets lost, it is the silence that ends it. In no case does it run late."""
    network = Network()
    network.tamper = tamper = Dropping(messages.Rehello, lost)
    network.dev()
    call = network.call(network.stub(), timeout=60.0)
    network.run(0.05)
    network.black_hole(CLAIM_HELD + 0.5, lambda sender, receiver: isinstance(sender, Stub))
    network.run_until([call])
    assert call.error == "LiveDevLost"
    assert call.number not in network.runs
    assert CLAIM_HELD < call.took < CLAIM_HELD + (4.0 if lost < 100 else OWNER_SILENCE + 1)
    assert tamper.left == 0 or lost == 100


@pytest.mark.parametrize("side", ["stub", "dev"])
def test_the_first_acknowledgement_is_lost(side: str) -> None:
    network = Network()
    lost: list[bytes] = []

    def tamper(sender: Party, address: bytes, datagram: bytes) -> bytes | None:
        if isinstance(sender, Stub if side == "stub" else Dev) and not spoken(datagram) and not lost:
            lost.append(datagram)
            return None
        return datagram

    network.tamper = tamper
    dev = network.dev(work=0.5)
    call = network.call(network.stub(freezes=False))
    network.run(40.0)
    assert lost
    assert call.returned
    assert dev.events(Delivered)


@pytest.mark.parametrize("hole", [1.0, 2.5, 5.0])
def test_a_black_hole_right_after_subscribing(hole: float) -> None:
    """What AppSync does with concurrent cold starts: replies are lost although the subscription was confirmed."""
    network = Network()
    network.dev()
    network.black_hole(hole, lambda sender, receiver: isinstance(receiver, Stub))
    calls = at_once(network, 20)
    network.run_until(calls)
    assert all(call.returned for call in calls)


def test_a_black_hole_in_mid_run() -> None:
    network = Network()
    network.dev(work=20.0)
    calls = at_once(network, 20)
    network.run(5.0)
    network.black_hole(OWNER_SILENCE - 4)
    network.run_until(calls)
    assert all(call.returned for call in calls)


def test_publishes_of_which_a_part_fails() -> None:
    network = Network(3, Weather(partial_failure=0.3))
    dev = network.dev()
    call = network.call(network.stub(), NOISE[:900_000], timeout=60.0)
    dev.results[call.number] = NOISE[:800_000]
    calls = [call, *at_once(network, 50)]
    network.run_until(calls)
    assert all(call.returned for call in calls)


# The container.


@pytest.mark.parametrize("seconds", [1.0, 60.0, 600.0])
@pytest.mark.parametrize("mid_publish", [False, True], ids=["between calls", "mid publish"])
def test_a_container_is_frozen(seconds: float, mid_publish: bool) -> None:
    """While it waits for a claim: what it was about to publish goes out when it thaws, long after its call is over."""
    network = Network()
    dev = network.dev(work=0.1)
    stub = network.stub(freezes=False)
    stub.hello()
    network.run(1.0)
    stale = Call(number=100, payload=b'{"call": 100}', timeout=3.0)
    network.calls[100] = stale
    hole_over = network.now + 0.3
    network.tamper = lambda sender, address, datagram: None if network.now < hole_over else datagram
    stub.holding = mid_publish
    stub.call(stale)
    stub.sleep(seconds)
    stale.timeout = seconds + 10.0  # Lambda's clock stood still as well, or else it would have ended the function
    before = stub.published
    network.run(seconds + 0.2)
    assert stub.published - before <= 3, "a burst of what had piled up"
    network.run(20.0)
    assert stale.outcome is not None
    calls = [network.call(stub) for _ in range(3)]
    network.run_until(calls)
    assert all(call.returned for call in calls)
    assert stub.machine.retained["sending"] == 0
    if not stale.returned:
        assert 100 not in network.runs, "a stale invocation was run"
    network.run(60.0)
    assert dev.machine.quiet


@pytest.mark.parametrize("seconds", [1.0, 60.0, 600.0])
def test_a_container_is_frozen_between_two_calls(seconds: float) -> None:
    network = Network()
    dev = network.dev(work=0.1)
    stub = network.stub(freezes=True)
    first = network.call(stub)
    network.run_until([first])
    network.run(seconds)
    published = stub.published
    second = network.call(stub)
    network.run_until([second])
    assert first.returned
    assert second.returned
    assert stub.published - published <= 3
    network.run(60.0)
    assert len(dev.events(Delivered)) == 2
    assert dev.machine.retained["records"] == 0


def test_a_container_that_froze_in_mid_run_reads_what_came_before_it_gives_up() -> None:
    network = Network()
    network.dev(work=25.0)
    stub = network.stub(freezes=False)
    call = network.call(stub, timeout=60.0)
    network.run(1.0)
    stub.sleep(OWNER_SILENCE + 5.0)
    network.run_until([call])
    assert call.returned


def test_a_container_that_froze_while_it_waited_for_a_claim_reads_it_before_it_gives_up() -> None:
    network = Network()
    network.dev()
    stub = network.stub(freezes=False)
    network.black_hole(CLAIM_WINDOW + 0.5)
    call = network.call(stub, timeout=60.0)
    network.run(CLAIM_WINDOW + 0.4)
    stub.holding = True
    network.run(0.2)
    stub.machine.tick(network.now + 1.0)
    network.publish(stub, stub.machine.outgoing())
    stub.sleep(10.0)
    network.run_until([call])
    assert call.returned


def test_a_heartbeat_that_comes_after_the_answer_does_not_undo_it() -> None:
    """The acknowledgement is lost, the container is in its next call, and then the heartbeat comes."""
    network = Network()
    dev = network.dev(work=2.2)
    stub = network.stub(freezes=False)
    held: list[bytes] = []

    def tamper(sender: Party, address: bytes, datagram: bytes) -> bytes | None:
        if any(isinstance(message, messages.Heartbeat) for message in spoken(datagram)) and not held:
            held.append(datagram)
            return None
        lost = sender is stub and stub.machine.outcome is not None
        return None if lost else datagram

    network.tamper = tamper
    first = network.call(stub)
    network.run_until([first])
    network.call(stub)
    network.run(0.2)
    stub.arrives(held[0])
    network.tamper = None
    network.run(30.0)
    assert not dev.events(Undelivered)
    assert len(dev.events(Delivered)) == 2


def test_the_last_acknowledgement_is_lost_and_the_container_freezes() -> None:
    """The session cannot know; it says so after a while, and does not repeat its answer for ever."""
    network = Network()
    dev = network.dev()
    stub = network.stub()
    network.tamper = lambda sender, address, datagram: (
        None if sender is stub and stub.machine.outcome is not None else datagram
    )
    call = network.call(stub)
    network.run(60.0)
    assert call.returned
    (event,) = dev.events(Undelivered)
    assert not event.certain
    assert dev.published < 25


def test_a_call_that_lambda_gives_up_is_cancelled_here() -> None:
    network = Network()
    dev = network.dev(work=50.0)
    call = network.call(network.stub(freezes=False), timeout=10.0)
    network.run(60.0)
    assert call.error == "LiveDeadline"
    (event,) = dev.events(Cancelled)
    assert event.started
    assert dev.machine.retained["records"] == 0


# The developer's machine.


def test_dev_is_killed_before_its_claim() -> None:
    """It has acknowledged INVOKE, and that is all; the session that is started next gets the call."""
    network = Network()
    dev = network.dev()
    network.tamper = lambda sender, address, datagram: (
        None if any(isinstance(message, messages.Claim) for message in spoken(datagram)) else datagram
    )
    call = network.call(network.stub(freezes=False))
    network.run(0.3)
    assert call.outcome is None
    dev.crash()
    network.tamper = None
    new = network.dev()
    network.run_until([call])
    assert call.returned
    assert network.runs[call.number].dev is new


def test_dev_is_killed_before_its_claim_and_not_started_again() -> None:
    network = Network()
    network.dev().crash()
    call = network.call(network.stub())
    network.run_until([call])
    assert call.error == "LiveDevLost"
    assert 3.0 < call.took < 10.0


def test_a_container_that_waited_in_vain_for_a_session_does_not_wait_as_long_again() -> None:
    """Killed: nobody answers, and nobody renews the lease."""
    network = Network()
    stub = network.stub()
    dev = network.dev()
    network.run_until([network.call(stub)])
    network.lease_written()
    dev.crash()
    calls = [network.call(stub) for _ in range(4)]
    network.run_until(calls)
    assert {call.error for call in calls} == {"LiveDevLost"}
    first, *later = (call.took for call in calls)
    assert 7.5 < first < 9
    assert all(3.0 <= took < 3.2 for took in later)
    new = network.dev(after=[dev])
    call = network.call(stub)
    network.run_until([call])
    assert call.returned
    assert network.runs[call.number].dev is new


def test_a_session_that_renews_its_lease_is_waited_for_to_the_end_each_time() -> None:
    """It is there, and nothing comes through."""
    network = Network()
    stub = network.stub()
    dev = network.dev()
    network.run_until([network.call(stub)])
    network.black_hole(100.0)
    calls = []
    for _ in range(3):
        calls.append(network.call(stub))
        network.run_until(calls)
        network.run(LEASE_RENEWED)
    assert [call.error for call in calls] == ["LiveDevLost"] * 3
    assert all(7.5 < call.took < 9 for call in calls)
    assert dev.alive


def test_a_session_that_is_heard_again_is_waited_for_again() -> None:
    network = Network()
    stub = network.stub(freezes=False, grants_early=False)
    dev = network.dev()
    network.run_until([network.call(stub)])
    network.lease_written()
    network.black_hole(8.5)
    lost = network.call(stub)
    network.run_until([lost])
    assert lost.error == "LiveDevLost"
    network.run(1.0)
    stub.machine.hello("Fn", stub.clock())
    stub.settle()
    network.run(0.5)
    network.black_hole(6.0)
    call = network.call(stub)
    network.run_until([call])
    assert call.returned
    assert network.runs[call.number].dev is dev


def test_dev_is_killed_after_its_claim() -> None:
    network = Network()
    dev = network.dev(work=5.0)
    call = network.call(network.stub())
    network.run(0.1)
    dev.crash()
    network.dev()
    network.run_until([call])
    assert call.error == "LiveDevLost"
    assert call.number not in network.runs
    assert OWNER_SILENCE < call.took < OWNER_SILENCE + 1


def test_dev_is_killed_in_mid_run() -> None:
    network = Network()
    dev = network.dev(work=5.0)
    call = network.call(network.stub())
    network.run(3.0)
    assert call.number in network.runs
    dev.crash()
    network.dev()
    network.run_until([call])
    assert call.error == "LiveDevLost"


@pytest.mark.parametrize("heard", [True, False])
def test_dev_is_killed_after_its_result(heard: bool) -> None:
    network = Network()
    dev = network.dev()
    if not heard:
        network.tamper = Dropping(messages.Result, 100)
    call = network.call(network.stub())
    network.run(0.2)
    dev.crash()
    network.run_until([call])
    assert call.returned if heard else call.error == "LiveDevLost"


def test_dev_ends_in_mid_run() -> None:
    network = Network()
    dev = network.dev(work=50.0)
    calls = at_once(network, 5)
    network.run(3.0)
    dev.bye()
    network.run_until(calls)
    assert {call.error for call in calls} == {"LiveDevLost"}
    assert max(call.took for call in calls) < 4.0, "at once, not after a silence"
    assert "ended while it ran" in str(calls[0].outcome)


def test_nobody_is_connected() -> None:
    network = Network()
    call = network.call(network.stub())
    network.run_until([call])
    assert call.outcome == Raised("LiveDevOffline", OFFLINE)
    assert call.took < 0.1


def test_the_last_session_ended_while_its_lease_was_not_asked() -> None:
    """It was heard a moment ago, so the lease is only read after the claim window."""
    network = Network()
    dev = network.dev()
    stub = network.stub(freezes=False)
    first = network.call(stub)
    network.run_until([first])
    dev.machine.step_down(dev.clock())  # ends without a word
    dev.lease_until = network.now
    call = network.call(stub)
    network.run_until([call])
    assert call.error == "LiveDevOffline"
    assert 3.0 < call.took < 3.2


def test_the_laptop_sleeps_in_mid_run() -> None:
    network = Network()
    dev = network.dev(work=5.0)
    call = network.call(network.stub())
    network.run(1.0)
    dev.sleep(60.0)
    network.run_until([call])
    assert call.error == "LiveDevLost"
    network.run(60.0)
    assert dev.machine.quiet
    assert [event for event in dev.log if isinstance(event, (Cancelled, Undelivered))]
    again = network.call(network.stub())
    network.run_until([again])
    assert again.returned


def test_the_laptop_sleeps_while_calls_come_in() -> None:
    """They are all over when it wakes up: none is run, each is reported."""
    network = Network()
    dev = network.dev()
    dev.sleep(60.0)
    calls = at_once(network, 10, timeout=20.0)
    network.run(59.0)
    assert {call.error for call in calls} == {"LiveDevLost"}
    network.run(60.0)
    assert not dev.events(Invoke)
    assert not network.runs
    assert dev.machine.quiet


def test_a_short_nap_in_mid_run_is_no_loss() -> None:
    network = Network()
    dev = network.dev(work=10.0)
    call = network.call(network.stub())
    network.run(1.0)
    dev.sleep(8.0)
    network.run_until([call])
    assert call.returned


# Two sessions.


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2, 0.4])
def test_two_sessions_never_both_run_a_call(loss: float) -> None:
    network = Network(5, Weather(loss=loss, duplication=0.2, jitter=0.5))
    one, two = network.dev(), network.dev()
    calls = at_once(network, 200)
    network.run(120.0)
    assert all(call.outcome is not None for call in calls)
    assert {run.dev for run in network.ledger} == {one, two}
    answered = sum(call.returned for call in calls) / len(calls)
    assert answered >= (1.0 if loss < 0.2 else 0.99 if loss < 0.4 else 0.9)


def test_the_second_session_takes_over_and_the_first_finishes() -> None:
    network = Network(1, Weather(loss=0.1, jitter=0.1))
    old = network.dev(work=6.0)
    running = at_once(network, 10)
    network.run(4.0)
    new = network.dev(work=0.1)
    new.machine.take_over(new.clock())
    new.settle()
    network.run(3.5)
    assert old.events(TakenOver) == [TakenOver(new.machine.session, new.machine.epoch)]
    later = at_once(network, 10)
    network.run_until([*running, *later])
    assert all(call.returned for call in [*running, *later])
    assert {network.runs[call.number].dev for call in running} == {old}
    assert {network.runs[call.number].dev for call in later} == {new}
    network.run(60.0)
    assert old.machine.quiet


def test_an_older_session_cannot_take_over() -> None:
    network = Network()
    old, new = network.dev(), network.dev()
    old.machine.take_over(old.clock())
    old.settle()
    network.run(5.0)
    assert new.machine.serving
    assert not new.events(TakenOver)


# What is too large, and what is broken on purpose.


@pytest.mark.parametrize("size", [240_000, 240 * 1024, INLINE_PAYLOAD])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_payloads_at_the_borders_both_ways(size: int, more: int) -> None:
    payload, result = NOISE[: size + more], NOISE[1 : 1 + size + more]
    network = Network()
    dev = network.dev()
    call = network.call(network.stub(), payload)
    dev.results[call.number] = result
    network.run_until([call])
    assert call.outcome == Returned(result)
    assert network.runs[call.number].payload == payload
    assert bool(network.used_urls) == (size + more > INLINE_PAYLOAD)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_request_of_6_mb(more: int) -> None:
    payload = NOISE[: LARGEST_REQUEST + more]
    network = Network()
    network.dev()
    call = network.call(network.stub(), payload)
    network.run_until([call])
    if more > 0:
        assert call.error == "RequestTooLarge"
    else:
        assert call.returned
        assert network.runs[call.number].payload == payload


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_result_of_6_mb(more: int) -> None:
    result = NOISE[: LARGEST_RESULT + more]
    network = Network()
    dev = network.dev()
    call = network.call(network.stub(freezes=False))
    dev.results[call.number] = result
    network.run(30.0)
    if more > 0:
        assert call.error == "Function.ResponseSizeTooLarge"
    else:
        assert call.outcome == Returned(result)
    assert len(dev.events(Delivered)) == 1


def test_large_payloads_under_loss() -> None:
    network = Network(4, Weather(loss=0.2, duplication=0.1, jitter=0.3))
    dev = network.dev()
    calls = []
    for number, size in enumerate([900_000, 2_000_000, 1_000_000, 5_000_000] * 3):
        call = network.call(network.stub(), NOISE[number : number + size], timeout=120.0)
        dev.results[call.number] = NOISE[number + 100 : number + 100 + size]
        calls.append(call)
    network.run_until(calls)
    assert all(call.outcome == Returned(dev.results[call.number]) for call in calls)


def test_an_upload_that_fails_is_said_and_nothing_is_run() -> None:
    network = Network()
    dev = network.dev()
    network.broken_objects = True
    call = network.call(network.stub(freezes=False), NOISE[:2_000_000])
    network.run(30.0)
    assert call.error == "LivePayloadLost"
    assert call.number not in network.runs
    (event,) = dev.events(Cancelled)
    assert not event.started


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_stored_result_that_is_not_what_was_announced_is_no_answer(what: str) -> None:
    network = Network()
    dev = network.dev()
    call = network.call(network.stub(freezes=False))
    dev.results[call.number] = NOISE[:2_000_000]
    network.run(0.3)
    network.objects = dict.fromkeys(network.objects, b"forged") if what == "changed" else {}
    network.run(30.0)
    assert call.error == "LivePayloadLost"
    (event,) = dev.events(Undelivered)
    assert event.certain


@pytest.mark.parametrize("rubbish", [b"", b"\0", b"KW", b"\xff" * 5000, b'{"type":"ka"}', "ünïcode".encode("latin-1")])
def test_rubbish_on_the_channels_changes_nothing(rubbish: bytes) -> None:
    network = Network()
    dev, stub = network.dev(work=1.0), network.stub()
    call = network.call(stub)
    for step in range(20):
        network.at(network.now + step / 10, lambda: (dev.arrives(rubbish), stub.arrives(rubbish)))
    network.run_until([call])
    assert call.returned
    assert dev.machine.counters.malformed >= 10


def everything_said(network: Network) -> list[tuple[Party, bytes]]:
    """Record what is published from now on."""
    said: list[tuple[Party, bytes]] = []
    network.tap = lambda sender, address, datagram: said.append((sender, datagram))
    return said


def test_damaged_frames_change_nothing() -> None:
    """Each byte of a conversation damaged once, while it goes on."""
    network = Network()
    dev, stub = network.dev(work=0.5), network.stub(freezes=False)
    said = everything_said(network)
    call = network.call(stub)
    network.run_until([call])
    network.run(1.0)
    chance = random.Random(1)
    for sender, datagram in list(said):
        for position in range(len(datagram)):
            damaged = bytearray(datagram)
            damaged[position] ^= 1 << chance.randrange(8)
            (dev if sender is stub else stub).arrives(bytes(damaged))
    assert dev.machine.counters.received + stub.machine.counters.received == len(said)
    again = network.call(stub)
    network.run_until([again])
    assert again.returned


def test_a_whole_conversation_replayed_runs_nothing() -> None:
    network = Network()
    dev, stub = network.dev(), network.stub(freezes=False)
    said = everything_said(network)
    calls = [network.call(stub) for _ in range(5)]
    network.run_until(calls)
    conversation = list(said)
    for pause in (0.0, 1.0, 100.0, 4000.0):
        network.run(pause)
        for sender, datagram in conversation:
            (dev if sender is stub else stub).arrives(datagram)
    assert len(dev.events(Invoke)) == 5
    new = network.dev()
    for sender, datagram in conversation:
        if sender is stub:
            new.arrives(datagram)
    network.run(60.0)
    assert not new.events(Invoke), "run again by the session that was started next"
    again = network.call(stub)
    network.run_until([again])
    assert again.returned


def test_a_replay_after_the_session_has_forgotten_the_stub_runs_nothing() -> None:
    network = Network()
    dev, stub = network.dev(), network.stub(freezes=False)
    said = everything_said(network)
    call = network.call(stub)
    network.run_until([call])
    network.run(100.0)
    for address in list(dev.machine._link.peers._peers):
        del dev.machine._link.peers._peers[address]
    for sender, datagram in list(said):
        if sender is stub:
            dev.arrives(datagram)
    network.run(60.0)
    assert len(dev.events(Invoke)) == 1


def test_frames_of_another_stage_are_dropped_and_counted() -> None:
    """Policies cannot tell channels of one namespace apart, so another stage's stub may well publish here."""
    ours, theirs = Network(1), Network(2, key=b"another stage's key " * 2)
    dev, stub = ours.dev(), ours.stub()
    theirs.dev()
    foreign = theirs.stub(freezes=False)
    said = everything_said(theirs)
    theirs.run_until([theirs.call(foreign)])
    for _, datagram in said:
        dev.arrives(datagram)
        stub.arrives(datagram)
    assert dev.machine.counters.other_stage == stub.machine.counters.other_stage == len(said) > 0
    assert dev.machine.counters.received == stub.machine.counters.received == 0


def test_what_a_stub_said_sent_back_to_it_changes_nothing() -> None:
    network = Network()
    network.dev()
    stub, other = network.stub(freezes=False), network.stub(freezes=False)

    def reflect(sender: Party, address: bytes, datagram: bytes) -> None:
        if isinstance(sender, Stub):
            network.at(network.now, lambda: stub.arrives(datagram))
            network.at(network.now, lambda: other.arrives(datagram))

    network.tap = reflect
    calls = [network.call(stub), network.call(other)]
    network.run_until(calls)
    assert all(call.returned for call in calls)
    assert stub.machine.counters.reflected
    assert stub.machine.counters.elsewhere == other.machine.counters.elsewhere == 0


def test_an_attacker_without_the_key_gets_nothing_run() -> None:
    """It knows the protocol and every session, and can publish on every channel."""
    network, attackers = Network(1), Network(1, key=b"a guess at the stage's key 123456")
    dev, stub = network.dev(work=1.0), network.stub(freezes=False)
    evil_dev, evil_stub = attackers.dev(), attackers.stub(freezes=False)
    evil_stub.machine._link._key.name = evil_dev.machine._link._key.name = envelope.StageKey(KEY).name
    said = everything_said(attackers)
    call = network.call(stub)
    attackers.run_until([attackers.call(evil_stub)])
    for sender, datagram in said:
        (dev if sender is evil_stub else stub).arrives(datagram)
    network.run_until([call])
    assert call.returned
    assert len(dev.events(Invoke)) == 1
    assert dev.machine.counters.forged == sum(sender is evil_stub for sender, _ in said)


# Versions.


def test_an_old_stub_meets_a_newer_session() -> None:
    network = Network()
    dev = network.dev(protocol=2)
    stub = network.stub()
    call = network.call(stub)
    network.run_until([call])
    assert call.error == "LiveStubOutdated"
    assert "redeploy" in str(call.outcome)
    assert call.took < 1.5
    assert dev.events(Rejected) == [Rejected(stub.machine.session, 1)]
    assert not network.runs


def test_the_first_rejections_are_lost() -> None:
    network = Network()
    network.dev(protocol=2)
    lost = []

    def tamper(sender: Party, address: bytes, datagram: bytes) -> bytes | None:
        if isinstance(sender, Dev) and len(lost) < 2:
            lost.append(datagram)
            return None
        return datagram

    network.tamper = tamper
    call = network.call(network.stub())
    network.run_until([call])
    assert len(lost) == 2
    assert call.error == "LiveStubOutdated"


def test_a_newer_stub_meets_an_old_session() -> None:
    network = Network()
    dev = network.dev()
    stub = network.stub(protocol=2)
    call = network.call(stub)
    network.run_until([call])
    assert call.error == "LiveStubOutdated"
    assert "redeploy" in str(call.outcome)
    assert "deployed by a newer Skykite" in str(call.outcome)
    assert dev.events(Rejected) == [Rejected(stub.machine.session, 2)]


def test_an_old_stub_finds_the_session_that_still_understands_it() -> None:
    """While one session takes over from another of another release, either may answer first."""
    network = Network()
    network.dev(protocol=2)
    same = network.dev()
    calls = at_once(network, 10)
    network.run_until(calls)
    assert all(call.returned for call in calls)
    assert {run.dev for run in network.ledger} == {same}


# Many.


def test_a_thousand_at_once_are_all_answered_in_bounded_memory() -> None:
    network = Network(9, Weather(loss=0.02, jitter=0.1))
    dev = network.dev(work=lambda call: 0.5 + call.number % 7)
    payload = NOISE[:20_000]
    calls = [network.call(network.stub(), b"%d " % number + payload, timeout=120.0) for number in range(1000)]
    most_held = most_buffered = 0

    def watch() -> None:
        nonlocal most_held, most_buffered
        retained = dev.machine.retained
        most_held = max(most_held, retained["held"])
        most_buffered = max(most_buffered, retained["buffered"])
        network.at(network.now + 0.05, watch)

    watch()
    network.run(30.0)
    assert all(call.returned for call in calls)
    assert most_held <= 1000 * 21_000
    assert most_buffered == 0, "one datagram each: nothing to put together"
    network.run(100.0)
    assert dev.machine.retained["records"] == dev.machine.retained["held"] == 0
    assert dev.machine.retained["sending"] == 0
