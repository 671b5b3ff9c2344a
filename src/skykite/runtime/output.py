"""Read a worker's output as it comes, and all of it at the moment a result arrives.

What a process wrote before it sent its result is in the pipe when the result is read: `drain` then takes it out
without waiting. On Windows, where pipes cannot be polled by the event loop, a thread reads, and the worker marks the
end of each invocation. I/O: one descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from skykite.runtime.logs import start_of

_CHUNK: Final = 262_144
_PATIENCE: Final = 1.0  # seconds to wait for a mark


class OutputReader:
    """Hands every piece of output to `receive`, on the event loop."""

    def __init__(self, descriptor: int, receive: Callable[[bytes], None]) -> None:
        self._descriptor = descriptor
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._closed = False
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._descriptor)
            return False
        self._receive(data)
        return True

    def drain(self) -> None:
        """Everything that is there now."""
        while not self._closed and self._read():
            pass

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)


class ThreadedOutputReader:
    """The same through a thread, for systems whose pipes the event loop cannot watch.

    The worker writes `mark` after each invocation, so that `drain` knows when it has seen everything.
    """

    def __init__(self, descriptor: int, receive: Callable[[bytes], None], mark: bytes) -> None:
        self._descriptor = descriptor
        self._receive = receive
        self._mark = mark
        self._loop = asyncio.get_running_loop()
        self._arrived = threading.Condition()
        self._pending = bytearray()
        self._rest = b""
        self._marks = 0
        self._ended = False
        self._closed = False
        self._thread = threading.Thread(target=self._read, name=f"output-{descriptor}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        data = b"first"
        while data:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except OSError:
                data = b""
            with self._arrived:
                self._pending += data
                self._ended = not data
                self._arrived.notify_all()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._arrived:
            data, self._pending = self._rest + bytes(self._pending), bytearray()
        *whole, last = data.split(self._mark)
        self._marks += len(whole)
        kept = start_of(self._mark, last)
        self._rest = last[len(last) - kept :]
        text = b"".join((*whole, last[: len(last) - kept]))
        if text and not self._closed:
            self._receive(text)

    def drain(self) -> None:
        """Everything up to the next mark, or to the end."""
        self._deliver()
        give_up = time.monotonic() + _PATIENCE
        while self._marks < 1 and not self._ended:
            with self._arrived:
                if not self._pending and not self._arrived.wait(max(0.0, give_up - time.monotonic())):
                    break  # the user's code has closed its output
            self._deliver()
        self._marks = max(0, self._marks - 1)

    def close(self) -> None:
        """The thread ends with the pipe, and the pipe with the process."""
        self._closed = True


def read_output(
    descriptor: int, receive: Callable[[bytes], None], mark: bytes | None
) -> OutputReader | ThreadedOutputReader:
    """With a mark through a thread, else on the event loop."""
    return OutputReader(descriptor, receive) if mark is None else ThreadedOutputReader(descriptor, receive, mark)
