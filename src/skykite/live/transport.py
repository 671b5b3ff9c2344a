"""What the bridge needs of a network: datagrams out to an address, datagrams in, and news of the connection. Pure.

Delivery is not promised: a datagram may be lost, come twice, or overtake another. The wire layer lives with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

Reason = Literal["closed", "silent", "slept", "unreachable", "denied", "throttled", "refused"]
"""Why a connection is no more: the other end closed it; nothing was heard for too long; this machine slept; nobody
answers; permission, or a valid signature, is missing; too many requests; it answers and does not want us."""

ADDRESS_BYTES: Final = 16
DATAGRAM_LIMIT: Final = 180_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnection:
    """Nothing can be received or sent. `message` and `hint` are for people, as those of a `SkykiteError`."""

    reason: Reason
    message: str
    hint: str | None = None


class Listener(Protocol):
    """Hears from a transport, in its event loop. What it is told is true until it is told otherwise."""

    def received(self, datagrams: Sequence[bytes]) -> None:
        """Something came. Whether it is any good is not looked at before."""

    def connected(self) -> None:
        """From now on what is published for us arrives here."""

    def disconnected(self, disconnection: Disconnection) -> None:
        """Not any more, or still not, for another reason. It is tried again without being asked."""


class Transport(Protocol):
    """One end of the network. Use `connect` once, then `publish`, then `close`."""

    async def connect(self, listener: Listener) -> None:
        """Return when datagrams arrive. Keeps the connection up from then on, and makes a new one whenever it is lost.

        Raises SkykiteError if it cannot be made at all.
        """

    def publish(self, address: bytes, datagrams: Sequence[bytes]) -> None:
        """Send to the peer with that session id as soon as possible. Never waits, never fails: at worst it is lost."""

    async def close(self) -> None:
        """Send what is still to be sent, within a moment, and leave."""
