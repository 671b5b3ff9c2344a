"""A network inside the process: the transport for tests and benchmarks, as unreliable as it is told to be.

In: datagrams. Out: the same, some lost, some twice, some late. I/O: none but the event loop's timers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skykite.live.transport import Disconnection, Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What happens to a datagram on its way. `loss` and `duplication` are probabilities; times in seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0


class MemoryNetwork:
    """One stage's channels. Everybody here must live in one event loop. `faults` may be changed at any time.

    `lose`, if set, is asked for each datagram, with the address it goes to (None for whoever serves the stage),
    whether it is to be lost besides.
    """

    def __init__(self, faults: Faults | None = None, *, seed: int = 0) -> None:
        self.faults = faults or Faults()
        self.lose: Callable[[bytes | None, bytes], bool] | None = None
        self.carried = 0
        self.lost = 0
        self._random = random.Random(seed)  # noqa: S311  (faults, no secrets)
        self._stubs: dict[bytes, Callable[[bytes], None]] = {}
        self._transports: list[MemoryTransport] = []

    def transport(self) -> MemoryTransport:
        """An end for a dev session. Several may serve the stage at once."""
        return MemoryTransport(self)

    def add_stub(self, session: bytes, receive: Callable[[bytes], None]) -> None:
        """Subscribe to the reply channel of that session id."""
        self._stubs[session] = receive

    def remove_stub(self, session: bytes) -> None:
        self._stubs.pop(session, None)

    def request(self, datagram: bytes) -> None:
        """Publish to whoever serves the stage."""
        self._carry(None, datagram, lambda: [one.deliver for one in self._transports])

    def reply(self, session: bytes, datagram: bytes) -> None:
        """Publish to one stub."""
        self._carry(session, datagram, lambda: [self._stubs[session]] if session in self._stubs else [])

    def join(self, transport: MemoryTransport) -> None:
        if transport not in self._transports:
            self._transports.append(transport)

    def leave(self, transport: MemoryTransport) -> None:
        if transport in self._transports:
            self._transports.remove(transport)

    def _carry(
        self, address: bytes | None, datagram: bytes, receivers: Callable[[], Sequence[Callable[[bytes], None]]]
    ) -> None:
        faults, chance = self.faults, self._random.random
        for _ in range(2 if faults.duplication and chance() < faults.duplication else 1):
            if (faults.loss and chance() < faults.loss) or (self.lose is not None and self.lose(address, datagram)):
                self.lost += 1
                continue
            self.carried += 1
            loop = asyncio.get_running_loop()
            if not faults.delay_s and not faults.jitter_s:
                loop.call_soon(_deliver, receivers, datagram)
            else:
                loop.call_later(faults.delay_s + chance() * faults.jitter_s, _deliver, receivers, datagram)


class MemoryTransport:
    """A `Transport` on a `MemoryNetwork`. `cut` and `restore` do what a bad network would."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._listener: Listener | None = None
        self._up = False

    async def connect(self, listener: Listener) -> None:
        self._listener = listener
        self.restore()

    def publish(self, address: bytes, datagrams: Sequence[bytes]) -> None:
        if not self._up:
            self._network.lost += len(datagrams)
            return
        for datagram in datagrams:
            if any(address):
                self._network.reply(address, datagram)
            else:
                self._network.request(datagram)

    async def close(self) -> None:
        self._network.leave(self)
        self._up = False

    def deliver(self, datagram: bytes) -> None:
        if self._up and self._listener is not None:
            self._listener.received((datagram,))

    def cut(self, disconnection: Disconnection) -> None:
        """Lose the connection."""
        assert self._listener is not None
        self._network.leave(self)
        self._up = False
        self._listener.disconnected(disconnection)

    def restore(self) -> None:
        """Have it again."""
        assert self._listener is not None
        self._network.join(self)
        self._up = True
        self._listener.connected()


def _deliver(receivers: Callable[[], Sequence[Callable[[bytes], None]]], datagram: bytes) -> None:
    """To those who listen when it arrives, which may not be those who did when it was sent."""
    for receive in receivers():
        receive(datagram)
