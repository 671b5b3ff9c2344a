"""Lambda's words around an invocation."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from kit.runtime import function_config, invocation_of
from skykite.model.names import RequestId
from skykite.runtime.clock import Allowance
from skykite.runtime.environment import function_environment, needs_own_start, process_environment
from skykite.runtime.messages import trace_id_of
from skykite.runtime.reports import error_lines, exit_message, log_tail, timeout_message

REQUEST = RequestId("8f507cfc-1234-4697-b07a-ac58fc914c95")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "Runtime exited without providing a reason"),
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (-signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
        (-63, "Runtime exited with error: signal: signal 63"),
    ],
)
def test_exit_is_told_as_lambda_tells_it(status: int | None, reason: str) -> None:
    assert exit_message(REQUEST, status) == f"RequestId: {REQUEST} Error: {reason}"


def test_timeout_is_told_as_lambda_tells_it() -> None:
    assert timeout_message(REQUEST, 3) == f"RequestId: {REQUEST} Error: Task timed out after 3.00 seconds"


def test_error_in_the_log_keeps_its_indentation() -> None:
    assert error_lines("KeyError", "'x'", ('  File "a.py", line 1, in f\n    g()\n',)) == (
        "[ERROR] KeyError: 'x'\nTraceback (most recent call last):\n"
        '\u00a0\u00a0File "a.py", line 1, in f\n\u00a0\u00a0\u00a0\u00a0g()\n'
    )


def test_log_tail_is_four_kilobytes_at_most_and_ends_with_the_report() -> None:
    config = function_config(Path("/p"), "a.b")
    tail = log_tail(REQUEST, config, b"x" * 9000, duration_ms=1.234, init_ms=None, max_memory_mb=None)
    assert len(tail) == 4096
    assert tail.endswith(
        b"x\nEND RequestId: %b\nREPORT RequestId: %b\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\t\n"
        % (REQUEST.encode(), REQUEST.encode())
    )


def test_trace_id_is_the_callers_or_well_formed() -> None:
    given = invocation_of("f", trace_id="Root=1-5759e988-bd862e3fe1be46a994272793")
    assert trace_id_of(given, 0) == "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert trace_id_of(invocation_of("f", request_id=REQUEST), 0x65000000) == (
        "Root=1-65000000-8f507cfc12344697b07aac58;Parent=b07aac58fc914c95;Sampled=0"
    )


def test_only_what_a_process_needs_comes_from_the_host() -> None:
    host = {"PATH": "/bin", "TMPDIR": "/t", "AWS_PROFILE": "prod", "HOME": "/home/alice", "SystemRoot": "C:\\Windows"}
    process = process_environment(host, interpreter=Path("/venv/bin/python"), home=Path("/empty"))
    assert process == {
        "PATH": "/venv/bin:/bin",
        "TMPDIR": "/t",
        "SystemRoot": "C:\\Windows",
        "HOME": "/empty",
        "USERPROFILE": "/empty",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def test_configured_variables_win() -> None:
    from datetime import UTC, datetime

    config = function_config(Path("/p"), "a.b", environment={"AWS_REGION": "x", "TZ": ":Europe/Berlin"})
    found = function_environment(config, {"TZ": ":UTC"}, now=datetime(2026, 1, 2, tzinfo=UTC), worker="ff")
    assert (found["AWS_REGION"], found["TZ"]) == ("x", ":Europe/Berlin")
    assert found["AWS_LAMBDA_LOG_STREAM_NAME"] == "2026/01/02/[$LATEST]ff"


def test_variables_that_python_reads_at_start_need_a_start() -> None:
    assert needs_own_start({"PYTHONHASHSEED": "1"})
    assert not needs_own_start({"PYTHONPATH": "/lib", "PATH": "/bin", "PYTHONUNBUFFERED": "1"})


def test_allowance_stands_still_while_suspended() -> None:
    allowance = Allowance(3.0, now=10.0)
    assert allowance.ends() == 13.0
    allowance.suspend(11.0)
    allowance.suspend(12.0)
    assert allowance.ends() is None
    assert not allowance.used_up(100.0)
    allowance.resume(111.0)
    allowance.resume(112.0)
    assert allowance.ends() == 113.0
    assert not allowance.used_up(112.9)
    assert allowance.used_up(113.0)
