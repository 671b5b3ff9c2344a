"""The outside of every datagram: who says it to whom, under which key. It never changes; what it carries may.

    magic    2   b"KW"
    version  1   what the payload looks like; 0 is a REJECT that every version can read
    says     1   which side speaks: a stub, a dev session to a stub, a dev session to the others
    key      4   the name of the stage key, so that another stage's frames are told from forged ones
    from    16   session
    to      16   session, or zeros: whoever serves the stage
    number   8   of this frame among those from that session to this address
    payload
    mac     32   HMAC-SHA256 of all that, under the stage key

In: bytes and a key. Out: an `Envelope`, or the reason why it is none; never an exception. No I/O.
"""

from __future__ import annotations

import hmac
import struct
from typing import NamedTuple, Optional, Union

from .limits import LARGEST_DATAGRAM, REPLAY_WINDOW

MAGIC = b"KW"
HEADER = struct.Struct("!2sBB4s16s16sQ")
MAC_SIZE = 32
OVERHEAD = HEADER.size + MAC_SIZE
ANYONE = bytes(16)

STUB = 1  # a stub speaks, on the requests channel
DEV = 2  # a dev session speaks to one stub, on that stub's channel
DEVS = 3  # a dev session speaks to the other ones, on the requests channel

UNIVERSAL = 0  # version of the frames that every version can read
_OTHER_PROTOCOL = 1  # a universal frame's first byte; the second is what its sender speaks. More may follow


class StageKey:
    """The stage's secret, and the name under which frames refer to it."""

    __slots__ = ("name", "secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("a stage key has at least 16 bytes")
        self.secret = hmac.digest(secret, b"skykite wire: mac", "sha256")
        self.name = hmac.digest(secret, b"skykite wire: name", "sha256")[:4]


class Envelope(NamedTuple):
    version: int
    says: int
    sender: bytes
    to: bytes
    number: int
    payload: bytes


def seal(key: StageKey, envelope: Envelope) -> bytes:
    version, says, sender, to, number, payload = envelope
    data = HEADER.pack(MAGIC, version, says, key.name, sender, to, number) + payload
    return data + hmac.digest(key.secret, data, "sha256")


def unseal(key: StageKey, datagram: bytes, session: bytes, speakers: "frozenset[int]") -> Union[Envelope, str]:
    """What is in it, if it is for `session` and from one of `speakers`. Otherwise what is wrong: a counter's name."""
    if not OVERHEAD <= len(datagram) <= LARGEST_DATAGRAM or datagram[:2] != MAGIC:
        return "malformed"
    _, version, says, name, sender, to, number = HEADER.unpack_from(datagram)
    if name != key.name:
        return "other_stage"
    if says not in speakers or sender == ANYONE:
        return "reflected"
    if to not in (session, ANYONE) or sender == session:
        return "elsewhere"
    if not hmac.compare_digest(hmac.digest(key.secret, datagram[:-MAC_SIZE], "sha256"), datagram[-MAC_SIZE:]):
        return "forged"
    return Envelope(version, says, sender, to, number, datagram[HEADER.size : -MAC_SIZE])


def other_protocol(speaks: int) -> bytes:
    """The payload of a universal frame: I speak that, and not what you said."""
    return bytes((_OTHER_PROTOCOL, speaks))


def spoken_protocol(payload: bytes) -> Optional[int]:
    """What the sender of such a frame speaks."""
    if len(payload) < 2 or payload[0] != _OTHER_PROTOCOL:
        return None
    return payload[1]


class ReplayWindow:
    """Admits each number once. Those far behind the newest are refused, whether or not they were here before."""

    __slots__ = ("_seen", "newest")

    def __init__(self) -> None:
        self.newest = -1
        self._seen = 0

    def admit(self, number: int) -> bool:
        ahead = number - self.newest
        if ahead > 0:
            self._seen = 1 if ahead >= REPLAY_WINDOW else (self._seen << ahead | 1) & _MASK
            self.newest = number
            return True
        if ahead <= -REPLAY_WINDOW or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True


_MASK = (1 << REPLAY_WINDOW) - 1
