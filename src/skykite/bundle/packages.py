"""Third-party packages for a function, installed for its machine by uv, without Docker.

In: requirements and a target. Out: a folder of packages, kept in the cache under a name that says what it holds. I/O:
runs uv, which asks the package index; the cache folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from skykite.bundle.requirements import Requirements
from skykite.bundle.target import Target
from skykite.errors import SkykiteError
from skykite.model.events import StepProgress
from skykite.ports import EventSink

_LAYOUT: Final = "1"  # counted up when what is kept here changes in another way than its requirements
_MADE: Final = "packages"
_NOT_FOR_FUNCTIONS: Final = "skykite"
"""`skykite_lambda` is in every zip; the rest of the package, with CDK and Node, is for the developer's side."""

_NO_WHEEL: Final = re.compile(
    r"no (usable )?wheels|no wheels? with a matching|building (source distributions )?is disabled|no-build|"
    r"no source distribution|only-binary|has no .*wheel",
    re.IGNORECASE,
)
_UNREACHABLE: Final = re.compile(
    r"error sending request|dns error|failed to connect|connection refused|timed out|network is unreachable|"
    r"could not connect|no route to host|failed to fetch",
    re.IGNORECASE,
)


class PackageFolders:
    """Folders of installed packages, one per requirements and target."""

    def __init__(self, *, cache: Path, environment: Mapping[str, str], events: EventSink) -> None:
        self._cache = cache / "packages"
        self._environment = dict(environment)
        self._events = events
        self._locks: dict[str, asyncio.Lock] = {}

    async def folder(self, requirements: Requirements, target: Target, *, shown: str) -> Path:
        """The folder for these requirements, made if it is not there. `shown` is the file's name for messages."""
        name = _name(requirements, target)
        async with self._locks.setdefault(name, asyncio.Lock()):
            folder = self._cache / name
            if not await asyncio.to_thread(folder.is_dir):
                self._events.emit(
                    StepProgress(step="bundle", message=f"installing the packages of {shown} for {target.platform}")
                )
                await self._install(folder, requirements, target, shown)
            return folder

    async def _install(self, folder: Path, requirements: Requirements, target: Target, shown: str) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".making-", dir=self._cache))
        try:
            await self._fetch(work, requirements, target, shown)
            _keep(work / _MADE, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    async def _fetch(self, work: Path, requirements: Requirements, target: Target, shown: str) -> None:
        source, without_ours = requirements.main, f"--overrides={_write_overrides(work)}"
        beside = source.parent
        if requirements.kind == "lock":
            export = ("export", "--frozen", "--no-dev", "--no-emit-project", "--no-header")
            source, without_ours = work / "requirements.txt", ""
            prune = f"--prune={_NOT_FOR_FUNCTIONS}"
            await self._uv(shown, beside, *export, prune, f"--project={beside}", f"--output-file={source}")
        await self._uv(
            shown,
            beside,
            "pip",
            "install",
            f"--python={sys.executable}",
            f"--target={work / _MADE}",
            f"--python-platform={target.platform}",
            f"--python-version={target.python}",
            "--only-binary=:all:",
            "--no-compile-bytecode",
            "--link-mode=copy",
            f"--requirements={source}",
            *filter(None, [without_ours]),
        )

    async def _uv(self, shown: str, folder: Path, *arguments: str) -> None:
        from uv import find_uv_bin

        process = await asyncio.create_subprocess_exec(
            find_uv_bin(),
            *arguments,
            "--quiet",
            "--no-progress",
            "--color=never",
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        try:
            _, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise _failed(complaint.decode(errors="replace"), shown)


def _write_overrides(work: Path) -> Path:
    """An override whose marker is never true takes a package, and what only it needs, out of the resolution."""
    overrides = work / "overrides.txt"
    overrides.write_text(f"{_NOT_FOR_FUNCTIONS}; python_version < '0'\n", encoding="utf-8")
    return overrides


def _keep(made: Path, folder: Path) -> None:
    made.mkdir(exist_ok=True)
    try:
        made.replace(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same content
            raise


def _name(requirements: Requirements, target: Target) -> str:
    digest = hashlib.sha256(f"{_LAYOUT} {requirements.kind} {target.python} {target.platform}".encode())
    for path in requirements.files:
        digest.update(b"\0" + path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:40]


def _failed(complaint: str, shown: str) -> SkykiteError:
    context = complaint.strip() or None
    if _NO_WHEEL.search(complaint):
        return SkykiteError(
            "wheel-missing",
            f"a package that `{shown}` asks for has no wheel for the function's runtime and architecture",
            context=context,
            hint="choose a version that has one, or another runtime or architecture; Lambda cannot compile packages",
        )
    if _UNREACHABLE.search(complaint):
        return SkykiteError(
            "registry-unreachable",
            f"the packages of `{shown}` could not be fetched",
            context=context,
            hint="check the network and the package index that uv or pip is configured for",
        )
    return SkykiteError("packages-unresolved", f"the packages of `{shown}` cannot be installed", context=context)
