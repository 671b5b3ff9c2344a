"""One queue that is mapped to a function: take messages, run the function on them, delete what it has done.

As Lambda does it: five batches at a time unless `MaximumConcurrency` says otherwise, a FIFO group in one batch at a
time, messages that no filter wants deleted at once, failed ones visible again when their visibility timeout is over.
One thing is kinder than AWS: while a function is held at a breakpoint, its messages stay invisible. On the event loop.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from skykite_cloud.triggers import queues, timing
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.filters import Filters
from skykite_cloud.triggers.invoking import Ended, Scope, find_function, run
from skykite_cloud.triggers.queues import Message
from skykite_cloud.triggers.responses import REPORTS, failed_items

Mapping = dict[str, Any]

_BATCHES_AT_ONCE = 5
_HOLD_AHEAD_S = 1.0
_THROTTLED_PAUSE_S = 0.25


@dataclass(slots=True, eq=False)
class _Batch:
    """`until` is when its messages are to be visible again if they are not done; `hidden_until` when they are."""

    messages: list[Message]
    until: float
    hidden_until: float
    request_id: str
    retry_at: float | None = None


@dataclass(slots=True)
class _Gathering:
    """Messages that wait for their batch to be full or its window to be over."""

    messages: list[Message] = field(default_factory=list)
    size: int = 0
    since: float = 0.0
    until: float = 0.0
    hidden_until: float = 0.0


class QueueMapping:
    """`look` with the mapping's record, or with `None` once it is removed."""

    def __init__(self, engine: Engine, scope: Scope) -> None:
        self._engine = engine
        self._scope = scope
        self._running: list[_Batch] = []
        self._gathering = _Gathering()
        self._mapping: Mapping = {}
        self._queue_arn = ""
        self._absent = 0
        self._not_before = 0.0

    @property
    def idle(self) -> bool:
        return not self._running and not self._gathering.messages

    def look(self, mapping: Mapping | None, now: float) -> float | None:
        deadlines = [self._hold(now)]
        if mapping is not None:
            self._mapping = mapping
            self._queue_arn = mapping["EventSourceArn"]
        queue = queues.find_queue(self._queue_arn)
        if self.idle and (queue is None or not queue["messages"]):
            return None  # as mostly, and this is asked often
        function = find_function(self._mapping["FunctionArn"], self._scope)
        if mapping is None or not _enabled(mapping) or queue is None or function is None:
            queues.hide(self._gathering.messages, now)
            self._gathering = _Gathering()
        elif now < self._not_before:
            deadlines.append(self._not_before)
        else:
            self._retry_throttled(now)
            deadlines.append(self._take(queue, now))
        deadlines += [batch.retry_at for batch in self._running]
        return min((one for one in deadlines if one is not None), default=None)

    def state(self) -> None:
        return None  # all of it is in the queue

    # ------------------------------------------------------------------

    def _hold(self, now: float) -> float | None:
        """Keep invisible what is being worked on or gathered. When to do so again."""
        held: list[_Batch | _Gathering] = [*self._running, *([self._gathering] if self._gathering.messages else ())]
        if not held:
            return None
        queue = queues.find_queue(self._queue_arn)
        more = max(queues.visibility_timeout(queue) if queue else 0.0, queues.SHORTEST_HOLD_S)
        for one in held:
            if one.hidden_until - _HOLD_AHEAD_S <= now:
                before, one.hidden_until = one.hidden_until, now + more
                queues.hide(one.messages, one.hidden_until, unless_changed_from=before)
        return min(one.hidden_until for one in held) - _HOLD_AHEAD_S

    def _take(self, queue: dict[str, Any], now: float) -> float | None:
        """Take and run as much as may be. When there will be more to take."""
        mapping, gathering = self._mapping, self._gathering
        size = int(mapping.get("BatchSize") or 10)
        window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        most = int((mapping.get("ScalingConfig") or {}).get("MaximumConcurrency") or _BATCHES_AT_ONCE)
        filters = Filters(mapping.get("FilterCriteria"))
        while len(self._running) < most:
            room = queues.PAYLOAD_LIMIT - gathering.size
            taken = queues.take(queue, size - len(gathering.messages), room, now)
            self._tell_dead(queue, taken.dead)
            wanted = self._drop_unwanted(queue, taken.messages, filters)
            if wanted and not gathering.messages:
                gathering.since, gathering.until = now, taken.until
                gathering.hidden_until = max(taken.until, now + queues.SHORTEST_HOLD_S)
            queues.hide(wanted, gathering.hidden_until)
            gathering.messages += wanted
            gathering.size += sum(map(queues.size_of, wanted))
            if taken.messages:
                self._engine.changed()
            if not gathering.messages:
                if taken.messages:
                    continue  # none of these was wanted; the next may be
                return taken.next_visible
            due = gathering.since + window
            if len(gathering.messages) < size and not taken.full and now < due:
                return min(due, taken.next_visible or due)
            self._gathering, full = _Gathering(), gathering
            gathering = self._gathering
            self._run(_Batch(full.messages, full.until, full.hidden_until, str(uuid.uuid4())))
        return None

    def _drop_unwanted(self, queue: dict[str, Any], messages: list[Message], filters: Filters) -> list[Message]:
        if not filters:
            return messages
        wanted = [one for one in messages if filters.wants(self._record(one), "body", one["body"])]
        kept = {id(one) for one in wanted}
        unwanted = [one for one in messages if id(one) not in kept]
        if unwanted:
            queues.delete(queue, unwanted)
        return wanted

    def _record(self, message: Message) -> dict[str, Any]:
        return queues.event_record(message, self._queue_arn, self._scope[1])

    def _retry_throttled(self, now: float) -> None:
        for batch in list(self._running):
            if batch.retry_at is not None and batch.retry_at <= now:
                batch.retry_at = None
                self._running.remove(batch)
                self._run(batch)

    def _run(self, batch: _Batch) -> None:
        function = find_function(self._mapping["FunctionArn"], self._scope)
        if function is None:
            queues.hide(batch.messages, batch.until)
            return
        self._running.append(batch)
        event = {"Records": [self._record(message) for message in batch.messages]}
        run(self._engine, self._scope, function, event, batch.request_id, lambda ended: self._ended(batch, ended))

    def _ended(self, batch: _Batch, ended: Ended) -> None:
        now = time.time()
        if ended.throttled and now < batch.until:
            batch.retry_at = now + _THROTTLED_PAUSE_S
            return
        self._running.remove(batch)
        if ended.absent:
            self._absent += 1
            self._not_before = now + timing.absent_retry(self._absent)
            queues.untake(batch.messages, now)
            return
        self._absent = 0
        failed = batch.messages
        if not ended.failed:
            names = [message["id"] for message in batch.messages]
            reports = REPORTS in (self._mapping.get("FunctionResponseTypes") or ())
            of_those = failed_items(ended.body, names) if reports else frozenset()
            failed = [message for message in batch.messages if message["id"] in of_those]
        kept = {id(message) for message in failed}
        done = [message for message in batch.messages if id(message) not in kept]
        queue = queues.find_queue(self._queue_arn)
        if queue is not None and done:
            queues.delete(queue, done)
        queues.hide(failed, max(batch.until, now), unless_changed_from=batch.hidden_until)
        self._mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if ended.failed else "OK"
        self._engine.changed()

    def _tell_dead(self, queue: dict[str, Any], count: int) -> None:
        if count:
            messages = "a message was" if count == 1 else f"{count} messages were"
            self._engine.tell(
                "message-dead-lettered",
                f"{messages} received too often from queue `{queue['name']}` and went to its dead-letter queue",
            )


def _enabled(mapping: Mapping) -> bool:
    return mapping.get("Enabled", True) in (True, "true", "True")
