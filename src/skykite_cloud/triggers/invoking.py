"""Run a deployed function for a trigger, with a request id of the trigger's choosing, and see how it ended.

MiniStack makes a new request id for every run; Lambda keeps it for all attempts at one event. I/O: the executor's.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skykite_cloud.executor import NOT_RUNNING
from skykite_cloud.triggers.engine import Engine

Record = dict[str, Any]
Scope = tuple[str, str]
"""An account and a region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What is deployed under an ARN at this moment. `record` is MiniStack's, of the version that is meant."""

    arn: str
    record: Record
    reserved: int | None

    @property
    def config(self) -> Record:
        config: Record = self.record["config"]
        return config

    @property
    def name(self) -> str:
        return str(self.config.get("FunctionName", ""))

    @property
    def version(self) -> str:
        return str(self.config.get("Version", "$LATEST"))

    @property
    def timeout_s(self) -> int:
        return int(self.config.get("Timeout") or 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one run ended. `throttled` and `absent` mean that it did not begin: there was no free concurrency, or nobody
    has come yet who runs the function."""

    failed: bool
    throttled: bool = False
    absent: bool = False
    body: Any = None
    function_error: str | None = None

    @property
    def error(self) -> str:
        """The error in one line."""
        if isinstance(self.body, dict):
            kind, message = self.body.get("errorType"), self.body.get("errorMessage")
            return f"{kind}: {message}" if kind and message else str(message or kind or "")
        return str(self.body)


def find_function(reference: str, scope: Scope) -> Function | None:
    """By ARN, with or without a version or alias, or by name. In the scope's account and region."""
    lambda_svc = importlib.import_module("ministack.services.lambda_svc")
    found, config, name = lambda_svc._get_func_record_for_ref_in_scope(reference, account_id=scope[0], region=scope[1])
    if found is None or config is None:
        return None
    base = lambda_svc._functions.get_scoped(*scope, name)
    arn = reference if reference.startswith("arn:") else config["FunctionArn"]
    record = {**found, "config": {**config, "FunctionArn": arn}}
    return Function(arn=arn, record=record, reserved=lambda_svc._reserved_concurrency(base, config))


def run(
    engine: Engine,
    scope: Scope,
    function: Function,
    event: Any,
    request_id: str,
    done: Callable[[Ended], None],
    *,
    around: Callable[[Callable[[], Ended]], Ended] = lambda work: work(),
) -> None:
    """On a thread of its own. `done` is called on the event loop; `around` on the thread, with the work to do."""

    def ended(outcome: Ended | BaseException) -> None:
        if isinstance(outcome, BaseException):
            body = {"errorType": type(outcome).__name__, "errorMessage": str(outcome)}
            outcome = Ended(failed=True, body=body, function_error="Unhandled")
        done(outcome)

    engine.on_thread(scope, lambda: around(lambda: _execute(function, event, request_id)), ended)


def _execute(function: Function, event: Any, request_id: str) -> Ended:
    lambda_svc = importlib.import_module("ministack.services.lambda_svc")
    config = function.config
    # The limit is kept with the function, not with its versions.
    slot, _ = lambda_svc._acquire_execution_slot({"concurrency": function.reserved}, config)
    if slot is None:
        return Ended(failed=True, throttled=True)
    try:
        result = lambda_svc._execute_function_dispatch(function.record, config, event, request_id, time.time())
    finally:
        lambda_svc._release_execution_slot(slot)
    body = result.get("body")
    if not result.get("error"):
        return Ended(failed=False, body=body)
    absent = isinstance(body, dict) and body.get("errorType") == NOT_RUNNING
    return Ended(failed=True, absent=absent, body=body, function_error=result.get("function_error") or "Unhandled")
