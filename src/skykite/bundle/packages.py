"""Packages for functions, installed for their machine by uv, without Docker: third-party ones, and the user's own.

In: what pins them, and a target. Out: a folder of packages, kept in the cache under a name that says what it holds.
I/O: runs uv, which asks the package index; the cache folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from skykite.bundle.bytecode import compile_for
from skykite.bundle.kept import keep, working_folder
from skykite.bundle.requirements import wanted_packages
from skykite.bundle.target import Target
from skykite.bundle.uv import Uv
from skykite.errors import SkykiteError
from skykite.model.dependencies import dependencies_digest
from skykite.model.events import StepProgress
from skykite.model.manifest import PackagesEntry
from skykite.model.packages import Dependencies
from skykite.model.source import select_package
from skykite.ports import EventSink

_MADE: Final = "packages"
_LAYOUT: Final = "2"  # counted up when what is kept here is made in another way


class PackageFolders:
    """Folders of installed packages, one per what they were made from and target."""

    def __init__(self, *, cache: Path, environment: Mapping[str, str], events: EventSink) -> None:
        self._cache = cache / "packages"
        self._environment = dict(environment)
        self._events = events
        self._locks: dict[str, asyncio.Lock] = {}

    async def third_party(
        self, dependencies: Dependencies, packages: PackagesEntry, target: Target, shown: str
    ) -> Path:
        """What the index has. `shown` is the file's name for messages."""
        options = packages.options

        async def make(work: Path) -> None:
            uv = self._uv(shown, target)
            wanted = await wanted_packages(uv, dependencies, options, target, work)
            await uv.run(
                dependencies.main.parent,
                "pip",
                "install",
                *_INSTALLING,
                f"--target={work / _MADE}",
                *target.options,
                "--only-binary=:all:",
                *wanted,
            )
            if options.bytecode:
                await compile_for(work / _MADE, target, self._environment)

        return await self._folder(_name(dependencies, packages), f"the packages of {shown} for {target.platform}", make)

    async def local(self, folders: Sequence[Path], target: Target, shown: str) -> Path:
        """The user's own packages, built as their `pyproject.toml` says. They are installed without what they need."""
        digest = hashlib.sha256(f"{_LAYOUT} {target.python}".encode())
        for folder in folders:
            digest.update(b"\0" + folder.name.encode())
            for file in select_package(folder):
                digest.update(f"\0{file.path}\0".encode() + hashlib.sha256(file.location.read_bytes()).digest())

        async def make(work: Path) -> None:
            with _without_traces(folders):
                await self._uv(shown, target).run(
                    folders[0],
                    "pip",
                    "install",
                    *_INSTALLING,
                    f"--target={work / _MADE}",
                    "--no-deps",
                    *target.options,
                    *map(str, folders),
                )
            _check_pure(work / _MADE)

        names = ", ".join(folder.name for folder in folders)
        return await self._folder(f"local-{digest.hexdigest()[:40]}", names, make)

    def _uv(self, shown: str, target: Target) -> Uv:
        return Uv(environment=self._environment, shown=shown, platform=f"Python {target.python} on {target.platform}")

    async def _folder(self, name: str, what: str, make: Callable[[Path], Awaitable[None]]) -> Path:
        """The folder of that name, made if it is not there."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            folder = self._cache / name
            if await asyncio.to_thread(folder.is_dir):
                return folder
            self._events.emit(StepProgress(step="bundle", message=f"installing {what}"))
            async with working_folder(self._cache) as work:
                await make(work)
                (work / _MADE).mkdir(exist_ok=True)
                keep(work / _MADE, folder)
            return folder


_MADE_BY_SETUPTOOLS: Final = ("build", "*.egg-info", "src/*.egg-info")
_INSTALLING: Final = (
    f"--python={sys.executable}",
    "--no-compile-bytecode",
    # What is in the folder is only ever read, so that it may share uv's own files.
    "--link-mode=hardlink",
)


def _name(dependencies: Dependencies, packages: PackagesEntry) -> str:
    digest = dependencies_digest(dependencies, packages.options, packages.runtime, packages.architecture)
    return f"{digest}-{_LAYOUT}"


@contextlib.contextmanager
def _without_traces(folders: Sequence[Path]) -> Iterator[None]:
    """Remove what setuptools makes beside the source, unless it was there before: the next wheel would have in it what
    is no longer in the source."""
    before = set(_traces(folders))
    try:
        yield
    finally:
        for trace in _traces(folders):
            if trace not in before:
                shutil.rmtree(trace, ignore_errors=True)


def _traces(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for pattern in _MADE_BY_SETUPTOOLS for path in folder.glob(pattern)]


def _check_pure(folder: Path) -> None:
    """What was built here runs here; whether it does elsewhere, nobody knows."""
    for wheel in folder.glob("*.dist-info/WHEEL"):
        if "root-is-purelib: true" not in wheel.read_text(encoding="utf-8").lower():
            name = wheel.parent.name.partition("-")[0]
            raise SkykiteError(
                "wheel-missing",
                f"the package `{name}` of this project has compiled parts, which Skykite cannot build",
                hint="build a wheel of it for the function's machine, and name that file in the requirements instead "
                "of the folder",
            )
