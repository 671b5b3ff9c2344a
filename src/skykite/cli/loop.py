"""The event loop of a command, from its start to Ctrl-C. I/O: the process's signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TypeVar

import click

_T = TypeVar("_T")


def run_loop(main: Callable[[asyncio.Event], Coroutine[object, object, _T]], *, stoppable: bool = False) -> _T:
    """Run to the end, or until Ctrl-C or SIGTERM.

    A `stoppable` main watches the event it gets and ends by itself; any other is cancelled, and the command ends as
    interrupted. A second Ctrl-C leaves at once, which leaves no process behind: our children end with their parent.
    """

    async def supervised() -> _T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        work = asyncio.ensure_future(main(stop))

        def on_signal() -> None:
            if stop.is_set():
                os._exit(130)
            stop.set()
            if not stoppable:
                work.cancel()

        if sys.platform == "win32":
            signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(on_signal))
        else:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, on_signal)
        try:
            return await work
        except asyncio.CancelledError:
            raise click.Abort from None

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(supervised())
