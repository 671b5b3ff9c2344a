from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from skykite.cli.clock import SystemClock
from skykite.cli.render.pump import Pump, Stamped
from skykite.model.events import Notice


class Written:
    def __init__(self) -> None:
        self.notices: list[str] = []
        self.threads: set[str] = set()
        self.more = threading.Event()

    def write(self, batch: Sequence[Stamped]) -> None:
        self.notices += [item.event.notice for item in batch if isinstance(item.event, Notice)]
        self.threads.add(threading.current_thread().name)
        self.more.set()


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def pump(written: Written) -> Iterator[Pump]:
    pump = Pump(write=written.write, tick=lambda at: False, clock=SystemClock())
    pump.start()
    yield pump
    pump.stop()


def notice(name: str) -> Notice:
    return Notice(notice=name, message="m")


def test_what_a_thread_says_is_written_by_the_pumps_own(pump: Pump, written: Written) -> None:
    pump.emit(notice("one"))
    assert written.more.wait(5)
    assert written.notices == ["one"]
    assert written.threads == {"skykite-render"}


def test_what_an_event_loop_says_is_written_while_it_goes_on(pump: Pump, written: Written) -> None:
    async def speak() -> None:
        pump.emit(notice("one"))
        pump.emit(notice("two"))
        await asyncio.to_thread(written.more.wait, 5)

    asyncio.run(speak())
    assert written.notices == ["one", "two"]


def test_what_a_loop_said_that_ended_is_written_with_what_the_next_one_says(pump: Pump, written: Written) -> None:
    async def speak_and_leave() -> None:
        pump.emit(notice("one"))

    async def speak() -> None:
        pump.emit(notice("two"))
        await asyncio.to_thread(written.more.wait, 5)

    asyncio.run(speak_and_leave())
    asyncio.run(speak())
    assert written.notices == ["one", "two"]


def test_what_a_loop_said_that_ended_is_written_when_the_pump_stops(written: Written) -> None:
    pump = Pump(write=written.write, tick=lambda at: False, clock=SystemClock())
    pump.start()

    async def speak_and_leave() -> None:
        pump.emit(notice("one"))

    asyncio.run(speak_and_leave())
    pump.stop()
    assert written.notices == ["one"]
