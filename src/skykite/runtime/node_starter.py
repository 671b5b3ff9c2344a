"""How a Node worker comes to be: its source is built, and a process loads what was built.

In: functions of the kind `node`. Out: `Process`es that run `node/worker.cjs`. One process is kept started ahead, with
nothing of any function's in it, so that a save waits for loading code and not for Node. What a worker depends on is
what the build has read, the files copied into its zip, and the lock files that say which packages are installed.
I/O: starts processes; builds, through `SourceBuilds`; `os.stat`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from skykite.errors import SkykiteError
from skykite.model.built import BuildError, BuiltSource
from skykite.model.invocation import FunctionConfig
from skykite.model.node_source import LOCK_FILES
from skykite.model.runtimes import NODE_SUFFIXES
from skykite.ports import SourceBuilds
from skykite.runtime.build_inputs import observed_of, read_beside
from skykite.runtime.inspector import Inspector
from skykite.runtime.launch import ChannelForm, Process, channel_form, start_process
from skykite.runtime.launcher import NotPrepared, Prepared
from skykite.runtime.messages import WorkerError
from skykite.runtime.node_choice import NodeChoice
from skykite_lambda.tracking import Stat, stat_of

ENTRY: Final = Path(__file__).parent / "node" / "worker.cjs"
_INSTALLED: Final = (*LOCK_FILES, "node_modules/.package-lock.json")
_EDITORS_VARIABLES: Final = ("NODE_OPTIONS", "VSCODE_INSPECTOR_OPTIONS")
_SOURCE_MAPS: Final = "--enable-source-maps"
_FAULTS: Final = {"handler-not-found": "Runtime.HandlerNotFound"}
_NOISE: Final = (b"Debugger attached.\n", b"Waiting for the debugger to disconnect...\n")
_MISSING: Final = (
    "node-missing",
    "functions in TypeScript and JavaScript run in Node; Skykite brings one: install it again",
)


class NodeStarter:
    """The `Launcher` of Node functions. `cache` is where V8 keeps compiled code, `editor` what `detect_editor` found,
    and `inspector` where debuggers attach."""

    def __init__(
        self,
        nodes: NodeChoice,
        builds: SourceBuilds,
        *,
        cache: Path | None = None,
        editor: Mapping[str, str] | None = None,
        channel: ChannelForm | None = None,
        inspector: Inspector | None = None,
    ) -> None:
        self._nodes = nodes
        self._builds = builds
        self._form = channel_form(channel)
        self._cache = cache
        self._editor = dict(editor or {})
        self._inspector = inspector
        self._environment: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None
        self._spare: tuple[Path, Process] | None = None
        self._making: asyncio.Task[None] | None = None
        self.marks_ends = self._form == "loopback"

    async def start(self, environment: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        self._environment = dict(environment)
        self._group = group
        if self._inspector is not None:
            await self._inspector.start()

    def expect(self, configs: Iterable[FunctionConfig]) -> None:
        if not list(configs):
            self._drop_spare()

    def learn(self, modules: Collection[str]) -> None:
        """Nothing is imported ahead."""

    def handler_files(self, config: FunctionConfig) -> frozenset[str]:
        """What the handler's module may be called."""
        return frozenset(str(config.import_root / f"{config.handler.path}{suffix}") for suffix in NODE_SUFFIXES)

    async def prepare(self, config: FunctionConfig) -> Prepared:
        beside = read_beside(config)
        beside.packages = _lock_files(config)
        try:
            built = await self._builds.build(config)
        except BuildError as error:
            raise NotPrepared(_worker_error(error), observed_of(error.inputs, beside)) from error
        return Prepared(observed=observed_of(built.inputs, beside), built=built)

    async def launch(self, config: FunctionConfig, environment: Mapping[str, str], prepared: Prepared) -> Process:
        assert prepared.built is not None
        node = await self._nodes.node_for(config.runtime)
        environment = {**environment, "PATH": f"{node.parent}{os.pathsep}{environment['PATH']}"}
        process = self._take_spare(node, environment) or await self._start(
            node, _with_editor(environment, self._editor)
        )
        waiting = self._inspector is not None and self._inspector.waits
        process.configuration = {
            "environment": environment,
            **_loading(config, prepared.built),
            "untimed": bool(self._editor),
            "wait": waiting,
        }
        process.untimed = bool(self._editor)
        if self._inspector is not None:
            process.noise = _NOISE
            process.on_inspector = partial(self._inspectable, self._inspector, process, config, prepared.built, waiting)
        self._make_spare(node)
        return process

    def _inspectable(
        self,
        inspector: Inspector,
        process: Process,
        config: FunctionConfig,
        built: BuiltSource,
        waiting: bool,
        url: str,
    ) -> None:
        target = inspector.add(
            title=f"{config.id} [{process.pid}]",
            file=built.folder / built.file,
            url=url,
            waiting=waiting,
            on_held=lambda held: process.on_held(held),
        )
        process.ended.add_done_callback(lambda _: inspector.remove(target))

    def stop(self) -> None:
        self._group = None
        if self._making is not None:
            self._making.cancel()
        self._drop_spare()

    async def stopped(self) -> None:
        if self._inspector is not None:
            await self._inspector.stop()

    async def _start(self, node: Path, environment: Mapping[str, str]) -> Process:
        inspect = self._inspector is not None
        orders = {"compile_cache": None if self._cache is None else str(self._cache), "inspect": inspect}
        # The address is told over the channel: nobody needs to see it among what the function prints.
        command = [str(node), *(["--inspect-publish-uid=http"] if inspect else []), str(ENTRY)]
        return await start_process(command, environment, form=self._form, orders=orders, hold=True, missing=_MISSING)

    # The process that is started ahead

    def _take_spare(self, node: Path, environment: Mapping[str, str]) -> Process | None:
        if self._spare is None or self._spare[0] != node or self._editor or _reads_at_start(environment):
            return None
        (_, process), self._spare = self._spare, None
        return None if process.ended.done() else process

    def _make_spare(self, node: Path) -> None:
        if self._spare is None and self._making is None and self._group is not None and not self._editor:
            self._making = self._group.create_task(self._start_spare(node))

    async def _start_spare(self, node: Path) -> None:
        try:
            self._spare = (node, await self._start(node, self._environment))
        except (SkykiteError, OSError):
            pass  # whatever is wrong shows with the next worker, where somebody can be told
        finally:
            self._making = None

    def _drop_spare(self) -> None:
        if self._spare is not None:
            (_, process), self._spare = self._spare, None
            process.kill()
            process.channel.close()
            os.close(process.output)


def _loading(config: FunctionConfig, built: BuiltSource) -> dict[str, object]:
    """What a worker has to know to load the function."""
    return {
        "file": str(built.folder / built.file),
        "format": built.format,
        "function": config.handler.function,
        "source": _source_of(config),
    }


def _source_of(config: FunctionConfig) -> str:
    """The handler's file, as its user names it."""
    for suffix in NODE_SUFFIXES:
        if (config.import_root / f"{config.handler.path}{suffix}").is_file():
            return f"{config.handler.path}{suffix}"
    return config.handler.path


def _worker_error(error: BuildError) -> WorkerError:
    frame = () if error.context is None else (f"{error.context}\n",)
    kind = error.code if error.code.startswith("Runtime.") else _FAULTS.get(error.code, "Runtime.UserCodeSyntaxError")
    document = {"errorType": kind, "errorMessage": error.message, "trace": []}
    return WorkerError(
        type=kind,
        message=error.message,
        trace=frame,
        hint=error.hint,
        document=msgspec.json.encode(document).decode(),
        log=f"{error.message}\n{error.context or ''}\n",
    )


def _lock_files(config: FunctionConfig) -> list[tuple[str, Stat | None]]:
    """What says which packages are installed, as it is now: in the nearest folder that has any of it, up from the
    handler's."""
    folder = (config.import_root / config.handler.path).parent
    found: list[tuple[str, Stat | None]] = []
    for place in (folder, *folder.parents):
        locks = [(str(place / name), stat_of(str(place / name))) for name in _INSTALLED]
        found += locks
        if any(stat is not None for _, stat in locks):
            break
    return found


def _reads_at_start(environment: Mapping[str, str]) -> bool:
    """Whether Node reads some of this when it starts, so that a process already running will not do. Source maps are
    switched on in every worker."""
    read = {name for name in environment if name.startswith(("NODE_", "UV_")) and name != "NODE_ENV"}
    return bool(read) and (read != {"NODE_OPTIONS"} or environment["NODE_OPTIONS"].strip() != _SOURCE_MAPS)


def detect_editor(environment: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """What an editor that debugs every Node process below `kite` has set for them; empty if none does. It is taken out
    of `environment`: only functions are to be debugged."""
    if not environment.get("VSCODE_INSPECTOR_OPTIONS"):
        return {}
    return {name: environment.pop(name) for name in _EDITORS_VARIABLES if name in environment}


def _with_editor(environment: Mapping[str, str], editor: Mapping[str, str]) -> dict[str, str]:
    options = " ".join(filter(None, (environment.get("NODE_OPTIONS"), editor.get("NODE_OPTIONS"))))
    return {**environment, **editor, **({"NODE_OPTIONS": options} if options else {})}
