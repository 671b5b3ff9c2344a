"""Messages over datagrams that get lost, doubled and reordered."""

from __future__ import annotations

import itertools
import random
import zlib
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from skykite_lambda.wire import envelope, items
from skykite_lambda.wire.envelope import ANYONE, DEV, STUB, Envelope, StageKey, seal
from skykite_lambda.wire.limits import (
    ACK_DELAY,
    FIRST_RETRY,
    LARGEST_DATAGRAM,
    LARGEST_MESSAGE,
    LONGEST_RETRY,
    MOST_BUFFERED,
    MOST_PARTIALS,
    REMEMBER_PARTIAL,
    SHORTEST_RETRY,
)
from skykite_lambda.wire.link import Link
from skykite_lambda.wire.sending import SEGMENT_DATA, RoundTrip
from skykite_lambda.wire.timers import Timers

KEY = StageKey(b"k" * 32)
ALICE, BOB, CAROL = b"a" * 16, b"b" * 16, b"c" * 16
NOISE = random.Random(1).randbytes(1_000_000)  # does not compress


class End:
    """One end of a link, and what it was told."""

    def __init__(self, name: bytes, says: int, hears: int, *, most_peers: int = 100) -> None:
        self.name = name
        self.timers = Timers()
        self.link = Link(
            name, KEY, self, self.timers,
            says=lambda address: says, hears=frozenset((hears,)),
            first_message=0, most_peers=most_peers, protocol=1, now=0.0,
        )  # fmt: skip
        self.messages: list[bytes] = []
        self.notes: list[bytes] = []
        self.ages: list[float] = []
        self.ends: list[tuple[Any, int | None]] = []
        self.versions: list[int] = []
        self.stamps: list[items.Stamp] = []
        self.own_stamp: items.Stamp | None = items.Stamp(1, 1) if says == DEV else None
        self.verdict: int | None = items.TAKEN

    def heard(self, sender: bytes, says: int, stamp: items.Stamp | None, now: float) -> None:
        if stamp is not None:
            self.stamps.append(stamp)

    def stamp(self, now: float) -> items.Stamp | None:
        return self.own_stamp

    def taken(self, sender: bytes, message: bytes, age: float, now: float, *, note: bool) -> int | None:
        if self.verdict is not None:
            (self.notes if note else self.messages).append(message)
            self.ages.append(age)
        return self.verdict

    def settled(self, tag: Any, verdict: int | None, now: float) -> None:
        self.ends.append((tag, verdict))

    def foreign(self, sender: bytes, version: int, payload: bytes, now: float) -> None:
        self.versions.append(version)

    def outgoing(self, now: float) -> list[bytes]:
        return [datagram for _, datagram in self.link.outgoing(now)]

    def tick(self, now: float) -> list[bytes]:
        for key in self.timers.due(now):
            self.link.fire(key, now)
        return self.outgoing(now)

    def receive(self, datagrams: list[bytes], now: float = 0.0) -> None:
        for datagram in datagrams:
            self.link.receive(datagram, now)


def pair() -> tuple[End, End]:
    return End(ALICE, STUB, DEV), End(BOB, DEV, STUB)


def frame(*found: items.Item, number: int = 1, version: int = 1, sender: bytes = ALICE) -> bytes:
    """A frame of Alice's to Bob, as somebody with the key and bad intentions would write it."""
    payload = b"".join(map(items.pack, found))
    return seal(KEY, Envelope(version, STUB, sender, BOB, number, payload))


def contents(datagram: bytes) -> list[items.Item]:
    return items.parse(datagram[envelope.HEADER.size : -envelope.MAC_SIZE])


def parts(datagrams: list[bytes]) -> list[int]:
    found = [item for datagram in datagrams for item in contents(datagram)]
    return [item.part for item in found if isinstance(item, items.Segment)]


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (1, 1),
        (SEGMENT_DATA - 1, 1),
        (SEGMENT_DATA, 1),
        (SEGMENT_DATA + 1, 2),
        (2 * SEGMENT_DATA, 2),
        (2 * SEGMENT_DATA + 1, 3),
    ],
)
def test_messages_at_the_borders_of_segments_arrive_whole(size: int, count: int) -> None:
    alice, bob = pair()
    alice.link.send(BOB, NOISE[:size], "tag", 0.0, 9.0)
    sent = alice.outgoing(0.0)
    assert len(sent) == count
    assert all(len(datagram) <= LARGEST_DATAGRAM for datagram in sent)
    bob.receive(list(reversed(sent)))
    assert bob.messages == [NOISE[:size]]
    alice.receive(bob.tick(ACK_DELAY))
    assert alice.ends == [("tag", items.TAKEN)]
    assert alice.timers.next() is None, "it is still being sent"


def test_a_datagram_never_gets_larger_than_appsync_takes() -> None:
    """240 KB an event, and base64 with its quotes makes four bytes of three."""
    assert LARGEST_DATAGRAM * 4 / 3 + 2 < 240_000
    _, bob = pair()
    for size in (100, 90_000, 90_000, 500_000):
        bob.link.send(ALICE, NOISE[:size], None, 0.0, 9.0)
        bob.link.note(ALICE, NOISE[:3000], 0.0)
    assert max(map(len, bob.outgoing(0.0))) == LARGEST_DATAGRAM


def test_only_what_is_missing_is_sent_again() -> None:
    alice, bob = pair()
    alice.link.send(BOB, NOISE[: 5 * SEGMENT_DATA], "tag", 0.0, 9.0)
    sent = alice.outgoing(0.0)
    bob.receive([sent[0], sent[2], sent[4]])
    alice.receive(bob.tick(ACK_DELAY), 0.15)
    again = alice.tick(1.0)
    assert parts(again) == [1, 3]
    assert alice.link.counters.sent_again == 2
    bob.receive(again, 1.0)
    assert bob.messages == [NOISE[: 5 * SEGMENT_DATA]]


def test_what_two_listeners_have_of_it_is_not_added_up() -> None:
    """Said to anyone: half of it at one session and half at another is not a whole anywhere."""
    alice, bob = pair()
    carol = End(CAROL, DEV, STUB)
    alice.link.send(ANYONE, NOISE[: 2 * SEGMENT_DATA], "tag", 0.0, 9.0)
    first, second = alice.outgoing(0.0)
    bob.receive([first])
    carol.receive([second])
    alice.receive(bob.tick(ACK_DELAY) + carol.tick(ACK_DELAY), 0.1)
    assert alice.ends == []
    again = alice.tick(1.0)
    assert len(again) == 1
    bob.receive(again, 1.0)
    carol.receive(again, 1.0)
    assert bob.messages + carol.messages == [NOISE[: 2 * SEGMENT_DATA]]


def test_retries_back_off_and_end() -> None:
    alice, _ = pair()
    alice.link.send(BOB, b"x", "tag", 0.0, 10.0)
    alice.outgoing(0.0)
    times = [0.0]
    while (at := alice.timers.next()) is not None:
        if alice.tick(at):
            times.append(at)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[0] == pytest.approx(FIRST_RETRY)
    assert all(later >= earlier for earlier, later in itertools.pairwise(waits))
    assert max(waits) == pytest.approx(LONGEST_RETRY)
    assert alice.ends == [("tag", None)]
    assert at is None


def test_the_first_retry_follows_the_round_trip() -> None:
    trip = RoundTrip()
    assert trip.retry() == FIRST_RETRY
    for _ in range(50):
        trip.measured(0.01)
    assert trip.retry() == SHORTEST_RETRY, "faster than that and every delayed acknowledgement would cost a publish"
    for _ in range(50):
        trip.measured(0.5)
    assert 0.5 < trip.retry() < 0.7


def test_a_copy_is_acknowledged_but_not_delivered_again() -> None:
    alice, bob = pair()
    alice.link.send(BOB, b"once", "tag", 0.0, 9.0)
    bob.receive(alice.outgoing(0.0))
    bob.tick(ACK_DELAY)  # is lost
    bob.receive(alice.tick(1.0), 1.0)
    assert bob.messages == [b"once"]
    alice.receive(bob.outgoing(1.0))
    assert alice.ends == [("tag", items.TAKEN)], "the acknowledgement of a copy must not wait"


def test_a_refusal_is_repeated_for_a_copy() -> None:
    alice, bob = pair()
    bob.verdict = items.REFUSED
    alice.link.send(BOB, b"late", "tag", 0.0, 9.0)
    bob.receive(alice.outgoing(0.0))
    bob.tick(ACK_DELAY)  # is lost
    bob.receive(alice.tick(1.0), 1.0)
    alice.receive(bob.outgoing(1.0))
    assert alice.ends == [("tag", items.REFUSED)]


@pytest.mark.parametrize("size", [10, 3 * SEGMENT_DATA])
def test_what_is_not_taken_now_comes_again(size: int) -> None:
    alice, bob = pair()
    bob.verdict = None
    alice.link.send(BOB, NOISE[:size], "tag", 0.0, 99.0)
    bob.receive(alice.outgoing(0.0))
    alice.receive(bob.tick(ACK_DELAY))
    assert alice.ends == []
    bob.verdict = items.TAKEN
    bob.receive(alice.tick(1.0), 1.0)
    assert bob.messages == [NOISE[:size]]


def test_acknowledgements_travel_with_what_is_said_anyway() -> None:
    alice, bob = pair()
    alice.link.send(BOB, b"question", "tag", 0.0, 9.0)
    bob.receive(alice.outgoing(0.0))
    bob.link.send(ALICE, b"answer", None, 0.01, 9.0)
    (together,) = bob.outgoing(0.01)
    assert bob.tick(ACK_DELAY + 0.1) == [], "acknowledged twice"
    alice.receive([together])
    assert alice.ends == [("tag", items.TAKEN)]
    assert alice.messages == [b"answer"]


def test_who_repeats_itself_is_told_again_what_it_may_have_missed() -> None:
    """Its copy shows that the acknowledgement was lost, and what travelled with it."""
    alice, bob = pair()
    alice.link.send(BOB, b"question", "tag", 0.0, 9.0)
    bob.receive(alice.outgoing(0.0))
    bob.link.send(ALICE, b"answer", None, 0.0, 9.0)
    bob.outgoing(0.0)  # is lost
    again = alice.tick(FIRST_RETRY)
    at_once = [FIRST_RETRY - 0.01, FIRST_RETRY + 0.3]
    for now, expected in zip(at_once, ([b"answer"], [b"answer"]), strict=True):
        bob.receive(again, now)
        alice.receive(bob.outgoing(now), now)
        assert alice.messages == expected, "it should not wait for its own time to be sent again"


def test_nothing_is_begun_that_will_be_declined() -> None:
    """A session that steps down must not acknowledge half of what the next one needs as a whole."""
    alice, bob = pair()
    bob.link.declining = True
    alice.link.send(ANYONE, NOISE[: 2 * SEGMENT_DATA], "tag", 0.0, 9.0)
    alice.link.send(ANYONE, b"small", "tag", 0.0, 9.0)
    alice.link.send(BOB, NOISE[: 2 * SEGMENT_DATA], "tag", 0.0, 9.0)
    bob.receive(alice.outgoing(0.0))
    assert sorted(map(len, bob.messages)) == [5, 2 * SEGMENT_DATA]
    assert bob.link.retained["partial"] == 0


def test_the_age_of_a_message_is_that_of_its_first_transmission() -> None:
    alice, bob = pair()
    alice.link.send(BOB, b"x", None, 0.0, 99.0)
    alice.outgoing(0.0)
    bob.receive(alice.tick(7.0))
    assert bob.ages == [7.0]


def test_after_a_freeze_nothing_is_sent_more_than_once() -> None:
    alice, _ = pair()
    for number in range(3):
        alice.link.send(BOB, b"message %d" % number, None, 0.0, 9000.0)
    alice.outgoing(0.0)
    assert len(parts(alice.tick(600.0))) == 3
    assert alice.tick(600.0) == []
    assert alice.timers.next() > 600.0


def test_after_a_freeze_what_is_too_old_is_not_sent_but_reported() -> None:
    alice, _ = pair()
    alice.link.send(BOB, b"old", "tag", 0.0, 30.0)
    alice.outgoing(0.0)
    assert alice.tick(600.0) == []
    assert alice.ends == [("tag", None)]


def test_a_segment_that_comes_twice_counts_once() -> None:
    alice, bob = pair()
    alice.link.send(BOB, NOISE[: 2 * SEGMENT_DATA], None, 0.0, 9.0)
    first, second = alice.outgoing(0.0)
    payload = first[envelope.HEADER.size : -envelope.MAC_SIZE]
    copy = seal(KEY, Envelope(1, STUB, ALICE, BOB, (2 << 32) + 5, payload))
    bob.receive([first, copy, copy, second])
    assert bob.messages == [NOISE[: 2 * SEGMENT_DATA]]
    assert bob.link.counters.replayed == 1


def test_segments_that_contradict_the_first_are_dropped() -> None:
    _, bob = pair()
    bob.receive([frame(items.Segment(1, 0, 3, 0, 6, 0, b"ab"))])
    for number, wrong in enumerate(
        [
            items.Segment(1, 1, 4, 0, 6, 0, b"cd"),
            items.Segment(1, 1, 2, 0, 6, 0, b"cd"),
            items.Segment(1, 1, 3, 0, 7, 0, b"cd"),
            items.Segment(1, 1, 3, 1, 6, 0, b"cd"),
            items.Segment(1, 1, 3, 0, 6, 0, b"cdefg"),
        ]
    ):
        bob.receive([frame(wrong, number=number + 10)])
    assert bob.link.counters.conflicting == 5
    bob.receive([frame(items.Segment(1, 2, 3, 0, 6, 0, b"ef"), items.Segment(1, 1, 3, 0, 6, 0, b"cd"), number=99)])
    assert bob.messages == [b"abcdef"]


def test_segments_that_do_not_add_up_are_no_message() -> None:
    _, bob = pair()
    bob.receive([frame(items.Segment(1, 0, 2, 0, 9, 0, b"ab"), items.Segment(1, 1, 2, 0, 9, 0, b"cd"))])
    assert bob.messages == [b""], "which no message is"
    assert bob.link.retained["buffered"] == 0


def test_a_message_that_announces_too_much_is_not_even_begun() -> None:
    _, bob = pair()
    bob.receive([frame(items.Segment(1, 0, 2, 0, LARGEST_MESSAGE + 1, 0, b"ab"))])
    assert bob.link.counters.too_large == 1
    assert bob.link.retained["partial"] == 0
    assert bob.tick(1.0) == []


def test_a_bomb_is_refused_and_not_asked_for_again() -> None:
    _, bob = pair()
    bomb = zlib.compress(bytes(100_000_000))
    bob.receive([frame(items.Segment(1, 0, 1, items.COMPRESSED, len(bomb), 0, bomb))])
    assert bob.messages == []
    assert bob.link.counters.too_large == 1
    (answer,) = bob.tick(ACK_DELAY)
    assert items.Ack(1, items.REFUSED, 0) in contents(answer)


def test_partial_messages_of_one_peer_are_capped_and_expire() -> None:
    _, bob = pair()
    for number in range(100):
        bob.receive([frame(items.Segment(number, 0, 2, 0, 1000, 0, b"ab"), number=number)])
    assert bob.link.retained["partial"] == MOST_PARTIALS
    assert bob.link.counters.crowded == 100 - MOST_PARTIALS
    bob.tick(REMEMBER_PARTIAL + 1)
    assert bob.link.retained["partial"] == bob.link.retained["buffered"] == 0


def test_partial_messages_of_all_peers_are_capped_and_those_begun_are_completed() -> None:
    bob = End(BOB, DEV, STUB, most_peers=1000)
    size = 6_000_000
    for number in range(100):
        first = items.Segment(1, 0, 64, 0, size, 0, NOISE[:90_000])
        bob.receive([frame(first, sender=number.to_bytes(16, "big"))] if number else [])
    assert MOST_BUFFERED - size < bob.link.retained["buffered"] <= MOST_BUFFERED
    bob.receive([frame(items.Segment(2, 0, 1, 0, 5, 0, b"small"), number=5)])
    assert bob.messages == [b"small"], "what is whole needs no room"


def test_more_peers_than_allowed_push_out_the_one_that_was_silent_longest() -> None:
    bob = End(BOB, DEV, STUB, most_peers=10)
    for number in range(1, 1000):
        bob.receive([frame(items.Note(b"hi %d" % number), sender=number.to_bytes(16, "big"))])
        assert bob.link.retained["peers"] <= 11
    assert len(bob.notes) == 999


def test_busy_peers_are_not_pushed_out_but_the_newcomer_waits() -> None:
    bob = End(BOB, DEV, STUB, most_peers=3)
    for number in range(1, 6):
        bob.receive([frame(items.Segment(1, 0, 2, 0, 4, 0, b"ab"), sender=number.to_bytes(16, "big"))])
    assert bob.link.counters.crowded == 2
    bob.tick(REMEMBER_PARTIAL + 10)
    bob.receive([frame(items.Note(b"now"), sender=b"z" * 16)], 40.0)
    assert bob.notes == [b"now"]


def test_replays_are_dropped_and_counted() -> None:
    alice, bob = pair()
    alice.link.note(BOB, b"once", 0.0)
    sent = alice.outgoing(0.0)
    bob.receive(sent * 5)
    assert bob.notes == [b"once"]
    assert bob.link.counters.replayed == 4


def test_a_peer_that_was_forgotten_here_is_still_heard_there() -> None:
    """Forgetting a peer must not start its numbers again, or it would drop all that comes as replays."""
    bob = End(BOB, DEV, STUB, most_peers=1)
    alice = End(ALICE, STUB, DEV)
    for _ in range(3):
        alice.link.note(BOB, b"hello", 0.0)
        bob.receive(alice.outgoing(0.0))
        bob.link.note(ALICE, b"welcome", 0.0)
        alice.receive(bob.outgoing(0.0))
        bob.receive([frame(items.Note(b"hi"), sender=CAROL, number=len(bob.notes))])
    assert alice.notes == [b"welcome"] * 3


def test_a_stranger_cannot_acknowledge_for_somebody_else() -> None:
    bob = End(BOB, DEV, STUB)
    number = bob.link.send(CAROL, b"for Carol", "tag", 0.0, 9.0)
    bob.outgoing(0.0)
    bob.receive([frame(items.Ack(number, items.TAKEN, 0), sender=ALICE)])
    assert bob.ends == []
    bob.receive([frame(items.Ack(number, items.TAKEN, 0), sender=CAROL)])
    assert bob.ends == [("tag", items.TAKEN)]


def test_a_frame_whose_items_are_malformed_has_no_effect_at_all() -> None:
    _, bob = pair()
    payload = items.pack(items.Note(b"first")) + b"\xff"
    bob.receive([seal(KEY, Envelope(1, STUB, ALICE, BOB, 1, payload))])
    assert bob.notes == []
    assert bob.link.counters.malformed == 1


def test_frames_of_another_version_are_told_apart() -> None:
    _, bob = pair()
    bob.receive([frame(version=2), frame(version=0, number=2)])
    assert bob.versions == [2, 0]


class LossyLinks(RuleBasedStateMachine):
    """Whatever the network does: each message arrives at most once, unchanged; and in the end each is reported."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = pair()
        self.now = 0.0
        self.flying: list[tuple[int, bytes]] = []  # to whom, what
        self.sent: list[set[bytes]] = [set(), set()]

    def launch(self) -> None:
        for sender in (0, 1):
            self.flying += [(1 - sender, datagram) for datagram in self.ends[sender].outgoing(self.now)]

    @rule(sender=st.integers(0, 1), size=st.sampled_from([1, 2000, 5000, SEGMENT_DATA + 1, 3 * SEGMENT_DATA]))
    def send(self, sender: int, size: int) -> None:
        number = len(self.sent[sender])
        message = b"%d " % number + NOISE[:size]
        self.sent[sender].add(message)
        self.ends[sender].link.send(self.ends[1 - sender].name, message, number, self.now, self.now + 60.0)

    @rule()
    def publish(self) -> None:
        self.launch()

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), fate=st.sampled_from(["arrives", "arrives", "is lost", "is doubled", "is damaged"]))
    def datagram(self, data: st.DataObject, fate: str) -> None:
        to, datagram = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        if fate == "is damaged":
            datagram = datagram[:-1] + bytes((datagram[-1] ^ 1,))
        if fate == "is doubled":
            self.flying.append((to, datagram))
        if fate != "is lost":
            self.ends[to].link.receive(datagram, self.now)

    @rule(seconds=st.sampled_from([0.01, 0.2, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for end in self.ends:
            for key in end.timers.due(self.now):
                end.link.fire(key, self.now)

    def teardown(self) -> None:
        for _ in range(200):
            self.time_passes(0.5)
            self.launch()
            for to, datagram in self.flying:
                self.ends[to].link.receive(datagram, self.now)
            self.flying.clear()
        for sender, end in enumerate(self.ends):
            other = self.ends[1 - sender]
            assert len(other.messages) == len(set(other.messages)), "delivered twice"
            assert set(other.messages) <= self.sent[sender]
            assert sorted(tag for tag, _ in end.ends) == list(range(len(self.sent[sender])))
            taken = {tag for tag, verdict in end.ends if verdict == items.TAKEN}
            assert taken <= {int(message.split(b" ", 1)[0]) for message in other.messages}
            retained = end.link.retained
            assert retained["sending"] == retained["partial"] == retained["buffered"] == 0


TestLossyLinks = LossyLinks.TestCase
TestLossyLinks.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
