"""One worker process as the runtime sees it: frames in and out, output, end. I/O: its socket, its pipe, its process.

What happens is told to a `WorkerListener`, always on the event loop. Whatever the user's code does to the channel, the
worst that follows is the end of its own process.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

from skykite.model.invocation import FunctionConfig
from skykite.runtime.freshness import Dependencies
from skykite.runtime.launch import Process
from skykite.runtime.logs import LogParser, LogText
from skykite.runtime.output import OutputReader, ThreadedOutputReader, read_output
from skykite.runtime.pool import WorkerId
from skykite_lambda import frames
from skykite_lambda.logs import MARK_PASSED

OUTPUT_KEPT: Final = 1024 * 1024  # characters of output kept for the next invocation


class WorkerListener(Protocol):
    """Who wants to know."""

    def frame_received(self, worker: Worker, kind: int, body: bytes) -> None: ...

    def output_received(self, worker: Worker, pieces: list[LogText]) -> None: ...

    def worker_ended(self, worker: Worker, status: int | None) -> None: ...


class Worker(asyncio.Protocol):
    """Made when its start is decided; `attach` gives it its process."""

    def __init__(
        self, *, id: WorkerId, config: FunctionConfig, nonce: str, started: float, listener: WorkerListener
    ) -> None:
        self.id = id
        self.config = config
        self.nonce = nonce
        self.started = started  # when it was decided
        self.launched = started  # when there was something to start
        self.preparing: asyncio.Task[object] | None = None  # makes what is started
        self.init_ms: float | None = None  # until the first invocation has reported it
        self.used = False
        self.retired = False
        self.dependencies = Dependencies()
        self.early_output: list[LogText] = []  # printed while no invocation ran
        self.ended = asyncio.get_running_loop().create_future()
        self._early_length = 0
        self._listener = listener
        self._frames = frames.Parser()
        self._logs = LogParser(nonce)
        self._process: Process | None = None
        self._transport: asyncio.Transport | None = None
        self._output: OutputReader | ThreadedOutputReader | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def attach(self, process: Process, *, marks_end: bool) -> None:
        """Speak with `process` from now on."""
        self._process = process
        process.on_held = self._held
        process.ended.add_done_callback(self._process_ended)
        mark = b"\0" + self.nonce.encode() + MARK_PASSED if marks_end else None
        self._output = read_output(process.output, self._receive_output, mark)
        loop = asyncio.get_running_loop()
        if process.channel.family.name == "AF_UNIX":
            await loop.create_unix_connection(lambda: self, sock=process.channel)
        else:
            await loop.create_connection(lambda: self, sock=process.channel)
        if self.retired:
            self.kill()

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def drain_output(self) -> list[LogText]:
        """Hand out what the process has written until now; return what lacks its line's end."""
        if self._output is not None:
            self._output.drain()
        return self._logs.flush()

    def keep_output(self, pieces: list[LogText]) -> None:
        """For the next invocation. Of more than it takes in, the oldest is dropped."""
        self.early_output += pieces
        self._early_length += sum(len(piece.text) for piece in pieces)
        while self._early_length > OUTPUT_KEPT and len(self.early_output) > 1:
            self._early_length -= len(self.early_output.pop(0).text)

    def take_early_output(self) -> list[LogText]:
        pieces, self.early_output, self._early_length = self.early_output, [], 0
        return pieces

    def add_looked_up(self) -> None:
        """What a process that was forked never looks for again; yet a new file of the user's may shadow it."""
        if self._process is not None:
            self.dependencies.add_names(self._process.looked_up)

    @property
    def untimed(self) -> bool:
        return self._process is not None and self._process.untimed

    def inspectable_at(self, url: str) -> None:
        """Debuggers can reach it there."""
        if self._process is not None:
            self._process.on_inspector(url)

    def kill(self) -> None:
        """End the process and what it started."""
        if self.preparing is not None:
            self.preparing.cancel()
        if self._process is not None:
            self._process.kill()

    def never_started(self) -> None:
        """There is no process and there will be none."""
        if not self.ended.done():
            self.ended.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._frames.feed(data)
        try:
            while (found := self._frames.next()) is not None:
                self._listener.frame_received(self, *found)
        except frames.GarbledStream:
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        # The user's code may have closed the socket, or its process may be on its way out, flushing and joining.
        asyncio.get_running_loop().call_later(1.0, self.kill)

    # The rest

    def _held(self, held: bool) -> None:
        self._listener.frame_received(self, frames.SUSPENDED if held else frames.RESUMED, b"")

    def _receive_output(self, data: bytes) -> None:
        for line in self._process.noise if self._process is not None else ():
            data = data.replace(line, b"")
        pieces = self._logs.feed(data)
        if pieces:
            self._listener.output_received(self, pieces)

    def _process_ended(self, ended: asyncio.Future[int | None]) -> None:
        assert self._process is not None
        self._listener.worker_ended(self, ended.result())
        if self._output is not None:
            self._output.close()
        if self._transport is not None:
            self._transport.abort()
        self._process.kill()  # closes the lifeline
        if not self.ended.done():
            self.ended.set_result(None)
