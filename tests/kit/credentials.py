"""A source of credentials without a cloud; it passes the contract test of the real ones."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

from skykite.errors import SkykiteError
from skykite.live.credentials import FunctionRole, Issued
from skykite.model.names import FunctionId
from skykite.ports import Clock


class Vending:
    """Credentials that last an hour. Who is held is kept waiting, `refused` ones get none, and all get the same while
    it is `steady`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[FunctionId] = []
        self.refused: set[FunctionId] = set()
        self.steady = False
        self._gates: defaultdict[FunctionRole, asyncio.Event] = defaultdict(_open)

    def hold(self, *functions: FunctionRole) -> None:
        for function in functions:
            self._gates[function].clear()

    def release(self, *functions: FunctionRole) -> None:
        for function in functions:
            self._gates[function].set()

    async def obtain(self, function: FunctionRole) -> Issued:
        self.asked.append(function.id)
        number = 1 if self.steady else len(self.asked)
        asked = self._clock.now()
        await self._gates[function].wait()
        if function.id in self.refused:
            raise SkykiteError("live-role-refused", f"`{function.id}` cannot run under its role", hint="allow it")
        return Issued(
            variables={
                "AWS_ACCESS_KEY_ID": f"ASIA{number}",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_SESSION_TOKEN": f"token {number}",
            },
            renew_at=asked + timedelta(minutes=44),
            ends_at=asked + timedelta(minutes=60),
        )


def _open() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
