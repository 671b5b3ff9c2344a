"""Asynchronous invocations: Lambda's own queue of events, with its retries, ages and destinations. On the event loop.

An event keeps its request id for all attempts; it is run again after AWS's waits, compressed (`timing`); a function
without free concurrency is asked again until the event is too old. What waits survives a restart, and what was running
then runs again, as AWS may run an event more than once.
"""

from __future__ import annotations

import importlib
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from skykite_cloud.executor import call_with, current_payload
from skykite_cloud.seams import when_imported
from skykite_cloud.triggers import timing
from skykite_cloud.triggers.destinations import Destinations
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.invoking import Ended, Function, Scope, find_function, run
from skykite_cloud.triggers.permissions import Permissions

Pending = dict[str, Any]
"""An event: `function`, `scope`, `payload`, `invoked`, `request_id`, `accepted`, `skipped`, `attempts`, `throttled`,
`due`. Plain data, since it is saved."""

_AT_ONCE = 100
_OLDEST_S = 21600
_RETRIES = 2
_ERROR_LIMIT = 1024


class Asynchronous:
    """A part of the engine."""

    name = "asynchronous"

    def __init__(self, engine: Engine, permissions: Permissions) -> None:
        self._engine = engine
        self._destinations = Destinations(self.accept, permissions)
        self._pending: dict[str, Pending] = {}
        self._running: set[str] = set()

    def install(self) -> None:
        """Take the place of MiniStack's threads, which sleep between attempts."""

        def replace(lambda_svc: Any) -> None:
            def invoke_async_with_retry(record: dict[str, Any], event: Any) -> None:
                config = record.get("config") or record
                scope = lambda_svc._account_region_from_function_config(config)
                payload = current_payload(event)
                text = json.dumps(event, ensure_ascii=False).encode() if payload is None else payload
                self.accept(config["FunctionArn"], scope, text, invoked=payload is not None)

            lambda_svc.invoke_async_with_retry = invoke_async_with_retry

        when_imported("ministack.services.lambda_svc", replace)

    def accept(self, function_arn: str, scope: Scope, payload: bytes, *, invoked: bool = False) -> str:
        """Take an event, on any thread. Its request id."""
        request_id = str(uuid.uuid4())
        now = time.time()
        self._pending[request_id] = {
            "function": function_arn,
            "scope": tuple(scope),
            "payload": payload,
            "invoked": invoked,
            "request_id": request_id,
            "accepted": now,
            "skipped": 0.0,
            "attempts": 0,
            "throttled": 0,
            "due": now,
        }
        self._engine.changed()
        self._engine.wake()
        return request_id

    # ------------------------------------------------------------------

    def look(self, now: float) -> float | None:
        due: float | None = None
        for request_id, pending in list(self._pending.items()):
            if request_id in self._running:
                continue
            if pending["due"] > now:
                due = pending["due"] if due is None else min(due, pending["due"])
            elif len(self._running) < _AT_ONCE:
                self._run(pending)
        return due

    def state(self) -> dict[str, Pending]:
        return dict(self._pending)

    def restore(self, state: dict[str, Pending]) -> None:
        self._pending.update(state)

    def _run(self, pending: Pending) -> None:
        function = find_function(pending["function"], pending["scope"])
        if function is None:
            self._forget(pending)
            return
        if function.reserved == 0:
            self._give_up(pending, function, None, "ZeroReservedConcurrency")
            return
        self._running.add(pending["request_id"])
        event = json.loads(pending["payload"])

        def around(work: Callable[[], Ended]) -> Ended:
            return call_with(pending["payload"], event, work) if pending["invoked"] else work()

        run(
            self._engine, pending["scope"], function, event, pending["request_id"],
            lambda ended: self._ended(pending, function, ended), around=around,
        )  # fmt: skip

    def _ended(self, pending: Pending, function: Function, ended: Ended) -> None:
        self._running.discard(pending["request_id"])
        if pending["request_id"] not in self._pending:
            return
        if ended.absent:
            pending["throttled"] += 1
            pending["due"] = time.time() + timing.absent_retry(pending["throttled"])
            return
        if ended.throttled:
            pending["throttled"] += 1
            self._wait(pending, function, timing.throttled_retry(pending["throttled"]), None)
            return
        pending["attempts"] += 1
        pending["throttled"] = 0
        if not ended.failed:
            self._destinations.succeeded(pending, function, ended, _settings(function, pending["scope"]))
            self._forget(pending)
        elif pending["attempts"] > _settings(function, pending["scope"]).get("MaximumRetryAttempts", _RETRIES):
            self._give_up(pending, function, ended, "RetriesExhausted")
        else:
            self._wait(pending, function, timing.asynchronous_retry(pending["attempts"]), ended)

    def _wait(self, pending: Pending, function: Function, wait: timing.Wait, ended: Ended | None) -> None:
        now = time.time()
        age = now - pending["accepted"] + pending["skipped"]
        oldest = _settings(function, pending["scope"]).get("MaximumEventAgeInSeconds", _OLDEST_S)
        if age + wait.on_aws > oldest:
            self._give_up(pending, function, ended, "EventAgeExceeded")
            return
        pending["due"] = now + wait.here
        pending["skipped"] += wait.skipped
        if ended is not None:
            self._engine.tell(
                "retry-compressed",
                f"`{function.name}` failed on an asynchronous event and runs again in {timing.in_words(wait.here)}, "
                f"where AWS waits {timing.in_words(wait.on_aws)}",
                once="retry-compressed",
            )
        self._engine.changed()

    def _give_up(self, pending: Pending, function: Function, ended: Ended | None, condition: str) -> None:
        kept = self._destinations.failed(pending, function, ended, condition, _settings(function, pending["scope"]))
        self._forget(pending)
        attempts = pending["attempts"]
        self._engine.tell(
            "event-given-up",
            f"`{function.name}` failed {attempts} {'time' if attempts == 1 else 'times'} on an asynchronous event"
            + (f", at last with `{ended.error[:_ERROR_LIMIT]}`" if ended is not None else ""),
            f"the event went to {kept}" if kept else "it is lost: a dead-letter queue or `on_failure` would keep it",
        )

    def _forget(self, pending: Pending) -> None:
        self._pending.pop(pending["request_id"], None)
        self._engine.changed()


def _settings(function: Function, scope: Scope) -> dict[str, Any]:
    """The function's EventInvokeConfig, for the version or alias that was asked for."""
    lambda_svc = importlib.import_module("ministack.services.lambda_svc")
    base = lambda_svc._functions.get_scoped(*scope, function.name) or {}
    qualifier = function.arn.partition(":function:")[2].partition(":")[2]
    found = lambda_svc._event_invoke_config(base, qualifier or None)
    if not found and qualifier in ("", "$LATEST"):
        found = lambda_svc._event_invoke_config(base, "" if qualifier else "$LATEST")
    return found or {}
