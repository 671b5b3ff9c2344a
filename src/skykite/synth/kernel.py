"""The jsii kernel (the Node process that CDK lives in), started early and directly.

jsii for Python starts it late, through a second Node process, after unpacking it anew. Here, on Linux and macOS, the
kernel starts first, its packages load while Python imports the user's modules, and nothing stands between. Where that
cannot work (Windows has no inherited descriptor 3; another jsii than the one this was written against; the variable
`KITE_STOCK_JSII`) jsii starts it in its own way: slower, and otherwise the same; a test compares the templates.

In: the environment. Out: jsii, working. I/O: unpacks the kernel into a folder of the user's cache, starts Node.
"""

from __future__ import annotations

import collections
import hashlib
import importlib.util
import os
import platform
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from skykite.model.locations import cache_directory

STOCK_VARIABLE: Final = "KITE_STOCK_JSII"
_LOAD: Final = re.compile(r'JSIIAssembly\.load\(\s*"([^"]+)",\s*"([^"]+)",\s*[^,]+,\s*"([^"]+\.tgz)"', re.DOTALL)
_PACKAGES: Final = (  # in the order of what needs what
    ("aws_cdk", "asset_awscli_v1"),
    ("aws_cdk", "asset_node_proxy_agent_v6"),
    ("aws_cdk", "cloud_assembly_schema"),
    ("constructs",),
    ("aws_cdk",),
)
_INDEX_DEADLINE: Final = 20.0  # seconds
_CACHE_VARIABLE: Final = "JSII_RUNTIME_PACKAGE_CACHE"  # jsii's own: `disabled` unpacks every time, somewhere else
_LAST_WORDS: Final = 1.0  # seconds, if something that Node started still holds its output


@dataclass(frozen=True, slots=True, kw_only=True)
class _Package:
    """A jsii assembly: `LoadRequest`'s fields."""

    name: str
    version: str
    tarball: str


class Kernel:
    """jsii's own way. Also what both ways have in common."""

    def __init__(self, packages: tuple[_Package, ...]) -> None:
        self._packages = packages

    def settle(self) -> None:
        """Wait until the kernel has written the index of its types, which it does in the background on the first run
        of a version. Leaving earlier, as a short program does, every later run would pay for it anew."""
        deadline = time.monotonic() + _INDEX_DEADLINE
        for package in self._packages:
            for folder in _package_cache(os.environ).glob(f"{package.name}/{package.version}/*"):
                while (folder / ".jsii").exists() and not (folder / ".jsii.runtime.v1.json").exists():
                    if time.monotonic() > deadline:
                        return
                    time.sleep(0.02)

    def kill(self) -> None:
        """Nothing to do: the kernel ends when its input does."""


class DirectKernel(Kernel):
    """A kernel on a socket, already loading."""

    def __init__(self, packages: tuple[_Package, ...]) -> None:
        super().__init__(packages)
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
                    str(_unpacked_kernel() / "lib" / "program.js"),
                ],
                {**os.environ, "JSII_AGENT": f"Python/{platform.python_version()}"},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
                    (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, says, 1),
                    (os.POSIX_SPAWN_DUP2, says, 2),
                ],
            )
        os.close(says)
        self._relay = threading.Thread(target=_pass_on, args=(said, 2), name="kernel-output", daemon=True)
        self._relay.start()
        self._socket = ours
        self._stream = ours.makefile("rb", buffering=1 << 16)
        self._loading = collections.deque(packages)
        self._early = {(package.name, package.version): package for package in packages}
        for package in packages:
            self.write(_request("load", package))

    @property
    def loads(self) -> Mapping[tuple[str, str], _Package]:
        """What is loaded without being asked for."""
        return self._early

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def readline(self) -> bytes:
        return self._stream.readline()

    def answers_outstanding(self) -> Iterator[_Package]:
        """The early loads whose answers nobody has read yet."""
        while self._loading:
            yield self._loading.popleft()

    def kill(self) -> None:
        """End it without ceremony: CDK writes its files before it answers. Not every system has somebody to collect
        the children of those who left, so do it here."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._relay.join(_LAST_WORDS)


def packages_to_unpack(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the packages that the next kernel will unpack into its cache, which takes seconds for the CDK."""
    cache = _package_cache(environment)
    return tuple(
        package.name
        for package in _packages()
        if not any(cache.glob(f"{package.name}/{package.version}/*/.jsii"))
        and environment.get(_CACHE_VARIABLE, "enabled") == "enabled"
    )


def start_kernel() -> Kernel:
    """Start the kernel where that can be done early. Imports nothing of jsii's: that would take longer than this."""
    packages = tuple(_packages())
    direct = sys.platform != "win32" and not os.environ.get(STOCK_VARIABLE) and packages
    return DirectKernel(packages) if direct else Kernel(packages)


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
            """`kill` does it."""

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


def _pass_on(source: int, target: int) -> None:
    while chunk := os.read(source, 1 << 16):
        while chunk:
            chunk = chunk[os.write(target, chunk) :]


def _note_strings(value: Any, note_text: Callable[[str], None]) -> None:
    if isinstance(value, str):
        note_text(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            _note_strings(item, note_text)
    elif isinstance(value, list | tuple):
        for item in value:
            _note_strings(item, note_text)


def _request(api: str, package: _Package) -> bytes:
    import json

    fields = {"api": api, "name": package.name, "version": package.version, "tarball": package.tarball}
    return json.dumps(fields).encode() + b"\n"


def _packages() -> Iterator[_Package]:
    """The jsii packages of the CDK, from the files that load them; nothing is imported."""
    for parts in _PACKAGES:
        spec = importlib.util.find_spec(parts[0])
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            home = Path(folder, *parts[1:], "_jsii")
            try:
                found = _LOAD.search((home / "__init__.py").read_text(encoding="utf-8"))
            except OSError:
                continue
            if found and (home / found[3]).is_file():
                yield _Package(name=found[1], version=found[2], tarball=str(home / found[3]))


def _unpacked_kernel() -> Path:
    """The kernel's files laid out as they name each other, in a folder that never changes once it is there."""
    spec = importlib.util.find_spec("jsii")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0], "_embedded", "jsii")
    program = (source / "lib__program.js").read_bytes()
    target = cache_directory(os.environ) / "synth" / f"jsii-{hashlib.sha256(program).hexdigest()[:16]}"
    if not target.is_dir():
        building = target.with_name(f"{target.name}-{os.getpid()}")
        for resource in source.glob("*.js"):  # `lib__program.js` lies at `lib/program.js`
            file = building.joinpath(*resource.name.split("__"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(resource.read_bytes())
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():  # else another run was first, with the same bytes
                raise
    return target


def _package_cache(environment: Mapping[str, str]) -> Path:
    """Where jsii unpacks its packages, as the kernel decides it."""
    chosen = environment.get("JSII_RUNTIME_PACKAGE_CACHE_ROOT")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "com.amazonaws.jsii" / "package-cache"
    if sys.platform == "win32":
        local = environment.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(local) / "AWS" / "jsii" / "package-cache"
    return Path.home() / ".cache" / "aws" / "jsii" / "package-cache"
