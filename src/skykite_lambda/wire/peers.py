"""What is kept about each session at the other end, and for how long.

In: addresses, as they are met. Out: their `Peer`. Never more than a given number of them. No I/O.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from .envelope import ANYONE, ReplayWindow
from .limits import MOST_NOTES, REMEMBER_DELIVERED, REMEMBER_PEER
from .receiving import Partial
from .sending import Outbound

_MOST_DELIVERED = 64


class Peer:
    """One session at the other end, or `ANYONE`."""

    __slots__ = (
        "acks",
        "delivered",
        "direct",
        "heard",
        "hurry",
        "notes",
        "number",
        "partials",
        "queue",
        "shouted",
        "unacknowledged",
    )

    def __init__(self, first_number: int, now: float) -> None:
        self.number = first_number  # of the next frame to it
        self.heard = now
        self.direct = ReplayWindow()  # of its frames to us
        self.shouted = ReplayWindow()  # of its frames to anyone
        self.acks: Dict[int, Tuple[int, int]] = {}  # owed: message → verdict, segments here
        self.hurry = False  # to acknowledge
        self.notes: List[bytes] = []  # to be sent with the next frame
        self.queue: Dict[int, Outbound] = {}  # messages with segments to be sent now
        self.unacknowledged: Dict[int, Outbound] = {}
        self.partials: Dict[int, Partial] = {}
        self.delivered: Dict[int, Tuple[int, float]] = {}  # message → verdict, until when it is remembered

    @property
    def idle(self) -> bool:
        return not (self.unacknowledged or self.partials or self.notes or self.acks)

    def note(self, data: bytes) -> None:
        if data not in self.notes:
            self.notes.append(data)
            del self.notes[:-MOST_NOTES]

    def remember(self, message: int, verdict: int, now: float) -> None:
        delivered = self.delivered
        delivered[message] = (verdict, now + REMEMBER_DELIVERED)
        while delivered:
            oldest = next(iter(delivered))
            if len(delivered) <= _MOST_DELIVERED and delivered[oldest][1] > now:
                break
            del delivered[oldest]


class Peers:
    """Peers by address, the one heard longest ago first."""

    def __init__(self, most: int, now: float) -> None:
        self._most = most
        self._peers: Dict[bytes, Peer] = {}
        self._made = 0
        self.anyone = self._new(now)

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, address: bytes) -> Optional[Peer]:
        return self.anyone if address == ANYONE else self._peers.get(address)

    def meet(self, address: bytes, now: float) -> Optional[Peer]:
        """Known or new; None if there are too many, all of them busy."""
        peer = self._peers.pop(address, None)
        if peer is None:
            if not self._make_room(now):
                return None
            peer = self._new(now)
        peer.heard = now
        self._peers[address] = peer
        return peer

    def to(self, address: bytes, now: float) -> Peer:
        """For sending: made if it has to be, whatever the number."""
        peer = self.get(address)
        if peer is None:
            self._make_room(now)
            peer = self._peers[address] = self._new(now)
        return peer

    def recent(self, since: float) -> List[bytes]:
        """Addresses heard since then, latest first."""
        found: List[bytes] = []
        for address in reversed(list(self._peers)):
            if self._peers[address].heard < since:
                break
            found.append(address)
        return found

    def values(self) -> List[Peer]:
        return [*self._peers.values(), self.anyone]

    def _make_room(self, now: float) -> bool:
        """Let one go that was silent for long; if there are too many, any that nothing is owed to."""
        full = len(self._peers) >= self._most
        for address, peer in self._peers.items():
            if not full and peer.heard > now - REMEMBER_PEER:
                break
            if peer.idle:
                del self._peers[address]
                break
        return len(self._peers) < self._most

    def _new(self, now: float) -> Peer:
        """Numbers of a peer that was forgotten and met again go on far above its old ones: they are no replays."""
        self._made += 1
        return Peer(self._made << 32, now)
