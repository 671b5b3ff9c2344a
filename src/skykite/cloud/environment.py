"""Make the virtual environment the embedded cloud runs in, once per machine, with uv.

It holds MiniStack and exactly the versions in `requirements.txt`, beside the user's own environments, so that its
botocore pin meets nobody else's. It lies in the user's cache directory, shared by all projects; its folder's name
says what it holds, so another Skykite with other versions makes another one.

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


def find_environment() -> Path | None:
    """The Python of the embedded cloud's environment if it is there and whole. Makes nothing."""
    directory = _directory()
    python = _python_of(directory)
    return python if _is_whole(directory, python) else None


async def ensure_environment(events: EventSink, clock: Clock) -> Path:
    """The Python of the embedded cloud's environment, which is made if it is not there or not whole.

    Raises `registry-unreachable`, `cache-unwritable` or `cloud-environment-failed`.
    """
    found = find_environment()
    if found is not None:
        return found
    directory = _directory()
    python = _python_of(directory)
    started = clock.monotonic()
    events.emit(StepStarted(step="environment", message="Preparing the embedded cloud, once for all projects"))
    await _build_once(directory, python, events)
    elapsed = (clock.monotonic() - started) * 1000
    events.emit(StepFinished(step="environment", message="The embedded cloud is prepared", elapsed_ms=elapsed))
    return python


def _directory() -> Path:
    return cache_directory(os.environ) / "cloud" / _environment_name()


def _requirements() -> str:
    return Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8")


def _environment_name() -> str:
    """Everything the content depends on: versions, and the interpreter it is made for."""
    interpreter = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    facts = "\n".join((_LAYOUT, _requirements(), interpreter, str(_interpreter())))
    digest = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return f"ministack-{MINISTACK_VERSION}-{sys.implementation.cache_tag}-{digest}"


def _interpreter() -> Path:
    """The Python under the virtual environment `kite` runs in: that one stays when the project's is deleted."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _python_of(directory: Path) -> Path:
    return directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _is_whole(directory: Path, python: Path) -> bool:
    # `exists` follows the link to the base interpreter, which may have been removed since.
    return (directory / _COMPLETE).exists() and python.exists()


async def _build_once(directory: Path, python: Path, events: EventSink) -> None:
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
            await _build(directory, events)
    except OSError as error:
        raise _unwritable(directory.parent, error) from error
    finally:
        lock.release()


async def _build(directory: Path, events: EventSink) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        requirements = temporary / "requirements.txt"
        requirements.write_text(_requirements(), encoding="utf-8")
        made = temporary / "environment"
        await _uv("venv", "--no-project", "--relocatable", "--python", str(_interpreter()), str(made), cwd=temporary)
        events.emit(StepProgress(step="environment", message=f"installing MiniStack {MINISTACK_VERSION}"))
        await _uv(
            "pip", "install", "--python", str(_python_of(made)), "--no-deps", "--compile-bytecode",
            "--requirements", str(requirements),
            cwd=temporary,
        )  # fmt: skip
        (made / _COMPLETE).write_text(_requirements(), encoding="utf-8")
        _put_in_place(made, directory, aside=temporary / "broken")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(made: Path, directory: Path, *, aside: Path) -> None:
    if directory.exists():  # broken: it would have been used
        directory.rename(aside)
    made.rename(directory)


async def _uv(*arguments: str, cwd: Path) -> None:
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
            f"cannot fetch MiniStack {MINISTACK_VERSION}, which `--local` runs on",
            context=said,
            hint="connect to the internet for this one time, or name your package index in UV_DEFAULT_INDEX",
        )
    raise SkykiteError(
        "cloud-environment-failed",
        f"cannot prepare the embedded cloud: `uv {arguments[0]}` failed with exit code {process.returncode}",
        context=said,
        hint="look at what uv says above; `kite doctor` checks the rest of the setup",
    )


def _unwritable(directory: Path, error: OSError) -> SkykiteError:
    return SkykiteError(
        "cache-unwritable",
        f"cannot write into the cache directory `{directory}`: {error.strerror or error}",
        hint="make it writable, or set KITE_CACHE_DIR to a folder that is",
    )
