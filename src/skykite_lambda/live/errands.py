"""What may take a while, done in threads beside the one that waits on the line; its end wakes that one up.

In: functions to call. Out: what they returned or raised, when asked. I/O: a pair of sockets to wake by.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from typing import Any, Callable, Deque, List, NamedTuple, Set, Union


class Finished(NamedTuple):
    """`result` is what was returned, or the exception."""

    name: str
    result: Union[Any, Exception]


class Errands:
    """One of each name at a time; what is abandoned is never heard of again."""

    def __init__(self) -> None:
        self._ears, self._mouth = socket.socketpair()
        self._ears.setblocking(False)
        self._mouth.setblocking(False)
        self._done: Deque[Finished] = deque()
        self._running: Set[str] = set()
        self._round = 0
        self._cancelled = threading.Event()
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Readable when something has finished."""
        return self._ears.fileno()

    def start(self, name: str, errand: Callable[[threading.Event], Any]) -> None:
        """Call `errand` in a thread, unless it is under way. Its argument is set when nobody wants its result."""
        with self._lock:
            if name in self._running:
                return
            self._running.add(name)
            current, cancelled = self._round, self._cancelled
        threading.Thread(target=self._run, args=(name, errand, current, cancelled), daemon=True).start()

    def is_running(self, name: str) -> bool:
        """Until `finished` has given it back."""
        with self._lock:
            return name in self._running or any(name == one.name for one in self._done)

    def heard(self) -> None:
        """It was readable; it is so again when something else has finished."""
        with contextlib.suppress(BlockingIOError):
            while self._ears.recv(64):
                pass

    def finished(self) -> List[Finished]:
        """What has come to its end since the last call; never waits."""
        with self._lock:
            done = list(self._done)
            self._done.clear()
        return done

    def abandon(self) -> Set[str]:
        """Forget all that is under way or done; its names."""
        with self._lock:
            names = self._running | {finished.name for finished in self._done}
            self._running = set()
            self._done.clear()
            self._round += 1
            self._cancelled.set()
            self._cancelled = threading.Event()
            return names

    def _run(
        self, name: str, errand: Callable[[threading.Event], Any], current: int, cancelled: threading.Event
    ) -> None:
        try:
            result = errand(cancelled)
        except Exception as error:  # noqa: BLE001  (handed on, to be raised or told where it is waited for)
            result = error
        with self._lock:
            if current != self._round:
                return
            self._running.discard(name)
            self._done.append(Finished(name, result))
        with contextlib.suppress(OSError):
            self._mouth.send(b".")
