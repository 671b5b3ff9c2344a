"""One stream that is mapped to a function: its shards' records in order, in batches, retried until they are done or
given up. On the event loop.

Lambda's rules: a failed batch stops its lane; it is tried again, whole or in halves, until its retries or the age of
its records are used up, and then told to the on-failure destination; a report of failed items moves the checkpoint.
Positions survive a restart, attempts do not.
"""

from __future__ import annotations

import json
import time
import uuid
from functools import partial
from typing import Any

from ministack.core.responses import request_scope

from skykite_cloud.triggers import timing
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.filters import Filters
from skykite_cloud.triggers.invoking import Ended, Function, Scope, find_function, run
from skykite_cloud.triggers.lanes import STATE_LIMIT, Batch, Lane, Limits, Window, next_batch, too_old
from skykite_cloud.triggers.permissions import Permissions
from skykite_cloud.triggers.queues import UndeliverableError
from skykite_cloud.triggers.responses import REPORTS, failed_items
from skykite_cloud.triggers.streamfailures import EXHAUSTED, TOO_OLD, failure_record, send_failure
from skykite_cloud.triggers.streams import Raw, Source, seconds, start_of

Mapping = dict[str, Any]
State = dict[str, Any]
"""`factor`, and `lanes`: by shard, for each lane its checkpoint and its window."""


class StreamMapping:
    """`state` is what `state()` gave before a restart, or the positions of when the mapping was made."""

    def __init__(
        self, engine: Engine, permissions: Permissions, scope: Scope, source: Source, state: State | None
    ) -> None:
        self._engine = engine
        self._permissions = permissions
        self._scope = scope
        self._source = source
        self._lanes: dict[str, list[Lane]] = {}
        self._factor = 0
        self._saved = state
        self._known = state is not None
        self._mapping: Mapping = {}

    @property
    def idle(self) -> bool:
        return not any(lane.running for lane in self._all())

    def look(self, mapping: Mapping | None, now: float) -> float | None:
        if mapping is None or mapping.get("Enabled", True) not in (True, "true", "True"):
            return None
        self._mapping = mapping
        shards = self._source.shards()
        function = find_function(mapping["FunctionArn"], self._scope)
        if shards is None or function is None:
            return None
        factor = int(mapping.get("ParallelizationFactor") or 1)
        if factor != self._factor and not self._relane(factor):
            return None
        for shard, records in shards.items():
            if shard not in self._lanes:
                self._lanes[shard] = self._start(shard, records)
        self._known = True
        filters = Filters(mapping.get("FilterCriteria"))
        due = [
            self._advance(lane, shards[lane.shard], function, filters, now)
            for lane in self._all()
            if lane.shard in shards and not lane.running
        ]
        return min((one for one in due if one is not None), default=None)

    def state(self) -> State:
        lanes = {
            shard: [
                (lane.checkpoint, lane.window and (lane.window.start, lane.window.end, lane.window.state))
                for lane in of_shard
            ]
            for shard, of_shard in self._lanes.items()
        }
        return {"factor": self._factor, "lanes": lanes} if lanes else self._saved or {}

    # ------------------------------------------------------------------
    # Lanes

    def _all(self) -> list[Lane]:
        return [lane for of_shard in self._lanes.values() for lane in of_shard]

    def _start(self, shard: str, records: Any) -> list[Lane]:
        saved = (self._saved or {}).get("lanes", {}).get(shard)
        if saved is not None and len(saved) == self._factor:
            return [
                Lane(shard, index, checkpoint, window=Window(*window) if window else None)
                for index, (checkpoint, window) in enumerate(saved)
            ]
        if saved is not None:
            checkpoint = min(one[0] for one in saved)
        elif self._known:
            checkpoint = ""  # a shard that came later is read from its beginning
        else:
            position = str(self._mapping.get("StartingPosition") or "LATEST")
            checkpoint = start_of(
                self._source, records, position, seconds(self._mapping.get("StartingPositionTimestamp"))
            )
        self._engine.changed()
        return [Lane(shard, index, checkpoint) for index in range(self._factor)]

    def _relane(self, factor: int) -> bool:
        """Divide shards anew, from where the slowest lane is. Not while anything runs."""
        if not self.idle:
            return False
        if self._lanes:
            self._saved = self.state()
            self._lanes = {}
        self._factor = factor
        return True

    def _advance(self, lane: Lane, records: Any, function: Function, filters: Filters, now: float) -> float | None:
        limits = Limits(
            size=int(self._mapping.get("BatchSize") or 100),
            window_s=float(self._mapping.get("MaximumBatchingWindowInSeconds") or 0),
            tumbling_s=float(self._mapping.get("TumblingWindowInSeconds") or 0),
            factor=self._factor,
        )
        role = str(function.config.get("Role", ""))

        def wanted(record: Raw) -> bool:
            if not filters:
                return True
            return filters.wants(*self._source.filtered(self._source.event_record(lane.shard, record, role)))

        while True:
            if not lane.batches:
                before = lane.checkpoint
                batch, due = next_batch(self._source, lane, records, limits, now, wanted)
                if lane.checkpoint != before:
                    self._engine.changed()
                if batch is None:
                    return due
                lane.batches.append(batch)
            batch = lane.batches[0]
            if batch.due > now:
                return batch.due
            age = int(self._mapping.get("MaximumRecordAgeInSeconds") or -1)
            old = too_old(self._source, batch, age, now) if age > 0 else 0
            if old:
                gone, batch.records = batch.records[:old], batch.records[old:]
                self._give_up(lane, batch, gone, function, TOO_OLD, None, str(uuid.uuid4()))
                if not batch.records:
                    self._done(lane, batch)
                    continue
            self._run(lane, batch, function, role)
            return None

    def _run(self, lane: Lane, batch: Batch, function: Function, role: str) -> None:
        lane.running = True
        request_id = str(uuid.uuid4())
        event = self._event(lane, batch, role)
        run(
            self._engine, self._scope, function, event, request_id,
            partial(self._ended, lane, batch, function, request_id),
        )  # fmt: skip

    def _event(self, lane: Lane, batch: Batch, role: str) -> Raw:
        event: Raw = {"Records": [self._source.event_record(lane.shard, record, role) for record in batch.records]}
        if lane.window is not None:
            event |= {
                "window": {"start": _minute(lane.window.start), "end": _minute(lane.window.end)},
                "state": lane.window.state,
                "shardId": lane.shard,
                "eventSourceARN": self._mapping["EventSourceArn"],
                "isFinalInvokeForWindow": batch.final,
                "isWindowTerminatedEarly": batch.final and lane.window.early,
            }
        return event

    # ------------------------------------------------------------------
    # Outcomes

    def _ended(self, lane: Lane, batch: Batch, function: Function, request_id: str, ended: Ended) -> None:
        lane.running = False
        if not lane.batches or lane.batches[0] is not batch:
            return
        self._engine.changed()
        if ended.absent:
            batch.throttled += 1
            batch.due = time.time() + timing.absent_retry(batch.throttled)
            return
        if ended.throttled:
            batch.throttled += 1
            self._wait(batch, timing.stream_retry(batch.throttled))
            return
        batch.throttled = 0
        self._mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if ended.failed else "OK"
        failed = batch.records if ended.failed else self._reported(batch, ended)
        if not ended.failed:
            self._remember(lane, ended)
        if failed or ended.failed:
            self._failed(lane, batch, failed, function, request_id, ended)
        else:
            self._done(lane, batch)

    def _reported(self, batch: Batch, ended: Ended) -> list[Raw]:
        """The records from the first one that failed on."""
        if REPORTS not in (self._mapping.get("FunctionResponseTypes") or ()) or not batch.records:
            return []
        names = [self._source.sequence(record) for record in batch.records]
        failed = failed_items(ended.body, names)
        first = next((number for number, name in enumerate(names) if name in failed), len(names))
        return batch.records[first:]

    def _failed(
        self, lane: Lane, batch: Batch, failed: list[Raw], function: Function, request_id: str, ended: Ended
    ) -> None:
        progress = len(batch.records) - len(failed)
        if progress:
            lane.checkpoint = self._source.sequence(batch.records[progress - 1])
            batch.records, batch.attempts = failed, 0
        batch.attempts += 1
        most = self._mapping.get("MaximumRetryAttempts")
        most = -1 if most is None else int(most)
        if self._mapping.get("BisectBatchOnFunctionError") in (True, "true") and len(failed) > 1 and not progress:
            lane.batches.popleft()
            lane.batches.extendleft(reversed(batch.split(self._source, time.time() + timing.SHORTEST_WAIT_S)))
        elif 0 <= most < batch.attempts:
            self._give_up(lane, batch, failed, function, EXHAUSTED, ended, request_id)
            self._done(lane, batch)
        else:
            wait = timing.stream_retry(batch.attempts)
            self._wait(batch, wait)
            self._engine.tell(
                "stream-blocked",
                f"`{function.name}` failed on records of `{self._mapping['EventSourceArn'].split('/')[1]}`; they are "
                "retried until they work or are given up, and those behind them wait",
                "`retry_attempts`, `max_record_age` and `on_failure` say what happens to records that never work"
                if most < 0
                else None,
                once=f"stream-blocked {self._mapping['UUID']}",
            )

    def _wait(self, batch: Batch, wait: timing.Wait) -> None:
        batch.due = time.time() + wait.here
        batch.skipped += wait.skipped

    def _done(self, lane: Lane, batch: Batch) -> None:
        lane.batches.popleft()
        if batch.final:
            lane.window = None
        elif batch.upto > lane.checkpoint:
            lane.checkpoint = batch.upto
        self._engine.changed()

    @staticmethod
    def _remember(lane: Lane, ended: Ended) -> None:
        if lane.window is None:
            return
        state = ended.body.get("state") if isinstance(ended.body, dict) else None
        lane.window.state = {} if state is None else state
        lane.window.early = len(json.dumps(lane.window.state)) > STATE_LIMIT

    def _give_up(
        self,
        lane: Lane,
        batch: Batch,
        records: list[Raw],
        function: Function,
        condition: str,
        ended: Ended | None,
        request_id: str,
    ) -> None:
        target = ((self._mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        hint = "they are lost: `on_failure` would tell of them"
        if target and records:
            arn = self._mapping["EventSourceArn"]
            document = failure_record(
                self._source, arn, lane.shard, records, function, condition, batch.attempts, request_id, ended
            )
            role = str(function.config.get("Role", ""))
            event = {"Records": [self._source.event_record(lane.shard, record, role) for record in records]}
            problem = self._tell_target(target, function, document, event)
            hint = f"`{target}` was told" if problem is None else f"`{target}` could not be told: {problem}"
        count = len(records)
        self._engine.tell(
            "records-given-up",
            f"`{function.name}` gave up {count} {'record' if count == 1 else 'records'} of "
            f"`{self._mapping['EventSourceArn'].split('/')[1]}` ({condition})",
            hint,
        )

    def _tell_target(self, target: str, function: Function, document: Raw, event: Raw) -> str | None:
        """Why it could not be told."""
        try:
            with request_scope(*self._scope):
                self._permissions.of_role(str(function.config.get("Role", "")), function.name, target)
        except UndeliverableError as error:
            return str(error)
        return send_failure(target, document, event, self._mapping["UUID"], self._scope, self._source)


def _minute(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
