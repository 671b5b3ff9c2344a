"""What Lambda says around an invocation: how a process ended, START, END and REPORT, the error in the log. Pure."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from typing import Final

from skykite.model.invocation import FunctionConfig, FunctionKind
from skykite.model.names import RequestId
from skykite.runtime.logs import TAIL

# Go's names, for Lambda's supervisor is written in it.
_SIGNALS: Final = {
    "SIGABRT": "aborted",
    "SIGALRM": "alarm clock",
    "SIGBUS": "bus error",
    "SIGFPE": "floating point exception",
    "SIGHUP": "hangup",
    "SIGILL": "illegal instruction",
    "SIGINT": "interrupt",
    "SIGKILL": "killed",
    "SIGPIPE": "broken pipe",
    "SIGQUIT": "quit",
    "SIGSEGV": "segmentation fault",
    "SIGTERM": "terminated",
    "SIGTRAP": "trace/breakpoint trap",
}
_ENDS: Final[Mapping[FunctionKind, str]] = {
    "python": ": look for `os._exit`, also in libraries",
    "node": ": look for `process.exit` and `process.abort`, also in libraries",
}
_CRASHES: Final = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"})


def exit_message(request_id: RequestId, status: int | None) -> str:
    """`status` is negative for a signal, None if nobody knows."""
    return f"RequestId: {request_id} Error: {exit_reason(status)}"


def exit_hint(status: int | None, kind: FunctionKind = "python") -> str | None:
    """For people: what may be behind an end that no code of the function's has announced."""
    if status is None:
        return None
    if status >= 0:
        return f"the process ended itself with status {status}{_ENDS.get(kind, '')}"
    name = _signal_name(status)
    if name == "SIGKILL":
        return "the process was ended by SIGKILL: by the system for want of memory, or by whoever sent it"
    if name in _CRASHES:
        shows = "; `PYTHONFAULTHANDLER=1` in the function's environment shows where" if kind == "python" else ""
        return f"native code crashed ({name}){shows}"
    return f"the process was ended by {name}"


def _signal_name(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def exit_reason(status: int | None) -> str:
    if status is None or status == 0:
        return "Runtime exited without providing a reason"
    if status > 0:
        return f"Runtime exited with error: exit status {status}"
    name = _signal_name(status)
    return f"Runtime exited with error: signal: {_SIGNALS.get(name, f'signal {-status}')}"


def timeout_message(request_id: RequestId, timeout_s: float) -> str:
    return f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds"


def error_lines(error_type: str, message: str, trace: tuple[str, ...]) -> str:
    """How an error shows in a function's log."""
    head = f"[ERROR] {error_type}" + (f": {message}" if message else "")
    lines = [line.replace(" ", "\u00a0", _indent(line)) for part in trace for line in part.splitlines()]
    return "\n".join([head, "Traceback (most recent call last):", *lines]) + "\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def log_tail(
    request_id: RequestId,
    config: FunctionConfig,
    output: bytes,
    *,
    duration_ms: float,
    init_ms: float | None,
    max_memory_mb: int | None,
) -> bytes:
    """The last 4 KB of the log of one invocation, as `LogType=Tail` gives it."""
    memory = "" if max_memory_mb is None else f"\tMax Memory Used: {max_memory_mb} MB"
    init = "" if init_ms is None else f"\tInit Duration: {init_ms:.2f} ms"
    newline = b"" if not output or output.endswith(b"\n") else b"\n"
    report = (
        f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms"
        f"\tBilled Duration: {math.ceil(duration_ms)} ms\tMemory Size: {config.memory_mb} MB{memory}{init}\t\n"
    ).encode()
    start = f"START RequestId: {request_id} Version: $LATEST\n".encode()
    return (start + output + newline + report)[-TAIL:]
