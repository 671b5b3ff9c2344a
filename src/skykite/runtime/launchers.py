"""The launchers of all kinds of workers, and what every process is started with.

In: workers to start. Out: their processes, configured. I/O: a folder for temporary files, which is the home of all
functions; through launchers, processes.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from skykite.errors import SkykiteError
from skykite.model.invocation import FunctionConfig, FunctionKind
from skykite.ports import Clock
from skykite.runtime.environment import function_environment, process_environment
from skykite.runtime.launch import Process
from skykite.runtime.launcher import Launcher, Prepared
from skykite.runtime.messages import configure_frame
from skykite.runtime.strays import end_strays
from skykite.runtime.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A process, whether it marks the ends of invocations, and the frame it waits for."""

    process: Process
    marks_ends: bool
    configuration: bytes


class Launchers:
    """`start` once, `stop` and `stopped` once, then `clean`. `host` is the environment that functions get what a
    process cannot do without from."""

    def __init__(
        self,
        launchers: Mapping[FunctionKind, Launcher],
        *,
        interpreter: Path,
        host: Mapping[str, str],
        clock: Clock,
        debugger: str | None,
    ) -> None:
        self._launchers = launchers
        self._interpreter = interpreter
        self._host = host
        self._clock = clock
        self._debugger = debugger
        self._home: Path | None = None
        self._environment: dict[str, str] = {}

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Be ready to launch."""
        self._home = Path(tempfile.mkdtemp(prefix="kite-home-"))
        self._environment = process_environment(self._host, interpreter=self._interpreter, home=self._home)
        for launcher in self._launchers.values():
            await launcher.start(self._environment, group)

    def stop(self) -> None:
        """End what was started besides workers."""
        for launcher in self._launchers.values():
            launcher.stop()

    async def stopped(self) -> None:
        """Wait until it is gone."""
        await asyncio.gather(*(launcher.stopped() for launcher in self._launchers.values()))

    def clean(self) -> None:
        """Leave nothing behind, once all workers have ended."""
        if self._home is not None:
            end_strays(self._home)
            shutil.rmtree(self._home, ignore_errors=True)

    def expect(self, configs: Collection[FunctionConfig]) -> None:
        """Exactly these functions will be launched."""
        for kind, launcher in self._launchers.items():
            launcher.expect([config for config in configs if config.kind == kind])

    def learn(self, config: FunctionConfig, modules: Collection[str]) -> None:
        """A worker reported to have loaded these installed modules."""
        if modules:
            self._of(config).learn(modules)

    def handler_files(self, config: FunctionConfig) -> frozenset[str]:
        """Files that concern the function before any worker has told what it reads."""
        launcher = self._launchers.get(config.kind)
        return frozenset() if launcher is None else launcher.handler_files(config)

    async def prepare(self, worker: Worker) -> Prepared | None:
        """What to start, or None if nobody wants the worker any more. Raises NotPrepared, SkykiteError."""
        worker.preparing = asyncio.current_task()
        try:
            return await self._of(worker.config).prepare(worker.config)
        except asyncio.CancelledError:
            return None
        finally:
            worker.preparing = None

    async def launch(self, worker: Worker, prepared: Prepared) -> Launched:
        """Start the worker's process. Raises SkykiteError, OSError."""
        launcher = self._of(worker.config)
        environment = function_environment(
            worker.config, self._environment, now=self._clock.now(), worker=secrets.token_hex(16)
        )
        process = await launcher.launch(worker.config, environment, prepared)
        configuration = configure_frame(
            worker.config,
            environment,
            nonce=worker.nonce,
            end_mark=launcher.marks_ends,
            debugger=self._debugger,
            more=process.configuration,
        )
        return Launched(process=process, marks_ends=launcher.marks_ends, configuration=configuration)

    def _of(self, config: FunctionConfig) -> Launcher:
        launcher = self._launchers.get(config.kind)
        if launcher is None:
            raise SkykiteError(
                "kind-not-local",
                f"`{config.id}` is of the kind `{config.kind}`, which does not run on this machine",
                hint="give it `live=False`: then it runs where it is deployed",
            )
        return launcher
