"""Which port each HTTP API gets. Given once, a port stays with its API for the session.

A port the user asked for is handed out as it is, and the gateway complains if it is taken. Without one, the first
free port from `DEFAULT_PORT` upwards is taken, so that a lone project is always found at the same address.
I/O: binds and closes sockets on loopback to see whether a port is free.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from skykite.errors import SkykiteError
from skykite.model.names import ConstructPath

DEFAULT_PORT: Final = 4000
_TRIES: Final = 200
_RACES: Final = 10
_T = TypeVar("_T")


class Ports:
    """Hands out ports by API. `first` is the user's choice; 0 means any free one, `None` no choice."""

    def __init__(self, first: int | None) -> None:
        self._first = first
        self._given: dict[ConstructPath, int] = {}
        self._held: set[int] = set()

    def port_of(self, api: ConstructPath, *, prefer: int | None = None) -> int:
        """`prefer` is taken if it is free and no other API's."""
        if api not in self._given:
            free = prefer is not None and prefer not in self._given.values() and _is_free(prefer)
            self._given[api] = prefer if free and prefer is not None else self._next()
        return self._given[api]

    async def serve(self, serve: Callable[[], Awaitable[_T]]) -> _T:
        """What `serve` returns, which listens on ports given out here. They were free when they were given: one that
        somebody else has meanwhile, as another `kite dev` that starts, is given up for another, unless the user asked
        for it. Raises what `serve` does."""
        for _ in range(_RACES):
            try:
                found = await serve()
            except SkykiteError as error:
                if error.code != "port-in-use" or not self._give_up_taken():
                    raise
            else:
                self._held.update(self._given.values())
                return found
        return await serve()

    def _give_up_taken(self) -> bool:
        """Whether there are any, and the choice was ours."""
        if self._first is not None:
            return False
        taken = [api for api, port in self._given.items() if port not in self._held and not _is_free(port)]
        for api in taken:
            del self._given[api]
        return bool(taken)

    def _next(self) -> int:
        taken = set(self._given.values())
        if self._first == 0:
            return 0
        if self._first is not None:
            return next(port for port in range(self._first, 65536) if port not in taken)
        candidates = range(DEFAULT_PORT, DEFAULT_PORT + _TRIES)
        return next((port for port in candidates if port not in taken and _is_free(port)), 0)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it would mean "take it from whoever has it"
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
        return True
