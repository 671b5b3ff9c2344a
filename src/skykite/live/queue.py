"""Invocations that wait for their turn: of each function in the order they came, the functions in turn.

In: invocations with their payloads. Out: the same, one at a time. I/O: a private temporary folder, where large payloads
wait when those in memory have become too many.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.model.names import FunctionId
from skykite_lambda.wire import InvocationHead

IN_MEMORY: Final = 64 * 1024 * 1024
"""Bytes of waiting payloads; those that come when there are more are written to disk."""
_SMALL: Final = 16 * 1024  # bytes; not worth a file


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """An invocation that was granted. `payload` is None while it lies on disk. `deadline` and `came` are monotonic."""

    id: bytes
    head: InvocationHead
    payload: bytes | None
    bridge_ms: float
    came: float
    deadline: float
    size: int = 0
    file: Path | None = None

    def read(self) -> bytes:
        """The payload, wherever it is."""
        if self.payload is None:
            assert self.file is not None
            return self.file.read_bytes()
        return self.payload

    @property
    def function(self) -> FunctionId:
        return FunctionId(self.head.function)


class FairQueue:
    """Use from one thread; `close` removes what it wrote."""

    def __init__(self, *, in_memory: int = IN_MEMORY) -> None:
        self._most = in_memory
        self._bytes = 0
        self._total = 0
        self._turns: OrderedDict[FunctionId, deque[Waiting]] = OrderedDict()
        self._by_id: dict[bytes, Waiting] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def in_memory(self) -> int:
        """Bytes."""
        return self._bytes

    @property
    def size(self) -> int:
        """Bytes, also of what is on disk."""
        return self._total

    def push(self, waiting: Waiting) -> None:
        """To the end of its function's line. Raises OSError if the disk is full."""
        payload = waiting.payload or b""
        waiting.size = len(payload)
        if len(payload) > _SMALL and self._bytes + len(payload) > self._most:
            waiting.file = self._write(waiting.id, payload)
            waiting.payload = None
        else:
            self._bytes += len(payload)
        self._total += len(payload)
        self._by_id[waiting.id] = waiting
        self._turns.setdefault(waiting.function, deque()).append(waiting)

    def peek(self) -> Waiting | None:
        """Who is next."""
        for line in self._turns.values():
            return line[0]
        return None

    def prefer(self, but: Container[FunctionId]) -> Waiting | None:
        """Let another function than these be next, if one waits."""
        for function, line in self._turns.items():
            if function not in but:
                self._turns.move_to_end(function, last=False)
                return line[0]
        return None

    def pop(self) -> Waiting:
        """Take who is next; its function has to wait until the others have had their turn."""
        function, line = next(iter(self._turns.items()))
        waiting = line.popleft()
        if line:
            self._turns.move_to_end(function)
        else:
            del self._turns[function]
        self._leave(waiting)
        if waiting.file is not None:
            waiting.payload = waiting.read()
            waiting.file.unlink(missing_ok=True)
            waiting.file = None
        return waiting

    def remove(self, id: bytes) -> Waiting | None:
        """Somebody does not want to wait any longer; None if it does not wait here."""
        waiting = self._by_id.get(id)
        if waiting is None:
            return None
        line = self._turns[waiting.function]
        line.remove(waiting)
        if not line:
            del self._turns[waiting.function]
        self._leave(waiting)
        if waiting.file is not None:
            waiting.file.unlink(missing_ok=True)
        return waiting

    def close(self) -> None:
        self._turns.clear()
        self._by_id.clear()
        self._bytes = self._total = 0
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _leave(self, waiting: Waiting) -> None:
        del self._by_id[waiting.id]
        self._total -= waiting.size
        self._bytes -= len(waiting.payload or b"")

    def _write(self, id: bytes, payload: bytes) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="kite-waiting-")  # its owner's alone
        file = Path(self._folder.name) / id.hex()
        file.write_bytes(payload)
        return file
