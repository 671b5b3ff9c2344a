"""Find the debugger that `kite` was started under, and lead it to the workers instead of to `kite` itself.

An editor's Run and Debug starts `python -m skykite dev --local` under debugpy: an adapter (the editor's side), a
launcher, and debugpy's tracer inside the process. Debugging `kite` is not what anybody wants, so that process steps
aside: it runs the same command once more, untraced, in a process of its own (`run_outside_debugger`), and only stays
to stand for the session. The second process learns of the adapter (`detect_debugger`) and hands it to its workers,
which connect to it as subprocesses of the first (`skykite_lambda.debugging`). So `kite`, the embedded cloud and synth
run at full speed, and only user code is traced.

In: the environment, and what debugpy left in this process. Out: a `DebuggerEndpoint`. I/O: starts one process, waits
for it, passes signals on and gives it the terminal; watches one pipe.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final

import msgspec

DEBUGGER_VARIABLE: Final = "KITE_DEBUGGER"
"""Environment variable of the process that stepped aside's child; its value is a `_Handover` as JSON."""

_TUNING_PREFIX: Final = "PYDEVD_"
_DEBUGPY_STATE: Final = ("DEBUGPY_RUNNING",)  # "already started": would keep debugpy quiet in any process below


@dataclass(frozen=True, slots=True, kw_only=True)
class DebuggerEndpoint:
    """Where a debug adapter takes debuggees, and how to be one of its session's.

    `access_token` is what we show the adapter, `server_token` what it must show us. `parent_pid` is the process the
    session belongs to: who connects in its name becomes a session below it. `debugpy_path` is the folder of the very
    debugpy that speaks with this adapter. `follow_children` says whether processes that user code starts are debugged
    too; `options` are the user's `PYDEVD_…` variables.
    """

    host: str
    port: int
    access_token: str | None
    server_token: str | None
    parent_pid: int
    debugpy_path: str
    follow_children: bool = True
    options: dict[str, str] = field(default_factory=dict)

    def encode(self) -> str:
        """JSON for `skykite_lambda.debugging.attach`. It holds tokens: give it over a pipe, not a command line."""
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handover:
    """`lifeline` is a pipe's reading end that closes when the process under the debugger is gone."""

    endpoint: DebuggerEndpoint
    lifeline: int | None


def detect_debugger(environment: MutableMapping[str, str] = os.environ) -> DebuggerEndpoint | None:
    """The debugger that this `kite` shall lead to its workers, or None. Call it once, at start.

    Where `run_outside_debugger` started this process, the variable it left is taken out of `environment`, and from
    then on the end of the session (the editor's Stop) interrupts this process as Ctrl-C would.
    """
    handed_over = environment.pop(DEBUGGER_VARIABLE, None)
    if handed_over is None:
        return _endpoint_of_this_process(environment)
    handover = msgspec.json.decode(handed_over, type=_Handover)
    if handover.lifeline is not None:
        os.set_inheritable(handover.lifeline, False)
        watch = threading.Thread(target=_interrupt_at_end, args=(handover.lifeline,), name="debugger", daemon=True)
        watch.start()
    return handover.endpoint


def run_outside_debugger(
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    program: Sequence[str] = (sys.executable, "-m", "skykite"),
) -> None:
    """If a debugger traces this process, run `program` with `arguments` untraced beside it, and exit with its status.

    The editor's Stop kills this process and its process group with SIGKILL. On POSIX the second process is in a group
    of its own, outlives that, and ends cleanly; it has the terminal, so Ctrl-C reaches it. On Windows debugpy's job
    object ends both.
    """
    endpoint = _endpoint_of_this_process(environment)
    if endpoint is None:
        return
    command = [*program, *arguments]
    inherited = {name: value for name, value in environment.items() if name not in _DEBUGPY_STATE}
    with _untouched_by_debugger():
        if sys.platform == "win32":
            inherited[DEBUGGER_VARIABLE] = _encode_handover(endpoint, None)
            status = subprocess.call(command, env=inherited)
        else:
            status = _run_in_own_group(command, inherited, endpoint)
    # Not sys.exit: the debugger takes a SystemExit with a status for an exception to stop at.
    os._exit(status)


def _endpoint_of_this_process(environment: Mapping[str, str]) -> DebuggerEndpoint | None:
    # Not imported but looked up: whoever debugs us has put them there, in the version the adapter speaks.
    pydevd, debugpy = sys.modules.get("pydevd"), sys.modules.get("debugpy")
    if pydevd is None or debugpy is None or debugpy.__file__ is None:
        return None
    setup: dict[str, Any] | None = pydevd.SetupHolder.setup
    if setup is None or pydevd.get_global_debugger() is None:
        return None  # imported, but no session
    return DebuggerEndpoint(
        host=setup["client"],
        port=setup["port"],
        access_token=setup.get("client-access-token"),
        server_token=setup.get("access-token"),
        parent_pid=os.getpid(),
        debugpy_path=str(Path(debugpy.__file__).resolve().parent),
        follow_children=bool(setup.get("multiprocess", True)),
        options={name: value for name, value in environment.items() if name.startswith(_TUNING_PREFIX)},
    )


def _encode_handover(endpoint: DebuggerEndpoint, lifeline: int | None) -> str:
    return msgspec.json.encode(_Handover(endpoint=endpoint, lifeline=lifeline)).decode()


@contextmanager
def _untouched_by_debugger() -> Iterator[None]:
    """With `"subProcess": true` debugpy rewrites the command lines of Python processes to debug them; not this one."""
    pydevd: ModuleType = sys.modules["pydevd"]
    with pydevd.skip_subprocess_arg_patch():
        yield


def _run_in_own_group(command: Sequence[str], environment: dict[str, str], endpoint: DebuggerEndpoint) -> int:
    lifeline, held = os.pipe()
    environment[DEBUGGER_VARIABLE] = _encode_handover(endpoint, lifeline)
    try:
        process = subprocess.Popen(command, env=environment, pass_fds=(lifeline,), process_group=0)
    finally:
        os.close(lifeline)
    try:
        with _terminal_given_to(process.pid), _signals_passed_to(process):
            status = process.wait()
    finally:
        os.close(held)
    return status if status >= 0 else 128 - status  # as a shell tells of a signal


@contextmanager
def _terminal_given_to(group: int) -> Iterator[None]:
    """Make `group` the terminal's foreground, as a shell does with a job, and take it back in the end."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # no terminal: nothing to give
        yield
        return
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # sent to whoever does this from the background
    try:
        mine = os.tcgetpgrp(terminal) == os.getpgrp()
        if mine:
            os.tcsetpgrp(terminal, group)
        yield
        if mine and os.tcgetpgrp(terminal) == group:
            os.tcsetpgrp(terminal, os.getpgrp())
    finally:
        signal.signal(signal.SIGTTOU, ignored)
        os.close(terminal)


@contextmanager
def _signals_passed_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt_at_end(lifeline: int) -> None:
    """Wait until nobody holds the other end; then ask this process to stop."""
    while os.read(lifeline, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
