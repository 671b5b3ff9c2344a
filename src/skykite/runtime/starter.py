"""How a Python worker comes to be: forked from a zygote that has the imports done, or started from nothing.

In: functions that will be launched, modules that they were seen to import. Out: `Process`es. Forking needs Linux
(macOS's system libraries do not survive it, Windows has none) and is used where it makes no difference to the function
but time. The zygote is replaced behind the scenes when more modules are known, or others installed.
I/O: starts processes; reads and writes the file where known modules are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from skykite.errors import SkykiteError
from skykite.model.invocation import FunctionConfig
from skykite.runtime.environment import needs_own_start
from skykite.runtime.freshness import MODULE_INDEX
from skykite.runtime.launch import Process, SpawnLauncher
from skykite.runtime.launcher import Prepared
from skykite.runtime.zygote import Zygote, ZygoteGone, decode_modules, encode_modules

QUIET: Final = 0.3  # seconds without news before a new zygote is made
MOST_REJECTED: Final = 32  # modules; with more, forking is given up
_AS_IT_IS: Final = Prepared()

StartMode = Literal["fork", "spawn"]


class Starter:
    """The `Launcher` of Python functions: starts workers of one interpreter."""

    def __init__(
        self,
        interpreter: Path,
        *,
        mode: StartMode | None = None,
        channel: Literal["inherited", "loopback"] | None = None,
        cache: Path | None = None,
        debugger: str | None = None,
    ) -> None:
        self._spawn = SpawnLauncher(interpreter, channel=channel)
        self._forks = (mode or "fork") == "fork" and sys.platform == "linux" and channel != "loopback"
        self._cache = cache
        self._debugger = debugger
        self._modules: dict[str, None] = {}  # in the order in which they were imported
        self._rejected: set[str] = set()
        self._common: dict[str, str] | None = None  # environment that all functions share
        self._environment: dict[str, str] = {}
        self._zygote: Zygote | None = None
        self._zygotes: set[Zygote] = set()
        self._news = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self.marks_ends = sys.platform == "win32" or channel == "loopback"
        self.ready = asyncio.Event()  # the zygote is as good as what is known

    async def start(self, environment: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        """Be ready to launch. `environment` is what every process gets."""
        self._environment = dict(environment)
        if not self._forks:
            return
        if self._cache is not None:
            with contextlib.suppress(FileNotFoundError):
                modules, rejected = decode_modules(self._cache.read_bytes())
                self._modules.update(dict.fromkeys(modules))
                self._rejected.update(rejected)
        self._keeper = group.create_task(self._keep())

    def expect(self, configs: Iterable[FunctionConfig]) -> None:
        """These functions will be launched."""
        environments = [set(config.environment.items()) for config in configs]
        common = dict(set.intersection(*environments)) if environments else {}
        if common != self._common:
            self._common = common
            self._tell()

    def learn(self, modules: Collection[str]) -> None:
        """Functions import these."""
        new = [name for name in modules if name not in self._modules and not self._is_rejected(name)]
        if new:
            self._modules.update(dict.fromkeys(new))
            self._tell()

    def handler_files(self, config: FunctionConfig) -> frozenset[str]:
        """The handler's module, or what makes it a package."""
        place = config.import_root / config.handler.path
        return frozenset({str(config.import_root / config.handler.file), str(place / MODULE_INDEX)})

    async def prepare(self, config: FunctionConfig) -> Prepared:
        """Nothing is built: a worker reads the sources themselves, and tells which."""
        return _AS_IT_IS

    async def launch(self, config: FunctionConfig, environment: Mapping[str, str], prepared: Prepared) -> Process:
        """A process that waits for its configuration. Raises SkykiteError."""
        if self._zygote is not None and not needs_own_start(environment):
            if not self._zygote.is_fresh():
                self._drop_zygote()
            elif self._zygote.suits(environment, folders := import_folders(config, environment)):
                try:
                    return await self._zygote.fork(folders)
                except ZygoteGone:
                    self._drop_zygote()
        return await self._spawn.launch(environment, isolated=not needs_own_start(environment))

    def stop(self) -> None:
        """End what was started besides workers."""
        if self._keeper is not None:
            self._keeper.cancel()
        for zygote in self._zygotes:
            zygote.kill()

    async def stopped(self) -> None:
        """Wait until it is gone."""
        for zygote in list(self._zygotes):
            await asyncio.wait([zygote.ended])

    # The zygote

    def _tell(self) -> None:
        self.ready.clear()
        self._news.set()

    def _is_rejected(self, module: str) -> bool:
        return module.partition(".")[0] in self._rejected

    def _drop_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.retire()
            self._zygote = None
        self._tell()

    async def _keep(self) -> None:
        """Have the best zygote there can be. Never urgent: until there is one, workers are started from nothing."""
        self._news.set()
        while len(self._rejected) <= MOST_REJECTED:
            await self._news.wait()
            if self._zygote is not None:
                await self._quiet()
            self._news.clear()
            try:
                done = await self._renew()
            except (SkykiteError, ZygoteGone):
                # Whatever is wrong with the interpreter shows with the first worker, where somebody can be told.
                await self._news.wait()
                continue
            if not done:
                self._news.set()
            elif not self._news.is_set():
                self.ready.set()

    async def _quiet(self) -> None:
        while self._news.is_set():
            self._news.clear()
            await asyncio.sleep(QUIET)

    async def _renew(self) -> bool:
        """False if a module turned out unfit, so that it has to be tried again without."""
        environment = {**self._environment, **(self._common or {})}
        zygote = await Zygote.start(self._spawn, environment)
        self._zygotes.add(zygote)
        zygote.ended.add_done_callback(lambda _: self._zygotes.discard(zygote))
        try:
            known = [name for name in self._modules if not self._is_rejected(name)]
            prepared = await zygote.prepare(known, debugger=self._debugger)
        except asyncio.CancelledError:
            zygote.kill()
            raise
        if prepared.rejected is not None:
            self._rejected.add(prepared.rejected.partition(".")[0])
            zygote.kill()
            return False
        old, self._zygote = self._zygote, zygote
        if old is not None:
            old.retire()
        self._remember()
        return True

    def _remember(self) -> None:
        if self._cache is None:
            return
        data = encode_modules(self._modules, self._rejected)
        # Nobody must find half a file; and a folder that cannot be written to only costs time.
        with contextlib.suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            partial = self._cache.with_suffix(".partial")
            partial.write_bytes(data)
            partial.replace(self._cache)


def import_folders(config: FunctionConfig, environment: Mapping[str, str]) -> list[Path]:
    """Where the function's imports are looked for before installed packages."""
    extra = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [config.import_root, *(Path(folder) for folder in extra if folder)]
