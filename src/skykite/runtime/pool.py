"""Which worker runs which invocation. Pure: events and times in, decisions out; the shell does them.

One invocation at a time per worker, first come first served per function, workers added while there is room. A
function without any worker gets one at once; another one only when an invocation has waited longer than a busy worker
is worth waiting for, and not beyond the machine's processors while the others are quick: a burst of short invocations
does not start dozens of processes, slow ones still get one each. When there is no room, the function that has waited
longest gets the place of the worker that was idle longest. If none is idle for long, a function without any worker gets
one all the same, since those that are busy may be waiting for its answer.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, NewType

from skykite.model.names import FunctionId

WorkerId = NewType("WorkerId", int)
TicketId = NewType("TicketId", int)

GROW_AFTER: Final = 0.010  # seconds an invocation waits for a busy worker before it gets one of its own
STUCK_AFTER: Final = 0.5  # seconds an invocation waits while all workers are busy with other functions
SURPLUS_IDLE: Final = 15.0  # seconds a worker beyond a function's first may be idle
LAST_IDLE: Final = 600.0  # seconds the last worker of a function may be idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Start this worker and say `ready` or `gone`."""

    worker: WorkerId
    function: FunctionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Give the worker this invocation, then say `finished` or `gone`; or say `stale` instead."""

    worker: WorkerId
    ticket: TicketId


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """End this worker; nothing more is expected of it."""

    worker: WorkerId


Decision = Launch | Dispatch | Retire


@dataclass(slots=True, kw_only=True)
class _Worker:
    id: WorkerId
    function: FunctionId
    state: Literal["starting", "idle", "busy"]
    since: float
    ticket: TicketId | None = None
    outdated: bool = False  # busy on an old configuration or old code: ends afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    id: TicketId
    function: FunctionId
    arrived: float
    number: int


@dataclass(slots=True, kw_only=True)
class _Function:
    waiting: deque[_Ticket] = field(default_factory=deque)
    idle: list[_Worker] = field(default_factory=list)  # the last one was used most recently
    starting: int = 0
    busy: dict[WorkerId, _Worker] = field(default_factory=dict)  # the first one is busy longest

    def count(self) -> int:
        return len(self.idle) + len(self.busy) + self.starting


class Pool:
    """The state of all workers and all waiting invocations."""

    def __init__(self, max_workers: int, processors: int) -> None:
        if max_workers < 1 or processors < 1:
            raise ValueError("a pool needs room for a worker")
        self._max = max_workers
        self._processors = processors
        self._workers: dict[WorkerId, _Worker] = {}
        self._functions: dict[FunctionId, _Function] = {}
        self._tickets: dict[TicketId, _Ticket] = {}
        self._last_worker = 0
        self._last_number = 0
        self._waiting = 0

    # What the shell asks

    def workers_of(self, function: FunctionId) -> tuple[WorkerId, ...]:
        return tuple(worker.id for worker in self._workers.values() if worker.function == function)

    def idle_workers(self) -> tuple[WorkerId, ...]:
        return tuple(worker.id for worker in self._workers.values() if worker.state == "idle")

    def is_warm(self, function: FunctionId) -> bool:
        """Whether a worker is there for the function's next invocation, or on its way, or there is no room for one."""
        entry = self._functions.get(function)
        has_one = entry is not None and bool(entry.idle or entry.starting)
        return has_one or len(self._workers) >= self._max

    def function_of(self, worker: WorkerId) -> FunctionId:
        return self._workers[worker].function

    def waiting_since_before(self, function: FunctionId, time: float) -> tuple[TicketId, ...]:
        """Invocations of the function that wait and arrived no later than `time`."""
        entry = self._functions.get(function)
        if entry is None:
            return ()
        return tuple(waiting.id for waiting in entry.waiting if waiting.arrived <= time)

    def held_up(self, since: float) -> int:
        """How many invocations have waited since then because all the workers that there may be are busy."""
        if self._room() is not None or any(entry.starting for entry in self._functions.values()):
            return 0
        return sum(waiting.arrived <= since for entry in self._functions.values() for waiting in entry.waiting)

    @property
    def waiting(self) -> int:
        """How many invocations no worker has yet."""
        return self._waiting

    def next_wake(self) -> float | None:
        """When `wake` is worth calling, if nothing else happens."""
        times = [self._grows_at(entry) for entry in self._functions.values() if self._may_grow(entry)]
        for entry in self._functions.values():
            if entry.waiting and not entry.count():
                times.append(entry.waiting[0].arrived + STUCK_AFTER)
            if not entry.idle:
                continue
            alone = entry.count() == 1
            times.append(entry.idle[0].since + (LAST_IDLE if alone else SURPLUS_IDLE))
        return min(times, default=None)

    # What happens

    def arrive(self, ticket: TicketId, function: FunctionId, now: float) -> list[Decision]:
        """An invocation came in."""
        entry = self._functions.setdefault(function, _Function())
        self._last_number += 1
        waiting = _Ticket(id=ticket, function=function, arrived=now, number=self._last_number)
        self._tickets[ticket] = waiting
        if entry.idle and not entry.waiting:
            return [self._assign(entry, entry.idle.pop(), ticket, now)]
        entry.waiting.append(waiting)
        self._waiting += 1
        return self._decide(now)

    def abandon(self, ticket: TicketId) -> bool:
        """Nobody waits for this invocation any more. False if it already runs, which goes on."""
        waiting = self._tickets[ticket]
        entry = self._functions[waiting.function]
        if waiting not in entry.waiting:
            return False
        entry.waiting.remove(waiting)
        self._waiting -= 1
        del self._tickets[ticket]
        return True

    def warm(self, function: FunctionId, now: float) -> list[Decision]:
        """Have a worker ready for the function, though nothing waits for it."""
        entry = self._functions.setdefault(function, _Function())
        if self.is_warm(function):
            return []
        return [self._launch(function, entry, now)]

    def ready(self, worker: WorkerId, now: float) -> list[Decision]:
        """A worker has loaded its function."""
        found = self._workers[worker]
        entry = self._functions[found.function]
        entry.starting -= 1
        found.state, found.since = "idle", now
        entry.idle.append(found)
        return self._decide(now)

    def finished(self, worker: WorkerId, now: float) -> list[Decision]:
        """A worker answered its invocation and can take the next one."""
        found = self._workers[worker]
        entry = self._functions[found.function]
        assert found.ticket is not None
        del self._tickets[found.ticket]
        del entry.busy[worker]
        found.ticket = None
        if found.outdated:
            del self._workers[worker]
            return [Retire(worker=worker), *self._decide(now)]
        found.state, found.since = "idle", now
        entry.idle.append(found)
        decisions = self._decide(now) if self._waiting else []
        if len(self._workers) > self._max and entry.idle:
            oldest = entry.idle[0]
            self._remove(oldest)
            decisions.append(Retire(worker=oldest.id))
        return decisions

    def stale(self, worker: WorkerId, now: float) -> list[Decision]:
        """What the worker loaded is no longer what is on disk. An invocation just given to it goes first in line."""
        found = self._workers[worker]
        entry = self._functions[found.function]
        if found.state == "busy" and found.ticket is not None:
            entry.waiting.appendleft(self._tickets[found.ticket])
            self._waiting += 1
        self._remove(found)
        return [Retire(worker=worker), *self._decide(now)]

    def outdate(self, function: FunctionId, now: float) -> list[Decision]:
        """The function's configuration changed: idle workers end now, the others after what they do."""
        decisions: list[Decision] = []
        for worker in [worker for worker in self._workers.values() if worker.function == function]:
            if worker.state == "busy":
                worker.outdated = True
            else:
                self._remove(worker)
                decisions.append(Retire(worker=worker.id))
        return [*decisions, *self._decide(now)]

    def gone(self, worker: WorkerId, now: float) -> list[Decision]:
        """A worker ended by itself. Its invocation, if any, is over too."""
        found = self._workers.get(worker)
        if found is None:
            return []
        if found.ticket is not None:
            del self._tickets[found.ticket]
        self._remove(found)
        return self._decide(now)

    def wake(self, now: float) -> list[Decision]:
        """Time has passed."""
        decisions = self._decide(now)
        for entry in self._functions.values():
            while entry.idle:
                alone = entry.count() == 1
                oldest = entry.idle[0]
                if oldest.since + (LAST_IDLE if alone else SURPLUS_IDLE) > now:
                    break
                self._remove(oldest)
                decisions.append(Retire(worker=oldest.id))
        return decisions

    # How it is decided

    def _may_grow(self, entry: _Function) -> bool:
        return len(entry.waiting) > entry.starting and bool(entry.busy or entry.starting) and self._room() is not None

    def _grows_at(self, entry: _Function) -> float:
        """When the first invocation that no worker is on its way for gets one, if nothing else happens."""
        due = entry.waiting[entry.starting].arrived + GROW_AFTER
        working = len(entry.busy) + entry.starting
        for worker in entry.busy.values():
            if working < self._processors:
                break
            working -= 1  # once it has been busy that long, it is slow rather than in want of a processor
            due = max(due, worker.since + GROW_AFTER)
        return due if working < self._processors else math.inf

    def _room(self) -> _Worker | Literal["free"] | None:
        """A free place, or the worker that would have to go; None if all are busy, or more than there should be."""
        if len(self._workers) < self._max:
            return "free"
        if len(self._workers) > self._max:
            return None
        idle = [entry.idle[0] for entry in self._functions.values() if entry.idle]
        return min(idle, key=lambda worker: worker.since, default=None)

    def _decide(self, now: float) -> list[Decision]:
        decisions: list[Decision] = []
        if not self._waiting:
            return decisions
        in_line = [(entry.waiting[0].number, name) for name, entry in self._functions.items() if entry.waiting]
        for _, name in sorted(in_line):
            entry = self._functions[name]
            while entry.waiting and entry.idle:
                waiting = entry.waiting.popleft()
                self._waiting -= 1
                decisions.append(self._assign(entry, entry.idle.pop(), waiting.id, now))
            while len(entry.waiting) > entry.starting:
                if (entry.busy or entry.starting) and self._grows_at(entry) > now:
                    break
                room = self._room()
                if room is None and (entry.count() or entry.waiting[0].arrived + STUCK_AFTER > now):
                    break
                if isinstance(room, _Worker):
                    self._remove(room)
                    decisions.append(Retire(worker=room.id))
                decisions.append(self._launch(name, entry, now))
        return decisions

    def _assign(self, entry: _Function, worker: _Worker, ticket: TicketId, now: float) -> Dispatch:
        worker.state, worker.since, worker.ticket = "busy", now, ticket
        entry.busy[worker.id] = worker
        return Dispatch(worker=worker.id, ticket=ticket)

    def _launch(self, function: FunctionId, entry: _Function, now: float) -> Launch:
        self._last_worker += 1
        worker = _Worker(id=WorkerId(self._last_worker), function=function, state="starting", since=now)
        self._workers[worker.id] = worker
        entry.starting += 1
        return Launch(worker=worker.id, function=function)

    def _remove(self, worker: _Worker) -> None:
        entry = self._functions[worker.function]
        match worker.state:
            case "starting":
                entry.starting -= 1
            case "idle":
                entry.idle.remove(worker)
            case "busy":
                del entry.busy[worker.id]
        del self._workers[worker.id]
