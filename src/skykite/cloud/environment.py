"""Make the virtual environments of the embedded cloud, once per machine, with uv.

One is for the cloud itself: MiniStack and exactly the versions in `requirements.txt`, beside the user's own
environments, so that its botocore pin meets nobody else's. One is for functions that run as deployed: what Lambda's
Python runtimes bring, in `functions.txt`. They lie in the user's cache directory, shared by all projects; the name of
a folder says what it holds, so another Skykite with other versions makes another one.

I/O: the cache directory, the uv program, and through it the package index. A run that is killed half-way leaves only
a temporary folder; runs at the same moment wait for one another.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.cloud.filelock import FileLock
from skykite.cloud.registry import uv_environment
from skykite.errors import SkykiteError
from skykite.model.events import StepFinished, StepProgress, StepStarted
from skykite.model.locations import cache_directory
from skykite.ports import Clock, EventSink

MINISTACK_VERSION: Final = "1.5.33"
_LAYOUT: Final = "1"  # counted up when what is built here changes in another way than its requirements
_COMPLETE: Final = ".complete"
_UNREACHABLE: Final = re.compile(
    r"error sending request|dns error|failed to connect|connection refused|timed out|tunnel|"
    r"network is unreachable|failed to fetch|could not connect|no route to host|certificate|offline",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One environment. `title` begins its folder's name; the rest is for messages."""

    title: str
    requirements: str  # the file's name
    of: str
    packages: str
    purpose: str


_CLOUD: Final = _Kind(
    title=f"ministack-{MINISTACK_VERSION}",
    requirements="requirements.txt",
    of="the embedded cloud",
    packages=f"MiniStack {MINISTACK_VERSION}",
    purpose="which `--local` runs on",
)
_FUNCTIONS: Final = _Kind(
    title="functions",
    requirements="functions.txt",
    of="the runtime of deployed functions",
    packages="boto3",
    purpose="which deployed functions find in Lambda",
)


def find_environment() -> Path | None:
    """The Python of the embedded cloud's environment if it is there and whole. Makes nothing."""
    directory = _directory(_CLOUD)
    python = _python_of(directory)
    return python if _is_whole(directory, python) else None


async def ensure_environment(events: EventSink, clock: Clock) -> Path:
    """The Python of the embedded cloud's environment, which is made if it is not there or not whole.

    Raises `registry-unreachable`, `cache-unwritable` or `cloud-environment-failed`.
    """
    return await _ensure(_CLOUD, events, clock)


async def ensure_function_environment(events: EventSink, clock: Clock) -> Path:
    """The Python that deployed functions run in, made and failing likewise."""
    return await _ensure(_FUNCTIONS, events, clock)


async def _ensure(kind: _Kind, events: EventSink, clock: Clock) -> Path:
    directory = _directory(kind)
    python = _python_of(directory)
    if _is_whole(directory, python):
        return python
    started = clock.monotonic()
    events.emit(StepStarted(step="environment", message=f"Preparing {kind.of}, once for all projects"))
    await _build_once(kind, directory, python, events)
    elapsed = (clock.monotonic() - started) * 1000
    message = f"{kind.of[:1].upper()}{kind.of[1:]} is prepared"
    events.emit(StepFinished(step="environment", message=message, elapsed_ms=elapsed))
    return python


def _directory(kind: _Kind) -> Path:
    return cache_directory(os.environ) / "cloud" / _environment_name(kind)


def _requirements(kind: _Kind) -> str:
    return Path(__file__).with_name(kind.requirements).read_text(encoding="utf-8")


def _environment_name(kind: _Kind) -> str:
    """Everything the content depends on: versions, and the interpreter it is made for."""
    interpreter = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    facts = "\n".join((_LAYOUT, _requirements(kind), interpreter, str(_interpreter())))
    digest = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return f"{kind.title}-{sys.implementation.cache_tag}-{digest}"


def _interpreter() -> Path:
    """The Python under the virtual environment `kite` runs in: that one stays when the project's is deleted."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _python_of(directory: Path) -> Path:
    return directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _is_whole(directory: Path, python: Path) -> bool:
    # `exists` follows the link to the base interpreter, which may have been removed since.
    return (directory / _COMPLETE).exists() and python.exists()


async def _build_once(kind: _Kind, directory: Path, python: Path, events: EventSink) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory.parent / f"{directory.name}.lock")
        waiting = False
        while not lock.acquire():
            if not waiting:
                waiting = True
                message = "waiting for another kite that prepares it too"
                events.emit(StepProgress(step="environment", message=message))
            await asyncio.sleep(0.1)
    except OSError as error:
        raise _unwritable(directory.parent, error) from error
    try:
        if not _is_whole(directory, python):
            await _build(kind, directory, events)
    except OSError as error:
        raise _unwritable(directory.parent, error) from error
    finally:
        lock.release()


async def _build(kind: _Kind, directory: Path, events: EventSink) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        requirements = temporary / "requirements.txt"
        requirements.write_text(_requirements(kind), encoding="utf-8")
        made = temporary / "environment"
        await _uv(
            kind, "venv", "--no-project", "--relocatable", "--python", str(_interpreter()), str(made), cwd=temporary
        )
        events.emit(StepProgress(step="environment", message=f"installing {kind.packages}"))
        await _uv(
            kind, "pip", "install", "--python", str(_python_of(made)), "--no-deps", "--compile-bytecode",
            "--requirements", str(requirements),
            cwd=temporary,
        )  # fmt: skip
        (made / _COMPLETE).write_text(_requirements(kind), encoding="utf-8")
        _put_in_place(made, directory, aside=temporary / "broken")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(made: Path, directory: Path, *, aside: Path) -> None:
    if directory.exists():  # broken: it would have been used
        directory.rename(aside)
    made.rename(directory)


async def _uv(kind: _Kind, *arguments: str, cwd: Path) -> None:
    from uv import find_uv_bin

    process = await asyncio.create_subprocess_exec(
        find_uv_bin(), "--no-progress", "--color", "never", *arguments,
        cwd=cwd, env=uv_environment(os.environ), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, stderr = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode == 0:
        return
    said = stderr.decode(errors="replace").strip()
    if _UNREACHABLE.search(said):
        raise SkykiteError(
            "registry-unreachable",
            f"cannot fetch {kind.packages}, {kind.purpose}",
            context=said,
            hint="connect to the internet for this one time, or name your package index in UV_DEFAULT_INDEX",
        )
    raise SkykiteError(
        "cloud-environment-failed",
        f"cannot prepare {kind.of}: `uv {arguments[0]}` failed with exit code {process.returncode}",
        context=said,
        hint="look at what uv says above; `kite doctor` checks the rest of the setup",
    )


def _unwritable(directory: Path, error: OSError) -> SkykiteError:
    return SkykiteError(
        "cache-unwritable",
        f"cannot write into the cache directory `{directory}`: {error.strerror or error}",
        hint="make it writable, or set KITE_CACHE_DIR to a folder that is",
    )
