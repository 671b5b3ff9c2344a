"""One reader's way through a shard: what it has done, what it tries, what comes next. Pure.

A lane is a shard, or with a parallelization factor the records of a shard whose partition keys fall into it. It tries
one batch at a time; a batch that was split waits in line before anything new.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from skykite_cloud.triggers.streams import Raw, Source, after

PAYLOAD_LIMIT = 6 * 1024 * 1024
STATE_LIMIT = 1024 * 1024


@dataclass(slots=True, eq=False)
class Batch:
    """Records that are tried together. `upto` is the position when they are done. `skipped` is what AWS would have
    waited longer. A `final` one ends a window."""

    records: list[Raw]
    upto: str
    attempts: int = 0
    due: float = 0.0
    skipped: float = 0.0
    throttled: int = 0
    final: bool = False

    def split(self, source: Source, due: float) -> tuple[Batch, Batch]:
        """Two halves. Splitting is no retry."""
        middle = len(self.records) // 2
        first, second = self.records[:middle], self.records[middle:]
        attempts = self.attempts - 1
        return (
            Batch(first, source.sequence(first[-1]), attempts, due, self.skipped),
            Batch(second, self.upto, attempts, due, self.skipped),
        )


@dataclass(slots=True)
class Window:
    """A tumbling window and what the function remembers in it."""

    start: float
    end: float
    state: Any = field(default_factory=dict)
    early: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """`checkpoint` is the last record that is done, empty for none."""

    shard: str
    index: int
    checkpoint: str
    batches: deque[Batch] = field(default_factory=deque)
    running: bool = False
    since: float | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a mapping says about batches."""

    size: int
    window_s: float
    tumbling_s: float
    factor: int


def next_batch(
    source: Source,
    lane: Lane,
    records: Sequence[Raw],
    limits: Limits,
    now: float,
    wanted: Callable[[Raw], bool],
) -> tuple[Batch | None, float | None]:
    """The next batch of a lane that has none, or when to look again. Advances the lane past what nobody wants."""
    found: list[Raw] = []
    upto = lane.checkpoint
    size, full = 0, False
    window = lane.window
    for record in after(source, records, lane.checkpoint):
        if limits.factor > 1 and lane_of(source.partition(record), limits.factor) != lane.index:
            continue
        if not wanted(record):
            if not found:
                lane.checkpoint = source.sequence(record)
            upto = source.sequence(record)
            continue
        if limits.tumbling_s:
            own = window_of(source.arrival(record), limits.tumbling_s)
            if window is None:
                window = own
            elif own.start >= window.end:
                full = True  # it belongs to the next window
                break
        size += source.size(record)
        if found and size > PAYLOAD_LIMIT:
            full = True
            break
        found.append(record)
        upto = source.sequence(record)
        if len(found) >= limits.size:
            full = True
            break
    if found:
        lane.since = lane.since if lane.since is not None else now
        due = lane.since + limits.window_s
        closes = window.end if window is not None else None
        if not full and now < due and (closes is None or now < closes):
            return None, due if closes is None else min(due, closes)
        lane.since = None
        lane.window = window
        return Batch(found, upto), None
    lane.since = None
    if lane.window is None:
        return None, None
    if full or lane.window.early or now >= lane.window.end:
        return Batch([], lane.checkpoint, final=True), None
    return None, lane.window.end


def too_old(source: Source, batch: Batch, age: float, now: float) -> int:
    """How many records at the front of a batch are older than that."""
    count = 0
    while count < len(batch.records) and now - source.arrival(batch.records[count]) + batch.skipped > age:
        count += 1
    return count


def lane_of(partition: str, factor: int) -> int:
    """Which lane a partition key belongs to: always the same."""
    return int.from_bytes(hashlib.md5(partition.encode(), usedforsecurity=False).digest()[:4], "big") % factor


def window_of(moment: float, length: float) -> Window:
    start = moment // length * length
    return Window(start, start + length)
