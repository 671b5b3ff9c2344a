"""The jsii kernel (the Node process that CDK lives in), started early and directly.

jsii for Python starts it late, through a second Node process, after unpacking it anew. Here, on Linux and macOS, the
kernel starts first, its packages load while Python imports the user's modules, and nothing stands between. Where that
cannot work (Windows has no inherited descriptor 3; another jsii than the one this was written against; the variable
`KITE_STOCK_JSII`) jsii starts it in its own way: slower, and otherwise the same; a test compares the templates.

In: the environment. Out: jsii, working. I/O: unpacks the kernel into a folder of the user's cache, starts Node.
"""

from __future__ import annotations

import collections
import contextlib
import os
import platform
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from skykite.synth.packages import JsiiPackage, find_packages, package_cache, unpacked_kernel

STOCK_VARIABLE: Final = "KITE_STOCK_JSII"
_INDEX_DEADLINE: Final = 20.0  # seconds
_LEAVING: Final = 1.0  # seconds that Node gets to tidy up after itself
_MODULES_FILE: Final = "node.json"
_MODULES_VARIABLE: Final = "KITE_KERNEL_MODULES"
_WAITS_VARIABLE: Final = "KITE_KERNEL_WAITS"
_MODULES_HOOK: Final = Path(__file__).with_name("warmed_modules.cjs")


class Kernel:
    """jsii's own way. Also what both ways have in common."""

    def __init__(self, packages: tuple[JsiiPackage, ...]) -> None:
        self._packages = packages

    def settle(self) -> None:
        """Wait until the kernel has written the index of its types, which it does in the background on the first run
        of a version. Leaving earlier, as a short program does, every later run would pay for it anew."""
        deadline = time.monotonic() + _INDEX_DEADLINE
        for package in self._packages:
            for folder in package_cache(os.environ).glob(f"{package.name}/{package.version}/*"):
                while (folder / ".jsii").exists() and not (folder / ".jsii.runtime.v1.json").exists():
                    if time.monotonic() > deadline:
                        return
                    time.sleep(0.02)

    @property
    def lost(self) -> bool:
        """Whether it has died under our hands."""
        return False

    def hear_out(self) -> None:
        """Pass on everything that Node has said so far."""

    def leave(self) -> None:
        """Nothing to do: the kernel ends when its input does."""


class DirectKernel(Kernel):
    """A kernel on a socket, already loading. `modules` is a file: Node loads ahead what is named there, and writes
    there what this run needed. One that `waits` takes time to use little memory."""

    def __init__(self, packages: tuple[JsiiPackage, ...], modules: Path | None, *, waits: bool) -> None:
        super().__init__(packages)
        learning = [] if modules is None else ["--require", str(_MODULES_HOOK)]
        told = {} if modules is None else {_MODULES_VARIABLE: str(modules)}
        if waits:
            told[_WAITS_VARIABLE] = "1"
        ours, theirs = socket.socketpair()
        # Not our own output: Node would make that non-blocking for us, too, and what we print fast would be lost.
        said, says = os.pipe()
        with theirs, open(os.devnull, "rb") as nothing:  # noqa: PTH123
            self._pid = os.posix_spawn(
                os.environ["JSII_NODE"],
                [
                    os.environ["JSII_NODE"],
                    "--max-old-space-size=4069",
                    "--preserve-symlinks",
                    *learning,
                    str(unpacked_kernel() / "lib" / "program.js"),
                ],
                {**os.environ, **told, "JSII_AGENT": f"Python/{platform.python_version()}"},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
                    (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, says, 1),
                    (os.POSIX_SPAWN_DUP2, says, 2),
                ],
            )
        os.close(says)
        self._relay = _Relay(said, 2)
        self._lost = False
        self._socket = ours
        self._stream = ours.makefile("rb", buffering=1 << 16)
        self._loading = collections.deque(packages)
        self._early = {(package.name, package.version): package for package in packages}
        for package in packages:
            self.write(_request("load", package))

    @property
    def loads(self) -> Mapping[tuple[str, str], JsiiPackage]:
        """What is loaded without being asked for."""
        return self._early

    def write(self, data: bytes) -> None:
        with self._noticing_its_end():
            self._socket.sendall(data)

    def readline(self) -> bytes:
        with self._noticing_its_end():
            line = self._stream.readline()
        self._lost = self._lost or not line
        return line

    @contextlib.contextmanager
    def _noticing_its_end(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._lost = True
            raise

    @property
    def lost(self) -> bool:
        return self._lost

    def answers_outstanding(self) -> Iterator[JsiiPackage]:
        """The early loads whose answers nobody has read yet."""
        while self._loading:
            yield self._loading.popleft()

    def hear_out(self) -> None:
        self._relay.catch_up()

    def leave(self) -> None:
        """Let it tidy up: it made a folder for its packages. Not every system has somebody to collect the children of
        those who left, so do it here."""
        with contextlib.suppress(OSError):
            self.write(b'{"exit":0}\n')
        deadline = time.monotonic() + _LEAVING
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                return
            time.sleep(0.002)


class _Relay:
    """Passes on what comes from one descriptor to another, in a thread."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="kernel-output", daemon=True)
        self._thread.start()

    def catch_up(self) -> None:
        """Return once everything that is there has been passed on."""
        with self._turn:
            while self._waiting(0) and self._pass_on():
                pass

    def _run(self) -> None:
        while True:
            self._waiting(None)
            with self._turn:
                if self._waiting(0) and not self._pass_on():
                    return

    def _waiting(self, timeout: float | None) -> bool:
        return bool(select.select([self._source], [], [], timeout)[0])

    def _pass_on(self) -> bool:
        chunk = rest = os.read(self._source, 1 << 16)
        while rest:
            rest = rest[os.write(self._target, rest) :]
        return bool(chunk)


def start_kernel(memory: Path | None = None, *, waits: bool = False) -> Kernel:
    """Start the kernel where that can be done early. In the folder `memory` it finds what to load, and leaves what it
    loaded for the next; `waits` says that the program will not be run at once. Imports nothing of jsii's: that would
    take longer than this."""
    packages = tuple(find_packages())
    direct = sys.platform != "win32" and not os.environ.get(STOCK_VARIABLE) and packages
    if not direct:
        return Kernel(packages)
    return DirectKernel(packages, None if memory is None else memory / _MODULES_FILE, waits=waits)


def install_kernel(kernel: Kernel, note_text: Callable[[str], None]) -> None:
    """Put ourselves between jsii's requests and its process. jsii makes its `_NodeProcess` on the first request.
    `note_text` hears every string in a request to create something."""
    from jsii._kernel.providers import process
    from jsii._kernel.types import CreateRequest, LoadRequest, LoadResponse

    base: Any = process._NodeProcess  # noqa: SLF001

    class Listening(base):  # type: ignore[misc]
        def send(self, request: Any, response_type: Any) -> Any:
            if isinstance(request, CreateRequest):
                _note_strings(request.args, note_text)
            return super().send(request, response_type)

    if not isinstance(kernel, DirectKernel):
        process._NodeProcess = Listening  # noqa: SLF001
        return
    direct = kernel

    class Direct(Listening):
        def start(self) -> None:
            self._process = SimpleNamespace(
                stdin=SimpleNamespace(write=direct.write, flush=lambda: None), stdout=direct
            )
            self.handshake()

        def stop(self) -> None:
            """`leave` does it."""

        def send(self, request: Any, response_type: Any) -> Any:
            if isinstance(request, LoadRequest):
                early = direct.loads.get((request.name, request.version))
                if early is not None and os.path.samefile(early.tarball, request.tarball):  # noqa: PTH121
                    return LoadResponse(assembly=request.name, types=0)
            for package in direct.answers_outstanding():
                answer = self._next_message()
                if "ok" not in answer:
                    raise RuntimeError(f"{package.name} did not load: {answer.get('error')}")
            return super().send(request, response_type)

    process._NodeProcess = Direct  # noqa: SLF001


def _note_strings(value: Any, note_text: Callable[[str], None]) -> None:
    if isinstance(value, str):
        note_text(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            _note_strings(item, note_text)
    elif isinstance(value, list | tuple):
        for item in value:
            _note_strings(item, note_text)


def _request(api: str, package: JsiiPackage) -> bytes:
    import json

    fields = {"api": api, "name": package.name, "version": package.version, "tarball": package.tarball}
    return json.dumps(fields).encode() + b"\n"
