"""The `Launcher` of executables: whatever speaks Lambda's Runtime API, as with `provided.al2023`.

In: functions whose source a `SourceBuilds` makes a folder with a `bootstrap` of. Out: `Process`es behind a Runtime API
of their own. An executable knows no lifeline: on Linux the kernel ends it with us, elsewhere a guard does.
I/O: builds, through the port; starts processes; reads what the kernel says of their memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.errors import SkykiteError
from skykite.model.built import BuildError
from skykite.model.executable import BOOTSTRAP
from skykite.model.invocation import FunctionConfig
from skykite.ports import SourceBuilds
from skykite.runtime import guard
from skykite.runtime.build_inputs import observed_of, read_beside
from skykite.runtime.launch import Process, end_group, hold_group, watch_end
from skykite.runtime.launcher import NotPrepared, Prepared
from skykite.runtime.messages import WorkerError

if TYPE_CHECKING:
    from skykite.runtime.runtime_api import Endpoint

_MEMORY_EVERY: Final = 0.25  # seconds between looks at how much memory a process has had


class ExecutableLauncher:
    """Use on one event loop. `guarded` is for systems that do not tell a process of its parent's end; `marked` for
    those whose pipes the event loop cannot watch."""

    def __init__(self, builds: SourceBuilds, *, guarded: bool | None = None, marked: bool | None = None) -> None:
        self._builds = builds
        self._guarded = sys.platform != "linux" if guarded is None else guarded
        self.marks_ends = sys.platform == "win32" if marked is None else marked
        self._group: asyncio.TaskGroup | None = None
        self._ahead: asyncio.Task[None] | None = None
        self._expected: tuple[FunctionConfig, ...] = ()

    async def start(self, environment: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        self._group = group

    def expect(self, configs: Iterable[FunctionConfig]) -> None:
        """Build them ahead, one after the other: a compiler's first run takes longer than a caller waits."""
        expected = tuple(configs)
        if expected == self._expected or self._group is None:
            return
        self._expected = expected
        if self._ahead is not None:
            self._ahead.cancel()
        self._ahead = self._group.create_task(self._build_ahead(expected))

    async def _build_ahead(self, configs: Iterable[FunctionConfig]) -> None:
        for config in configs:
            with contextlib.suppress(SkykiteError, OSError):  # whoever invokes it is told
                await self._builds.build(config)

    def learn(self, modules: Collection[str]) -> None:
        """They report no modules."""

    def handler_files(self, config: FunctionConfig) -> frozenset[str]:
        """The executable itself, or what its place is empty of until it is built."""
        return frozenset({str(config.import_root / BOOTSTRAP)})

    async def prepare(self, config: FunctionConfig) -> Prepared:
        """Build it, if what it is made of has changed. Raises NotPrepared, SkykiteError."""
        beside = read_beside(config)
        try:
            built = await self._builds.build(config)
        except BuildError as error:
            raise NotPrepared(_worker_error(error), observed_of(error.inputs, beside)) from error
        return Prepared(observed=observed_of(built.inputs, beside), built=built)

    async def launch(self, config: FunctionConfig, environment: Mapping[str, str], prepared: Prepared) -> Process:
        """Start it with a Runtime API of its own. Raises SkykiteError."""
        from skykite.runtime.runtime_api import Endpoint

        assert prepared.built is not None
        executable = prepared.built.folder / prepared.built.file
        folder = config.task_root or prepared.built.folder
        output, output_end = os.pipe()
        memory = _Memory()
        endpoint = Endpoint(memory_kb=memory.most_kb, marks=os.dup(output_end) if self.marks_ends else None)
        try:
            channel = await endpoint.open()
            try:
                popen, lifeline = self._start(
                    executable, folder, _environment(config, environment, endpoint, folder), output_end
                )
            except BaseException:
                channel.close()
                raise
        except BaseException:
            endpoint.close()
            os.close(output)
            raise
        finally:
            os.close(output_end)
        memory.pid = popen.pid
        ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        watch_end(popen, ended)
        ended.add_done_callback(lambda _: endpoint.close())
        return Process(
            pid=popen.pid, channel=channel, output=output, lifeline=lifeline, ended=ended, end=lambda: end_group(popen)
        )

    def stop(self) -> None:
        """Workers are the runtime's."""
        self._group = None
        if self._ahead is not None:
            self._ahead.cancel()

    async def stopped(self) -> None:
        """Nothing to wait for."""

    def _start(
        self, executable: Path, folder: Path, environment: Mapping[str, str], output: int
    ) -> tuple[subprocess.Popen[bytes], int]:
        """The process, and the descriptor to hold open."""
        lifeline_end, lifeline = os.pipe()
        try:
            if self._guarded:
                command = [sys.executable, "-I", str(Path(guard.__file__)), str(executable)]
                popen = _popen(command, folder, environment, stdin=lifeline_end, output=output)
            else:
                popen = _popen([str(executable)], folder, environment, output=output, inherited=(lifeline_end,))
                hold_group(lifeline_end, popen.pid)
        except OSError as error:
            os.close(lifeline)
            raise _not_started(executable, error) from error
        finally:
            os.close(lifeline_end)
        return popen, lifeline


class _Memory:
    """Of one process, as the kernel counts it; looked at now and then, for that takes time."""

    def __init__(self) -> None:
        self.pid = 0
        self._most = 0
        self._looked = 0.0

    def most_kb(self) -> int:
        now = time.monotonic()
        if sys.platform == "linux" and self.pid and now - self._looked > _MEMORY_EVERY:
            self._looked = now
            with contextlib.suppress(OSError, ValueError, IndexError):
                status = Path(f"/proc/{self.pid}/status").read_bytes()
                self._most = int(status[status.index(b"VmHWM:") :].split(None, 2)[1])
        return self._most


def _worker_error(error: BuildError) -> WorkerError:
    said = error.context or ""
    return WorkerError(
        type="worker-not-built",
        message=error.message,
        trace=(f"{said}\n",) if said else (),
        hint=error.hint,
        document=json.dumps({"errorMessage": error.message, "errorType": error.code}),
        log=f"{error.message}\n{said}\n",
    )


def _environment(
    config: FunctionConfig, environment: Mapping[str, str], endpoint: Endpoint, folder: Path
) -> dict[str, str]:
    """As Lambda sets it for a runtime of one's own."""
    own = {
        "AWS_LAMBDA_RUNTIME_API": endpoint.address,
        "LAMBDA_TASK_ROOT": str(folder),
        "LAMBDA_RUNTIME_DIR": str(folder),
        "_HANDLER": config.handler.function or config.handler.path,
    }
    found = {**environment, **own}
    if "AWS_EXECUTION_ENV" not in config.environment:
        found.pop("AWS_EXECUTION_ENV", None)  # Lambda sets none where it does not know the language
    return found


def _popen(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    output: int,
    stdin: int = subprocess.DEVNULL,
    inherited: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=output,
            stderr=output,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
        )
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=stdin,
        stdout=output,
        stderr=output,
        pass_fds=inherited,
        start_new_session=True,
    )


def _not_started(executable: Path, error: OSError) -> SkykiteError:
    hint = None
    reason = error.strerror
    if error.errno == errno.ENOEXEC:
        hint = "it has to be built for this machine, or be a script whose first line says what runs it: `#!/bin/sh`"
    elif error.errno == errno.EACCES:
        hint = f"make it executable: `chmod +x {executable.name}`"
    elif error.errno == errno.ENOENT and executable.exists():
        reason = "its first line, or its loader, names a program that is not on this machine"
    return SkykiteError("worker-executable", f"cannot start `{executable}`: {reason}", hint=hint)
