"""One timer for many deadlines."""

from __future__ import annotations

import asyncio

from kit.gateway import until
from skykite.gateway.deadlines import Deadlines


async def test_deadlines_come_due_in_order_and_cleared_ones_never() -> None:
    told: list[int] = []
    calls = [lambda number=number: told.append(number) for number in range(4)]
    deadlines = Deadlines(asyncio.get_running_loop(), 0.05)
    for call in calls:
        deadlines.set(call)
    deadlines.clear(calls[0])
    deadlines.clear(calls[2])
    deadlines.clear(calls[2])
    await until(lambda: len(told) == 2)
    assert told == [1, 3]


async def test_a_deadline_set_after_the_timer_went_idle_still_comes() -> None:
    told: list[str] = []
    first, second = (lambda: told.append("first")), (lambda: told.append("second"))
    deadlines = Deadlines(asyncio.get_running_loop(), 0.05)
    deadlines.set(first)
    deadlines.clear(first)
    await asyncio.sleep(0.03)
    started = asyncio.get_running_loop().time()
    deadlines.set(second)
    await until(lambda: bool(told))
    assert told == ["second"]
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_stopping_forgets_them() -> None:
    told: list[str] = []
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop, 0.01)
    deadlines.set(lambda: told.append("never"))
    deadlines.stop()
    later = Deadlines(loop, 0.05)
    later.set(lambda: told.append("later"))
    await until(lambda: bool(told))
    assert told == ["later"]
