"""What the Runtime API answers, and what that tells the runtime. Pure: requests and invocations in, answers and frames
out.

States, their names, status codes and error documents are those of AWS's runtime interface emulator. A worker that asks
for the next invocation again, instead of answering the one it has, gets that one again.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NewType

from skykite_lambda import frames

RESPONSE_LIMIT: Final = 6 * 1024 * 1024 + 100  # bytes, Lambda's
_ROOT: Final = "/2018-06-01/runtime/"
_ERROR_TYPE: Final = b"lambda-runtime-function-error-type"
_ERROR_BODY: Final = b"lambda-runtime-function-error-body"
_MODE: Final = b"lambda-runtime-function-response-mode"
_ACCEPTED: Final = b'{"status":"OK"}\n'
_READY: Final = b'{"observed":{}}'

Ticket = NewType("Ticket", int)
State = Literal["Started", "InitError", "Ready", "Running", "RuntimeResponseSentState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Names of headers and trailers are in small letters. `body` is empty if its `size` is more than may be."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes
    size: int
    trailers: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """The answer to a request."""

    ticket: Ticket
    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: bytes = b""  # as they are sent, each with its line's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """A frame for the runtime: the worker is READY, or has a RESULT, an ERROR or INIT_FAILED."""

    kind: int
    payload: bytes


Output = Respond | Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is to be run."""

    request_id: str
    headers: bytes
    payload: bytes


class RuntimeApi:
    """One worker's."""

    def __init__(self) -> None:
        self._state: State = "Started"
        self._waiting: deque[Ticket] = deque()
        self._pending: Event | None = None  # nobody has asked for it yet
        self._current: Event | None = None  # the last that was handed out

    @property
    def state(self) -> State:
        return self._state

    def invoke(self, event: Event) -> list[Output]:
        """The runtime has something to run; never before the last has been answered."""
        if self._state == "Ready" and self._waiting:
            return [self._hand_out(self._waiting.popleft(), event)]
        self._pending = event
        return []

    def request(self, ticket: Ticket, request: Request) -> list[Output]:
        """The worker asks or tells."""
        path = request.path.partition("?")[0]
        method = "POST"
        answer: Callable[[Ticket, Request], list[Output]]
        match path[len(_ROOT) :].split("/") if path.startswith(_ROOT) else []:
            case ["invocation", "next"]:
                method, answer = "GET", self._next
            case ["invocation", request_id, "response"]:
                answer = self._response if self._is_current(request_id) else _wrong_id
            case ["invocation", request_id, "error"]:
                answer = self._error if self._is_current(request_id) else _wrong_id
            case ["init", "error"]:
                answer = self._init_error
            case _:
                return [_plain(ticket, 404, b"404 page not found\n")]
        return answer(ticket, request) if request.method == method else [_plain(ticket, 405, b"")]

    def gone(self, ticket: Ticket) -> None:
        """Whoever asked has hung up."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)

    def cut_off(self, path: str) -> list[Output]:
        """A request to `path` ended in the middle of its body."""
        current = self._current
        if self._state != "Running" or current is None or path != f"{_ROOT}invocation/{current.request_id}/response":
            return []
        self._state = "RuntimeResponseSentState"
        return [_failed("Runtime.TruncatedResponse", "The response ended in the middle.")]

    def _is_current(self, request_id: str) -> bool:
        return self._current is not None and self._current.request_id == request_id

    def _next(self, ticket: Ticket, _: Request) -> list[Output]:
        if self._state == "InitError":
            return [self._no_transition(ticket, "Ready")]
        if self._state == "Running" and self._current is not None:
            return [self._hand_out(ticket, self._current)]
        told: list[Output] = [Tell(kind=frames.READY, payload=_READY)] if self._state == "Started" else []
        self._state = "Ready"
        if self._pending is not None:
            return [*told, self._hand_out(ticket, self._pending)]
        self._waiting.append(ticket)
        return told

    def _hand_out(self, ticket: Ticket, event: Event) -> Respond:
        self._state, self._current, self._pending = "Running", event, None
        return Respond(ticket=ticket, status=200, body=event.payload, headers=event.headers)

    def _response(self, ticket: Ticket, request: Request) -> list[Output]:
        if self._state != "Running":
            return [self._no_transition(ticket, "InvocationResponse")]
        self._state = "RuntimeResponseSentState"
        if request.headers.get(_MODE, b"streaming") != b"streaming":
            return [
                _failed("Runtime.InvalidResponseModeHeader", "Invalid function response mode"),
                _refuse(ticket, 400, "InvalidFunctionResponseMode", "Invalid function response mode"),
            ]
        if request.size > RESPONSE_LIMIT:
            limit = f"exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
            return [
                _failed(
                    "Function.ResponseSizeTooLarge",
                    f"Response payload size ({request.size} bytes) {limit}",
                    hint="put large results into a bucket and return a link",
                ),
                _refuse(ticket, 413, "RequestEntityTooLarge", f"E{limit[1:]}"),
            ]
        failed = request.trailers.get(_ERROR_TYPE)
        if failed is not None:  # it went wrong in the middle of streaming
            body = _decoded(request.trailers.get(_ERROR_BODY, b""))
            return [_reported(frames.ERROR, failed, body), _accepted(ticket)]
        return [Tell(kind=frames.RESULT, payload=request.body), _accepted(ticket)]

    def _error(self, ticket: Ticket, request: Request) -> list[Output]:
        if self._state != "Running":
            return [self._no_transition(ticket, "InvocationErrorResponse")]
        self._state = "RuntimeResponseSentState"
        return [_reported(frames.ERROR, request.headers.get(_ERROR_TYPE, b""), request.body), _accepted(ticket)]

    def _init_error(self, ticket: Ticket, request: Request) -> list[Output]:
        if self._state != "Started":
            return [self._no_transition(ticket, "InitError")]
        self._state = "InitError"
        return [_reported(frames.INIT_FAILED, request.headers.get(_ERROR_TYPE, b""), request.body), _accepted(ticket)]

    def _no_transition(self, ticket: Ticket, to: str) -> Respond:
        return _refuse(
            ticket,
            403,
            "InvalidStateTransition",
            f"State transition from {self._state} to {to} failed for runtime. Error: State transition is not allowed",
        )


def _accepted(ticket: Ticket) -> Respond:
    return Respond(ticket=ticket, status=202, body=_ACCEPTED)


def _wrong_id(ticket: Ticket, _: Request) -> list[Output]:
    return [_refuse(ticket, 400, "InvalidRequestID", "Invalid request ID")]


def _plain(ticket: Ticket, status: int, body: bytes) -> Respond:
    return Respond(ticket=ticket, status=status, body=body, content_type=b"text/plain; charset=utf-8")


def _refuse(ticket: Ticket, status: int, error_type: str, message: str) -> Respond:
    body = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":")) + "\n"
    return Respond(ticket=ticket, status=status, body=body.encode())


def _failed(error_type: str, message: str, hint: str | None = None) -> Tell:
    """The runtime itself has found something wrong with an answer."""
    document = json.dumps({"errorMessage": message, "errorType": error_type})
    error = {"type": error_type, "message": message, "hint": hint, "document": document}
    return Tell(kind=frames.ERROR, payload=json.dumps(error).encode())


def _reported(kind: int, error_type: bytes, body: bytes) -> Tell:
    """What the worker says went wrong: callers get its document as it is."""
    text = body.decode("utf-8", "replace")
    document = _error_document(text)
    found = document or {}
    named = error_type.decode("latin-1")
    type_ = found.get("errorType")
    message = found.get("errorMessage")
    shown = type_ if isinstance(type_, str) and type_ else named or "Runtime.Unknown"
    error = {
        "type": shown,
        "message": message if isinstance(message, str) else text[:1024] if document is None else "",
        "trace": _trace(found.get("stackTrace") or found.get("trace")),
        "document": text if text.strip() else json.dumps({"errorMessage": "", "errorType": shown}),
    }
    told: dict[str, Any] = error if kind == frames.ERROR else {"error": error, "observed": {}}
    return Tell(kind=kind, payload=json.dumps(told).encode())


def _error_document(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _trace(given: object) -> list[str]:
    """Lines to show; each language has its own idea of a frame."""
    return [_frame(one) for one in given[:64]] if isinstance(given, list) else []


def _frame(one: object) -> str:
    if isinstance(one, dict) and "path" in one:  # Go's
        return f"  {one['path']}:{one.get('line', '')} {one.get('label', '')}\n"
    text = one if isinstance(one, str) else json.dumps(one)
    return text if text.endswith("\n") else f"{text}\n"


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text
