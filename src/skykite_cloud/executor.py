"""The Lambda executor: functions that Skykite runs are handed to it, the others run as MiniStack does it.

Which are Skykite's, Skykite says for each; an owner that keeps a cloud gets along what is needed to run any.

MiniStack sends every invocation through `_execute_function_dispatch`, whatever its source: Invoke, event source
mappings, topics, buckets, rules, Step Functions, custom resources. Replacing that one function catches them all.
`_invoke`, the API, is wrapped as well, so that the bytes of the caller reach the function, and those of the function
the caller, without being parsed and written anew.
"""

from __future__ import annotations

import contextvars
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ministack.core.responses import error_response_json

from skykite_cloud.credentials import RoleCredentials
from skykite_cloud.customresources import fail_custom_resource
from skykite_cloud.deployed import IMAGE_HANDLER, PLACEHOLDER_HANDLER, DeployedFunctions
from skykite_cloud.handoff import Answer, Call, HandoffClient, HandoffLostError
from skykite_cloud.seams import when_imported

Record = dict[str, Any]
Response = tuple[int, Record, bytes]
Result = TypeVar("Result")

NOT_RUNNING = "Skykite.NotRunning"
"""The type of the error of a function that nobody runs."""

CANNOT_RUN = "Skykite.RuntimeUnsupported"
"""The type of the error of a function that is a container image, or in a language that MiniStack would make up an
answer for."""

_RUN_HERE = ("python", "nodejs", "provided")
_SYNCHRONOUS_LIMIT = 6 * 1024 * 1024
_ASYNCHRONOUS_LIMIT = 1024 * 1024


@dataclass(slots=True)
class _ApiCall:
    """One call of Lambda's Invoke: the bytes that came, the event parsed from them, and the bytes to answer with."""

    payload: bytes
    client_context: str | None
    event: object = None
    answer: bytes | None = field(default=None)


_api_call: contextvars.ContextVar[_ApiCall | None] = contextvars.ContextVar("skykite_api_call", default=None)


def current_payload(event: object) -> bytes | None:
    """The bytes that `event` was parsed from, if this is within the call of Lambda's Invoke that brought it."""
    call = _api_call.get()
    return call.payload if call is not None and call.event is event else None


def call_with(payload: bytes, event: object, work: Callable[[], Result]) -> Result:
    """Do `work`, which invokes a function with `event`, so that it gets these very bytes, as of an Invoke."""
    token = _api_call.set(_ApiCall(payload=payload, client_context=None, event=event))
    try:
        return work()
    finally:
        _api_call.reset(token)


class Executor:
    """Install with `install`, once, before the first request. `invoked` is called after each invocation, on any
    thread: what a function did may have to be saved."""

    def __init__(
        self, client: HandoffClient | None, *, credentials: RoleCredentials, invoked: Callable[[], None]
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._invoked = invoked
        self._own_executor: Callable[..., Record]
        self._handle_request: Callable[..., Awaitable[Response]]
        self._invoke: Callable[..., Awaitable[Response]]
        self._lambda: Any = None  # MiniStack's module, once it is there
        self._deployed: DeployedFunctions | None = None

    def install(self) -> None:
        when_imported("ministack.services.lambda_svc", self._replace_seams)

    def _replace_seams(self, lambda_svc: Any) -> None:
        self._lambda = lambda_svc
        self._own_executor = lambda_svc._execute_function_dispatch
        self._handle_request = lambda_svc.handle_request
        self._invoke = lambda_svc._invoke
        lambda_svc._execute_function_dispatch = self._dispatch
        lambda_svc.handle_request = self._answer_request
        lambda_svc._invoke = self._answer_invoke
        credentials = self._credentials
        if self._client is not None and self._client.takes_deployed:
            self._deployed = DeployedFunctions(lambda_svc, credentials)
        lambda_svc.execution_credentials = credentials.of
        sys.modules["ministack.core.lambda_runtime"].execution_credentials = credentials.of  # type: ignore[attr-defined]

    # ------------------------------------------------------------------
    # The API: keep the bytes

    async def _answer_request(
        self, method: str, path: str, headers: Record, body: bytes, query_params: Record
    ) -> Response:
        if method != "POST" or not path.rstrip("/").endswith("/invocations"):
            return await self._handle_request(method, path, headers, body, query_params)
        if body:
            try:
                json.loads(body)
            except ValueError as error:
                message = f"Could not parse request body into json: {error}"
                refused: Response = error_response_json("InvalidRequestContentException", message, 400)
                return refused
        token = _api_call.set(_ApiCall(payload=body or b"{}", client_context=headers.get("x-amz-client-context")))
        try:
            return await self._handle_request(method, path, headers, body, query_params)
        finally:
            _api_call.reset(token)

    async def _answer_invoke(
        self,
        name: str,
        event: object,
        headers: Record,
        path_qualifier: str | None = None,
        query_params: Record | None = None,
    ) -> Response:
        call = _api_call.get()
        assert call is not None
        asynchronous = headers.get("x-amz-invocation-type") == "Event"
        limit = _ASYNCHRONOUS_LIMIT if asynchronous else _SYNCHRONOUS_LIMIT
        if len(call.payload) > limit:
            message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
            refused: Response = error_response_json("RequestEntityTooLargeException", message, 413)
            return refused
        call.event = event
        status, response_headers, payload = await self._invoke(name, event, headers, path_qualifier, query_params)
        if call.answer is not None and status == 200:
            payload = call.answer
        return status, response_headers, payload

    # ------------------------------------------------------------------
    # The seam: any thread, any source

    def _dispatch(self, function: Record, config: Record, event: object, request_id: str, started: float) -> Record:
        try:
            result = self._execute(function, config, event, request_id, started)
        finally:
            self._invoked()
        if result.get("error"):
            fail_custom_resource(event, result.get("body"))
        return result

    def _execute(self, function: Record, config: Record, event: object, request_id: str, started: float) -> Record:
        result = self._hand_off(function, config, event, request_id, started)
        if result is not None:
            return result
        if config.get("Handler") == PLACEHOLDER_HANDLER:
            return _nobody_runs_it(config)
        if config.get("Handler") == IMAGE_HANDLER:
            return _is_an_image(config)
        if not str(config.get("Runtime") or _RUN_HERE[0]).startswith(_RUN_HERE):
            return _cannot_run_it(config)
        return self._own_executor(function, config, event, request_id, started)

    def _hand_off(
        self, function: Record, config: Record, event: object, request_id: str, started: float
    ) -> Record | None:
        if self._client is None:
            return None
        api_call = _api_call.get()
        if api_call is not None and api_call.event is not event:
            api_call = None  # an invocation that this call caused, with an event of its own
        call = Call(
            function=config["FunctionName"],
            request_id=request_id,
            payload=api_call.payload if api_call else json.dumps(event, ensure_ascii=False).encode(),
            invoked=api_call is not None,
            client_context=api_call.client_context if api_call else None,
            trace_id=self._lambda._xray_trace_id_for_invocation(config),
            deployed=self._deployed.describe(function, config) if self._deployed else None,
        )
        try:
            answer = self._client.invoke(call)
        except HandoffLostError as error:
            return _failed("Skykite.Disconnected", f"kite went away while the function ran: {error}")
        if answer is None:
            return None
        if api_call is not None:
            api_call.answer = answer.payload
        self._log(function, answer, request_id, started)
        return _result(answer)

    def _log(self, function: Record, answer: Answer, request_id: str, started: float) -> None:
        text = answer.log.decode(errors="replace")
        elapsed_ms = int((time.time() - started) * 1000)
        # Said to be of AWS's own emulator: such a log has its START, END and REPORT already.
        self._lambda._emit_lambda_logs(function, request_id, text, answer.failed, elapsed_ms, log_source="rie")


def _result(answer: Answer) -> Record:
    """What MiniStack's callers expect of an executor: parsed, since event sources look into it. What a function sends
    may be no JSON: the bytes that it returns, or what it streams. Then it is text."""
    body: object
    try:
        body = json.loads(answer.payload)
    except (ValueError, RecursionError):
        body = answer.payload.decode(errors="replace")
    result: Record = {"body": body, "log": answer.log.decode(errors="replace")}
    if answer.failed:
        result |= {"error": True, "function_error": "Unhandled"}
    return result


def _failed(error_type: str, message: str) -> Record:
    return {
        "body": {"errorMessage": message, "errorType": error_type},
        "error": True,
        "function_error": "Unhandled",
        "log": "",
    }


def _nobody_runs_it(config: Record) -> Record:
    name = config.get("FunctionName", "")
    return _failed(
        NOT_RUNNING,
        f"function {name} runs on the developer's machine, and no kite dev that has it is connected",
    )


def _is_an_image(config: Record) -> Record:
    name = config.get("FunctionName", "")
    return _failed(
        CANNOT_RUN, f"function {name} is a container image, which runs where it is deployed to AWS and not here"
    )


def _cannot_run_it(config: Record) -> Record:
    name, runtime = config.get("FunctionName", ""), config.get("Runtime")
    return _failed(
        CANNOT_RUN,
        f"the embedded cloud cannot run {name}: it has Python, Node and `provided` runtimes, and no {runtime}",
    )
