"""A process that has the imports done and forks into workers. Linux only.

In: frames PREPARE, FORK (with the descriptors of channel, output and lifeline) and KILL. Out: frames PREPARED, FORKED
and EXITED. I/O: imports installed modules, forks, ends and reaps its children.

A fork must not differ from a fresh start, so it imports nothing of the user's, notes which environment variables the
imports read and which modules they looked for in vain, and refuses a module that starts a thread or keeps a file open:
whoever asks for a fork then knows whether it will do.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Set

from skykite_lambda import debugging, frames, lifeline
from skykite_lambda.logs import Streams
from skykite_lambda.tracking import package_folders

EVERY_VARIABLE = "*"
_DESCRIPTORS = 3  # with each FORK


def run_zygote(stream: socket.socket, streams: Streams) -> Optional[socket.socket]:
    """Serve until the channel ends; returns None then. In each child, returns the child's own channel."""
    os.chdir("/")
    return _Zygote(stream).run()


class _Recording(type(os.environ)):  # type: ignore[misc]  # the class has no public name
    """os.environ, which remembers what it was asked for. Modules hold on to the object, so its class is exchanged."""

    asked: ClassVar[Set[str]] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        value: str = super().__getitem__(name)
        return value

    def __iter__(self) -> Iterator[str]:
        self.asked.add(EVERY_VARIABLE)
        names: Iterator[str] = super().__iter__()
        return names


class _InVain:
    """The last finder on the path: whatever gets here was not found."""

    def __init__(self) -> None:
        self.names: Set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if path is None:
            self.names.add(name)


class _Zygote:
    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._parser = frames.Parser()
        self._descriptors: List[int] = []
        self._children: Set[int] = set()
        self._wakeup, self._woken = os.pipe()
        self._stock_environment = type(os.environ)
        self._in_vain = _InVain()

    def run(self) -> Optional[socket.socket]:
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._woken, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._stream.fileno(), self._wakeup], [], [])
            if self._wakeup in readable:
                os.read(self._wakeup, 4096)
                self._reap()
            if self._stream.fileno() in readable:
                data, descriptors, _, _ = socket.recv_fds(self._stream, 65536, 64)
                if not data:
                    return None
                self._descriptors += descriptors
                self._parser.feed(data)
                while True:
                    found = self._parser.next()
                    if found is None:
                        break
                    channel = self._handle(*found)
                    if channel is not None:
                        return channel

    def _send(self, kind: int, document: Dict[str, Any]) -> None:
        self._stream.sendall(frames.json_frame(kind, document))

    def _handle(self, kind: int, body: bytes) -> Optional[socket.socket]:
        order = json.loads(body)
        if kind == frames.PREPARE:
            if order["debugger"] is not None:
                debugging.preload(order["debugger"])  # if it cannot be had, each worker says so when it attaches
            self._prepare(order["modules"], order["environment"])
        elif kind == frames.FORK:
            return self._fork(order["ticket"])
        elif kind == frames.KILL:
            self._kill(order["pid"])
        return None

    # Preparing

    def _prepare(self, modules: List[str], environment: Dict[str, str]) -> None:
        os.environ.clear()
        os.environ.update(environment)
        os.environ.__class__ = _Recording
        sys.meta_path.append(self._in_vain)
        before = set(sys.modules)  # what a worker has that was started from nothing, too
        rejected = self._import_all(modules)
        sys.meta_path.remove(self._in_vain)
        os.environ.__class__ = self._stock_environment
        gc.collect()
        gc.freeze()
        self._send(
            frames.PREPARED,
            {
                "rejected": rejected,
                "loaded": sorted({name.partition(".")[0] for name in sys.modules if name not in before}),
                "in_vain": sorted(self._in_vain.names),
                "variables": sorted(_Recording.asked),
                "packages": package_folders(),
            },
        )

    def _import_all(self, modules: List[str]) -> Optional[str]:
        """The first module that must not be imported here, if any; then this process is of no use."""
        threads, descriptors = _count("task"), _count("fd")
        for name in modules:
            if name in sys.modules:
                continue
            try:
                importlib.import_module(name)
            except BaseException:  # noqa: BLE001  (it will fail again where it is the user's to see)
                return name
            if _count("task") > threads or _count("fd") > descriptors:
                return name
        return None

    # Children

    def _fork(self, ticket: int) -> Optional[socket.socket]:
        channel, output, held = self._descriptors[:_DESCRIPTORS]
        del self._descriptors[:_DESCRIPTORS]
        pid = os.fork()
        if pid:
            for descriptor in (channel, output, held):
                os.close(descriptor)
            self._children.add(pid)
            self._send(frames.FORKED, {"ticket": ticket, "pid": pid})
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._stream.close()
        for descriptor in (self._wakeup, self._woken, *self._descriptors):
            os.close(descriptor)
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        lifeline.hold(held)
        if "random" in sys.modules:
            sys.modules["random"].seed()
        os.set_inheritable(channel, False)
        return socket.socket(fileno=channel)

    def _reap(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            self._kill(found.si_pid)  # what it started and left behind; not yet reaped, so the number is its own
            _, status = os.waitpid(found.si_pid, 0)
            self._children.discard(found.si_pid)
            self._send(frames.EXITED, {"pid": found.si_pid, "status": os.waitstatus_to_exitcode(status)})

    def _kill(self, pid: int) -> None:
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            if pid in self._children:  # it has not come so far as to have a group, or is gone and not yet reaped
                os.kill(pid, signal.SIGKILL)


def _count(kind: str) -> int:
    return len(os.listdir(f"/proc/self/{kind}"))
