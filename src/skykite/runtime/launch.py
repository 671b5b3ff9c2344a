"""Start worker processes, each in a session of its own, and know when they end.

In: an interpreter, an environment. Out: a `Process`: its channel, its output, its end. I/O: starts processes, makes
sockets and pipes. On POSIX the channel is a socket pair that the child inherits; on Windows it connects to a loopback
port and proves itself with a token. Everywhere stdin is the lifeline: when this process is gone, so are its workers.
On Windows the processes that a worker started are ended through `taskkill`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import skykite_lambda
from skykite.errors import SkykiteError

ENTRY: Final = Path(skykite_lambda.__file__).with_name("worker.py")
_CONNECT_TIMEOUT: Final = 30.0  # seconds, for a process that has to find its way to a port
_NO_INTERPRETER: Final = (
    "functions run in the project's own Python: create its environment again, for instance with `uv venv`"
)
Role = Literal["worker", "zygote"]


@dataclass(slots=True, kw_only=True)
class Process:
    """A started process. Whoever gets it closes `channel` and `output`."""

    pid: int
    channel: socket.socket
    output: int  # descriptor to read from: stdout and stderr
    lifeline: int  # descriptor to hold open
    ended: asyncio.Future[int | None]  # exit status, negative for a signal, None if nobody knows
    end: Callable[[], None]  # kill it and what it started; safe to call again
    # By folder: modules that were looked for, found or not, before it was forked, and never will be again.
    looked_up: Mapping[str, Collection[str]] = field(default_factory=dict)
    configuration: Mapping[str, object] = field(default_factory=dict)  # what its kind needs to be told besides
    untimed: bool = False  # nobody can tell when a debugger holds it, so its invocations have no limit
    noise: tuple[bytes, ...] = ()  # lines of its output that nobody's code has printed
    # Told to whoever launched it, by whoever runs it.
    on_inspector: Callable[[str], None] = lambda url: None
    # Told to whoever runs it, by whoever launched it: a debugger holds it, or no longer does.
    on_held: Callable[[bool], None] = lambda held: None

    def kill(self) -> None:
        """End the process and everything in its group, at once."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1
        if not self.ended.done():
            self.end()


ChannelForm = Literal["inherited", "loopback"]


def channel_form(chosen: ChannelForm | None = None) -> ChannelForm:
    """How processes are spoken with here."""
    return chosen or ("loopback" if sys.platform == "win32" else "inherited")


async def start_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    form: ChannelForm,
    orders: Mapping[str, object],
    hold: bool = False,
    missing: tuple[str, str] = ("interpreter-missing", _NO_INTERPRETER),
) -> Process:
    """Start `command`, which reads `orders` from its first line of input: beside what is given here, how to speak.

    With `hold` it need not watch its input itself: where the kernel can, it ends the process's whole group as soon as
    this process is gone, whatever the group is doing. `missing` is the code and the hint for a command that is not
    there. Raises SkykiteError.
    """
    if form == "inherited":
        return _start_with_pair(command, environment, orders, hold, missing)
    return await _start_with_port(command, environment, orders, missing)


class SpawnLauncher:
    """A new interpreter per worker: works everywhere, costs what Python's start costs."""

    def __init__(self, interpreter: Path, *, channel: ChannelForm | None = None) -> None:
        self._interpreter = interpreter
        self._channel = channel_form(channel)

    async def launch(self, environment: Mapping[str, str], *, role: Role = "worker", isolated: bool = True) -> Process:
        flags = ["-I"] if isolated else []
        command = [str(self._interpreter), *flags, "-X", "utf8", str(ENTRY)]
        return await start_process(command, environment, form=self._channel, orders={"role": role})


def _start_with_pair(
    command: Sequence[str],
    environment: Mapping[str, str],
    orders: Mapping[str, object],
    hold: bool,
    missing: tuple[str, str],
) -> Process:
    ours, theirs = socket.socketpair()
    lifeline_end, lifeline = os.pipe()
    with theirs:
        try:
            popen = _popen(command, environment, missing, stdin=lifeline_end, inherited=(theirs.fileno(),))
        except BaseException:
            ours.close()
            os.close(lifeline)
            raise
        else:
            _give(lifeline, {**orders, "fd": theirs.fileno()})
            if hold:
                hold_group(lifeline_end, popen.pid)
        finally:
            os.close(lifeline_end)
    ours.setblocking(False)
    return _process(popen, ours, lifeline)


async def _start_with_port(
    command: Sequence[str], environment: Mapping[str, str], orders: Mapping[str, object], missing: tuple[str, str]
) -> Process:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        token = secrets.token_hex(32)
        popen = _popen(command, environment, missing, stdin=subprocess.PIPE, inherited=())
        assert popen.stdin is not None
        lifeline = os.dup(popen.stdin.fileno())
        popen.stdin.close()
        _give(lifeline, {**orders, "port": listener.getsockname()[1], "token": token})
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                while True:
                    stream, _ = await loop.sock_accept(listener)
                    stream.setblocking(False)
                    if hmac.compare_digest(await _receive_exactly(stream, len(token)), token.encode()):
                        break
                    stream.close()
        except (TimeoutError, OSError) as error:
            os.close(lifeline)
            popen.kill()
            popen.wait()
            raise SkykiteError(
                "worker-unreachable",
                f"a worker of `{command[0]}` started but did not connect within {_CONNECT_TIMEOUT:.0f} seconds",
                hint="see whether something on this machine blocks connections to 127.0.0.1",
            ) from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _process(popen, stream, lifeline)


def _give(lifeline: int, orders: Mapping[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # it died at once; its end tells why
        os.write(lifeline, json.dumps(orders).encode() + b"\n")


def hold_group(lifeline_end: int, group: int) -> None:
    """From now on the kernel kills that process group when nobody has the pipe's other end any more."""
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(lifeline_end, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline_end, fcntl.F_SETOWN, -group)
        fcntl.fcntl(lifeline_end, fcntl.F_SETFL, fcntl.fcntl(lifeline_end, fcntl.F_GETFL) | os.O_ASYNC)


async def _receive_exactly(stream: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = await asyncio.get_running_loop().sock_recv(stream, length - len(data))
        if not more:
            break
        data += more
    return data


def _popen(
    command: Sequence[str],
    environment: Mapping[str, str],
    missing: tuple[str, str],
    *,
    stdin: int,
    inherited: tuple[int, ...],
) -> subprocess.Popen[bytes]:
    try:
        if sys.platform == "win32":
            return subprocess.Popen(
                command,
                env=environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
            )
        return subprocess.Popen(
            command,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
        )
    except OSError as error:
        code, hint = missing
        raise SkykiteError(code, f"cannot start `{command[0]}`: {error.strerror}", hint=hint) from error


def _process(popen: subprocess.Popen[bytes], channel: socket.socket, lifeline: int) -> Process:
    assert popen.stdout is not None
    # The descriptor is ours from here on: the Popen object must not close it when it is collected.
    output = os.dup(popen.stdout.fileno())
    popen.stdout.close()
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    watch_end(popen, ended)
    return Process(
        pid=popen.pid, channel=channel, output=output, lifeline=lifeline, ended=ended, end=lambda: end_group(popen)
    )


def end_group(popen: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(popen.pid)], capture_output=True, check=False)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(popen.pid, signal.SIGKILL)


def watch_end(popen: subprocess.Popen[bytes], ended: asyncio.Future[int | None]) -> None:
    """Have `ended` say how it ended, once it has."""
    loop = asyncio.get_running_loop()

    def tell(status: int) -> None:
        if not ended.done():
            ended.set_result(status)

    if sys.platform == "linux":
        handle = os.pidfd_open(popen.pid)

        def reap() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            end_group(popen)  # what it started and left behind; not yet reaped, so the number is still its own
            tell(popen.wait())

        loop.add_reader(handle, reap)
        return

    def wait() -> None:
        status = popen.wait()
        end_group(popen)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(tell, status)

    threading.Thread(target=wait, name=f"worker-{popen.pid}", daemon=True).start()
