"""Messages over datagrams that get lost, doubled and reordered: the half of the protocol both sides share.

In: datagrams, messages to send, time. Out: datagrams; messages, each at most once as long as it is remembered; what
became of those that were sent. Whatever comes from outside is counted and never raises. No I/O.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, List, Optional, Protocol, Tuple

from . import envelope, items
from .codec import Malformed
from .compression import decompress
from .envelope import ANYONE, Envelope, StageKey
from .limits import (
    ACK_DELAY,
    LARGEST_DATAGRAM,
    LARGEST_MESSAGE,
    MOST_BUFFERED,
    MOST_PARTIALS,
    REMEMBER_PARTIAL,
    SHORTEST_RETRY,
)
from .peers import Peer, Peers
from .receiving import Partial
from .sending import Outbound, RoundTrip
from .timers import Timers

_ROOM = LARGEST_DATAGRAM - envelope.OVERHEAD


class Counters:
    """What was dropped and why, and what was done about loss."""

    __slots__ = (
        "conflicting", "crowded", "duplicate", "elsewhere", "forged", "malformed", "other_protocol", "other_stage",
        "received", "reflected", "replayed", "sent", "sent_again", "too_large",
    )  # fmt: skip

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    conflicting: int
    crowded: int
    duplicate: int
    elsewhere: int
    forged: int
    malformed: int
    other_protocol: int
    other_stage: int
    received: int
    reflected: int
    replayed: int
    sent: int
    sent_again: int
    too_large: int

    def count(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    def as_dict(self) -> Dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


class Session(Protocol):
    """What sits on top of a link."""

    def heard(self, sender: bytes, says: int, stamp: Optional[items.Stamp], now: float) -> None:
        """A valid frame of this sender is about to be looked at."""

    def stamp(self, now: float) -> Optional[items.Stamp]:
        """What to put on the frames that are sent now."""

    def taken(self, sender: bytes, message: bytes, age: float, now: float, *, note: bool) -> Optional[int]:
        """A message is here: the verdict to acknowledge it with, or None, as if it had been lost."""

    def settled(self, tag: Any, verdict: Optional[int], now: float) -> None:
        """What became of a message that was sent: taken, refused, or (None) not acknowledged in time."""

    def foreign(self, sender: bytes, version: int, payload: bytes, now: float) -> None:
        """A valid frame in another version of the protocol."""


class Link:
    """One end. `session` is its own name; `hears` says whom it listens to, `says` who it is to an address."""

    def __init__(
        self,
        session: bytes,
        key: StageKey,
        owner: Session,
        timers: Timers,
        *,
        says: Callable[[bytes], int],
        hears: FrozenSet[int],
        first_message: int,
        most_peers: int,
        protocol: int,
        now: float,
    ) -> None:
        self._session = session
        self._key = key
        self._owner = owner
        self._timers = timers
        self._says = says
        self._hears = hears
        self._next_message = first_message
        self._protocol = protocol
        self._now = now
        self._out: Dict[int, Outbound] = {}
        self._ready: Dict[bytes, Peer] = {}
        self._datagrams: List[Tuple[bytes, bytes]] = []
        self._buffered = 0
        self.declining = False  # of what is said to anyone, no message is begun that has several segments
        self.peers = Peers(most_peers, now)
        self.round_trip = RoundTrip()
        self.counters = Counters()

    # Sending.

    def send(self, to: bytes, message: bytes, tag: Any, now: float, expires: float) -> int:
        """Until it is acknowledged or has expired; `Session.settled` tells which."""
        number = self._next_message = (self._next_message + 1) & 0xFFFFFFFF
        outbound = self._out[number] = Outbound(number, to, message, tag, now=now, expires=expires)
        peer = self.peers.to(to, now)
        peer.unacknowledged[number] = outbound
        peer.queue[number] = outbound
        self._ready[to] = peer
        self._timers.set(("send", number), outbound.next_look(now, self.round_trip.retry()))
        return number

    def note(self, to: bytes, message: bytes, now: float) -> None:
        """Once."""
        peer = self._ready[to] = self.peers.to(to, now)
        peer.note(message)

    def forget(self, number: Optional[int]) -> None:
        """Send it no more."""
        outbound = self._out.pop(number, None) if number is not None else None
        if outbound is not None:
            self._timers.cancel(("send", outbound.number))
            peer = self.peers.get(outbound.to)
            if peer is not None:
                del peer.unacknowledged[outbound.number]
                peer.queue.pop(outbound.number, None)

    def is_sending(self, number: Optional[int]) -> bool:
        return number in self._out

    @property
    def is_sending_any(self) -> bool:
        return bool(self._out)

    def universal(self, to: bytes, payload: bytes, now: float) -> None:
        """A frame that every version can read."""
        self._frame(to, self.peers.to(to, now), payload, envelope.UNIVERSAL)

    def acknowledge_now(self, to: bytes) -> None:
        """What it has said, or is just saying, without waiting for something else to say."""
        peer = self.peers.get(to)
        if peer is not None:
            peer.hurry = True
            self._ready[to] = peer

    def outgoing(self, now: float) -> List[Tuple[bytes, bytes]]:
        """Address and datagram of all that is to be sent now."""
        ready, self._ready = self._ready, {}
        for address, peer in ready.items():
            self._pack(address, peer, now)
        found, self._datagrams = self._datagrams, []
        return found

    def _pack(self, address: bytes, peer: Peer, now: float) -> None:
        peer.hurry = False
        parts = [items.pack(items.Ack(message, *owed)) for message, owed in peer.acks.items()]
        if parts:
            peer.acks.clear()
            self._timers.cancel(("ack", address))
        parts += [items.pack(items.Note(note)) for note in peer.notes]
        peer.notes.clear()
        for outbound in peer.queue.values():
            segments = outbound.take(now)
            self.counters.sent_again += len(segments) if outbound.latest != outbound.sent else 0
            parts += map(items.pack, segments)
        peer.queue.clear()
        stamp = self._owner.stamp(now) if parts else None
        front = b"" if stamp is None else items.pack(stamp)
        while parts:
            size, taken = len(front), 0
            while taken < len(parts) and (not taken or size + len(parts[taken]) <= _ROOM):
                size += len(parts[taken])
                taken += 1
            self._frame(address, peer, front + b"".join(parts[:taken]), self._protocol)
            del parts[:taken]

    def _frame(self, address: bytes, peer: Peer, payload: bytes, version: int) -> None:
        peer.number += 1
        sealed = envelope.seal(
            self._key, Envelope(version, self._says(address), self._session, address, peer.number, payload)
        )
        self.counters.sent += 1
        self._datagrams.append((address, sealed))

    # Receiving.

    def receive(self, datagram: bytes, now: float) -> None:
        opened = envelope.unseal(self._key, datagram, self._session, self._hears)
        if isinstance(opened, str):
            self.counters.count(opened)
            return
        version, says, sender, to, number, payload = opened
        peer = self.peers.meet(sender, now)
        if peer is None:
            self.counters.crowded += 1
            return
        if not (peer.shouted if to == ANYONE else peer.direct).admit(number):
            self.counters.replayed += 1
            return
        self.counters.received += 1
        if version != self._protocol:
            self.counters.other_protocol += 1
            self._owner.foreign(sender, version, payload, now)
            return
        try:
            found = items.parse(payload)
        except Malformed:
            self.counters.malformed += 1
            return
        stamps = [item for item in found if isinstance(item, items.Stamp)]
        self._owner.heard(sender, says, stamps[0] if stamps else None, now)
        for item in found:
            if isinstance(item, items.Segment):
                if self.declining and to == ANYONE and item.parts > 1:
                    self.counters.elsewhere += 1
                else:
                    self._segment(sender, peer, item, now)
            elif isinstance(item, items.Ack):
                self._acknowledged(sender, item, now)
            elif isinstance(item, items.Note):
                self._owner.taken(sender, item.data, 0.0, now, note=True)

    def _acknowledged(self, sender: bytes, ack: items.Ack, now: float) -> None:
        outbound = self._out.get(ack.message)
        if outbound is None or outbound.to not in (sender, ANYONE):
            return
        if ack.verdict == items.PARTIAL:
            outbound.acknowledged(sender, ack.here)
            return
        if outbound.sent is not None and outbound.latest == outbound.sent:
            self.round_trip.measured(now - outbound.sent)
        self.forget(ack.message)
        self._owner.settled(outbound.tag, ack.verdict, now)

    def _segment(self, sender: bytes, peer: Peer, segment: items.Segment, now: float) -> None:
        known = peer.delivered.get(segment.message)
        if known is not None:
            self.counters.duplicate += 1
            peer.acks[segment.message] = (known[0], 0)
            self._ready[sender] = peer
            self._hasten(peer, now)
            return
        partial = None
        if segment.parts == 1:
            whole: Optional[bytes] = segment.data if len(segment.data) == segment.size else b""
        else:
            partial = self._partial(sender, peer, segment, now)
            if partial is None:
                return
            whole = partial.whole()
            if whole is None:
                self._owe(sender, peer, segment.message, items.PARTIAL, partial.here, now)
                return
        verdict = self._deliver(sender, segment, whole or b"", now)
        if verdict is None:
            return  # what is here of it stays; any part of it that comes again will do
        self._discard(sender, peer, segment.message)
        peer.remember(segment.message, verdict, now)
        self._owe(sender, peer, segment.message, verdict, 0, now)

    def _hasten(self, peer: Peer, now: float) -> None:
        """It repeats what is here already, so it may have missed what it was told. Say the small things again."""
        for number, outbound in peer.unacknowledged.items():
            if outbound.count == 1 and outbound.sent is not None and now >= outbound.latest + SHORTEST_RETRY:
                outbound.again()
                peer.queue[number] = outbound

    def _deliver(self, sender: bytes, segment: items.Segment, data: bytes, now: float) -> Optional[int]:
        try:
            message = decompress(segment.flags, data)
        except Malformed:
            self.counters.too_large += 1
            return items.REFUSED
        return self._owner.taken(sender, message, segment.age_ms / 1000, now, note=False)

    def _partial(self, sender: bytes, peer: Peer, segment: items.Segment, now: float) -> Optional[Partial]:
        """The message this belongs to, with it. None if it is not taken: no room, or it contradicts the others."""
        partial = peer.partials.get(segment.message)
        if partial is None:
            if segment.size > LARGEST_MESSAGE:
                self.counters.too_large += 1
                return None
            # Room for the whole is set aside at once: what has begun can always be completed.
            if len(peer.partials) >= MOST_PARTIALS or self._buffered + segment.size > MOST_BUFFERED:
                self.counters.crowded += 1
                return None
            partial = peer.partials[segment.message] = Partial(segment)
            self._buffered += partial.size
        elif not partial.agrees(segment):
            self.counters.conflicting += 1
            return None
        self._timers.set(("partial", sender, segment.message), now + REMEMBER_PARTIAL)
        partial.add(segment)
        return partial

    def _discard(self, sender: bytes, peer: Peer, message: int) -> None:
        partial = peer.partials.pop(message, None)
        if partial is not None:
            self._buffered -= partial.size
            self._timers.cancel(("partial", sender, message))

    def _owe(self, sender: bytes, peer: Peer, message: int, verdict: int, here: int, now: float) -> None:
        peer.acks[message] = (verdict, here)
        if not peer.hurry:
            self._timers.soonest(("ack", sender), now + ACK_DELAY)

    # Time.

    def fire(self, key: Tuple[Any, ...], now: float) -> None:
        """One of the link's own timers is due."""
        if key[0] == "send":
            self._retry(key[1], now)
        elif key[0] == "ack":
            self.acknowledge_now(key[1])
        elif key[0] == "partial":
            peer = self.peers.get(key[1])
            if peer is not None:
                self._discard(key[1], peer, key[2])

    def _retry(self, number: int, now: float) -> None:
        outbound = self._out.get(number)
        if outbound is None:
            return
        if now >= outbound.expires:
            self.forget(number)
            self._owner.settled(outbound.tag, None, now)
            return
        outbound.again()
        self._timers.set(("send", number), outbound.next_look(now, self.round_trip.retry()))
        peer = self._ready[outbound.to] = self.peers.to(outbound.to, now)
        peer.queue[number] = outbound

    @property
    def retained(self) -> Dict[str, int]:
        """What is kept in memory; for tests that nothing grows."""
        peers = self.peers.values()
        return {
            "peers": len(peers),
            "sending": len(self._out),
            "partial": sum(len(peer.partials) for peer in peers),
            "buffered": self._buffered,
            "delivered": sum(len(peer.delivered) for peer in peers),
            "timers": self._timers.retained,
            "datagrams": len(self._datagrams),
        }
