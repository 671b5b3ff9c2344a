"""A server under measurement: started as a user starts it, watched, and stopped with everything below it.

In: a command line, a folder, a port. Out: seconds to the first 200, processes, memory, what was left behind. I/O: one
process tree in a session of its own, loopback, `/proc` (Linux only). Whatever happens, nothing it started survives
`serving`: every process of the tree or of its session is ended by its own pid.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class ProcessId:
    """A pid with its start time, because the kernel gives pids out again."""

    pid: int
    started: int


@dataclass(slots=True)
class Server:
    """`first_200_s` is from the command to the first good answer; the other two are known once it has stopped."""

    process: subprocess.Popen[bytes]
    port: int
    path: str
    log: Path
    first_200_s: float = 0.0
    stop_s: float = 0.0
    left_behind: int = 0

    def processes(self) -> frozenset[ProcessId]:
        return tree(self.process.pid)

    def memory_mb(self) -> float:
        return sum(memory_mb(process.pid)[0] for process in self.processes())

    def output(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def serving(
    command: Sequence[str | Path],
    *,
    folder: Path,
    port: int,
    path: str = "/",
    environment: Mapping[str, str] | None = None,
    limit_s: float = 120,
) -> Iterator[Server]:
    """Start, ask without pause until the first 200, hand out, stop as Ctrl-C does, then make sure."""
    if listens(port):
        raise RuntimeError(f"port {port} is taken by a process that is not ours")
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(process, port, path, log)
        try:
            while answer(port, path, timeout_s=10)[0] != 200:
                if process.poll() is not None or time.perf_counter() - started > limit_s:
                    raise RuntimeError(f"`{command[0]}` did not come up:\n{server.output()[-3000:]}")
                time.sleep(0.003)
            server.first_200_s = time.perf_counter() - started
            yield server
        finally:
            stop(server)


def stop(server: Server, patience_s: float = 10) -> None:
    known = server.processes()
    started = time.perf_counter()
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the whole group
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(patience_s)
    server.stop_s = time.perf_counter() - started
    left = {process for process in known | tree(server.process.pid) if alive(process)}
    server.left_behind = len(left)
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    server.process.wait(patience_s)


def clean_environment(**extra: str) -> dict[str, str]:
    """The caller's environment without what would steer a tool: credentials, stages, a virtual environment."""
    steering = ("AWS_", "KITE_", "VIRTUAL_ENV", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(steering)} | extra


def answer(port: int, path: str, *, timeout_s: float = 60) -> tuple[int, str]:
    """Status and body over a connection of its own; status 0 where there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    else:
        return True
    finally:
        connection.close()


def tree(root: int) -> frozenset[ProcessId]:
    """`root`, everything below it, and whatever else lives in its session (a child whose parent died has init's)."""
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    starts: dict[int, int] = {}
    for pid in pids():
        with suppress(OSError):
            fields = stat(pid)
            parents[pid], sessions[pid], starts[pid] = int(fields[1]), int(fields[3]), int(fields[19])
    found = {pid for pid, session in sessions.items() if session == root or pid == root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return frozenset(ProcessId(pid, starts[pid]) for pid in found)


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def stat(pid: int) -> list[str]:
    """The fields of `/proc/<pid>/stat` after the command: state, parent, group, session, …, start time (20th)."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def alive(process: ProcessId) -> bool:
    try:
        fields = stat(process.pid)
    except OSError:
        return False
    return int(fields[19]) == process.started and fields[0] != "Z"


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def memory_mb(pid: int) -> tuple[float, float]:
    """Proportional and resident set size; shared pages count once in the first sum and often in the second."""
    values = {"Pss": 0.0, "Rss": 0.0}
    with suppress(OSError):  # it may have ended since the tree was read
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            values[name] = int(value.split()[0]) / 1024
    return values["Pss"], values["Rss"]


def cpu_s(pid: int) -> float:
    """Processor time of a process and of its children that have ended."""
    try:
        fields = stat(pid)
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
