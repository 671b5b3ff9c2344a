"""How an invocation ended, and the outcome that makes for its caller. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skykite.model.invocation import (
    Failed,
    FailureKind,
    FunctionConfig,
    Invocation,
    Outcome,
    Report,
    Succeeded,
)
from skykite.runtime.messages import WorkerError
from skykite.runtime.reports import error_lines, exit_message, log_tail, timeout_message

_KINDS: Final[dict[str, FailureKind]] = {
    "Runtime.MarshalError": "unserializable",
    "Function.ResponseSizeTooLarge": "too-large",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The handler came back with this."""

    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception of the user's, or a fault that the worker found."""

    kind: FailureKind
    error: WorkerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The process ended first. `status` is None if there was none, or nobody knows."""

    kind: FailureKind
    status: int | None
    hint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """It took longer than it may."""

    limit_s: float
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Skykite was stopped first. Who called over the bridge is told so by the function's stub."""


Ending = Returned | Raised | Exited | TimedOut | Stopped


def raised(error: WorkerError, *, during_init: bool = False, unavailable: bool = False) -> Raised:
    if unavailable:
        return Raised(kind="unavailable", error=error)
    return Raised(kind="import" if during_init else _KINDS.get(error.type, "handled"), error=error)


def exited(status: int | None, *, hint: str | None = None, kind: FailureKind = "exit") -> Exited:
    return Exited(kind=kind, status=status, hint=hint)


def timed_out(config: FunctionConfig) -> TimedOut:
    place = f" at `{config.source}`" if config.source else ""
    file = config.handler.file if config.kind == "python" else config.handler.path
    return TimedOut(
        limit_s=config.timeout_s,
        hint=f"raise `timeout` of the function{place}, or see what `{file}` waits for",
    )


def outcome_of(
    invocation: Invocation,
    config: FunctionConfig,
    ending: Ending,
    *,
    duration_ms: float,
    init_ms: float | None,
    max_memory_mb: int | None,
    output: bytes,
) -> Outcome:
    """The outcome as the Lambda API gives it, with the REPORT line's figures."""
    request_id = invocation.request_id
    if isinstance(ending, Raised):
        error = ending.error
        lines = error.log if error.document is not None else error_lines(error.type, error.message, error.trace)
        output += lines.encode()
    report = Report(
        duration_ms=duration_ms,
        init_ms=init_ms,
        max_memory_mb=max_memory_mb,
        log=log_tail(
            request_id,
            config,
            output,
            duration_ms=duration_ms,
            init_ms=init_ms,
            max_memory_mb=max_memory_mb,
        ),
    )
    match ending:
        case Returned(payload=payload):
            return Succeeded(payload=payload, report=report)
        case Raised(kind=kind, error=error):
            return Failed(
                kind=kind,
                error_type=error.type,
                message=error.message,
                report=report,
                request_id=request_id,
                trace=tuple(error.trace),
                hint=error.hint,
                document=None if error.document is None else error.document.encode(),
            )
        case Exited(kind=kind, status=status, hint=hint):
            return Failed(
                kind=kind,
                error_type="Runtime.ExitError",
                message=exit_message(request_id, status),
                report=report,
                request_id=request_id,
                hint=hint,
            )
        case Stopped():
            return _stopped(invocation, report)
        case TimedOut(limit_s=limit_s, hint=hint):
            return Failed(
                kind="timeout",
                error_type="Sandbox.Timedout",
                message=timeout_message(request_id, limit_s),
                report=report,
                request_id=request_id,
                hint=hint,
            )


def _stopped(invocation: Invocation, report: Report) -> Failed:
    request_id = invocation.request_id
    if invocation.bridge_ms is None:
        return Failed(
            kind="unavailable",
            error_type="Runtime.ExitError",
            message=exit_message(request_id, None),
            report=report,
            request_id=request_id,
            hint="Skykite was stopped",
        )
    from skykite_lambda.wire import failures  # which is loaded, if something came over the bridge

    told = failures.ended()
    return Failed(kind="lost", error_type=told.error_type, message=told.message, report=report, request_id=request_id)
