"""Runs functions from the code that is deployed in the embedded cloud, in a runtime of their own.

In: invocations, each with what was deployed when it was dispatched. Out: outcomes. Each version of a function is a
function of its own to the runtime, so an invocation runs exactly what it was dispatched for, and configuring one
disturbs no other. A version that was replaced goes with its last invocation. I/O: the runtime's, the code store's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from skykite.cloud import CodeStore, DeployedFunction, FetchCode
from skykite.errors import SkykiteError
from skykite.model.invocation import Failed, FunctionConfig, FunctionKind, Handler, Invocation, Outcome, Report
from skykite.model.names import FunctionId
from skykite.runtime import Runtime

_TASK_ROOT: Final = "/var/task"
_LAYER_ROOT: Final = "/opt"


@dataclass(slots=True, kw_only=True, eq=False)
class _Version:
    """One state of one function. `running` counts its invocations."""

    function: DeployedFunction
    id: FunctionId
    config: FunctionConfig
    running: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class _Name:
    """A function under the ARN it is invoked by."""

    latest: _Version | None = None
    versions: dict[FunctionId, _Version] = field(default_factory=dict)


class DeployedFunctions:
    """A `DeployedInvoker`. `address` is where the embedded cloud is, `translate` turns the URLs of its APIs into those
    they are served under here."""

    def __init__(
        self, *, store: CodeStore, host: Mapping[str, str], address: Callable[[], str], translate: Callable[[str], str]
    ) -> None:
        self._store = store
        self._host = host
        self._address = address
        self._translate = translate
        self._names: dict[str, _Name] = {}
        self._generation = 0
        self._runtime: asyncio.Future[Runtime] = asyncio.get_running_loop().create_future()

    def open(self, runtime: Runtime) -> None:
        """Run functions there, also those that wait for it already. It has started, and is nobody else's."""
        self._runtime.set_result(runtime)

    @property
    def running(self) -> int:
        """Invocations that run or wait for a worker."""
        return sum(version.running for name in self._names.values() for version in name.versions.values())

    async def forget(self) -> None:
        """Make every function anew at its next invocation: what they are told about their surroundings has changed."""
        self._generation += 1
        for name in self._names.values():
            name.latest = None
        if self._runtime.done():
            await self._configure()

    async def invoke(self, function: DeployedFunction, invocation: Invocation, fetch: FetchCode) -> Outcome:
        runtime = await asyncio.shield(self._runtime)
        if "." not in function.handler and _kind_of(function.runtime) != "executable":
            return _malformed(invocation, function.handler)
        try:
            version = await self._take(function, fetch)
        except SkykiteError as error:
            return _failed(invocation, error)
        try:
            return await runtime.invoke(replace(invocation, function=version.id))
        finally:
            version.running -= 1
            if not version.running and self._names[function.arn].latest is not version:
                await self._configure()

    async def _take(self, function: DeployedFunction, fetch: FetchCode) -> _Version:
        """The version, configured, and kept so until whoever took it counts down `running`."""
        name = self._names.setdefault(function.arn, _Name())
        if name.latest is not None and name.latest.function == function:
            name.latest.running += 1
            return name.latest
        version_id = _id_of(function, self._generation)
        if version_id not in name.versions:
            config = await self._config(version_id, function, fetch)
            name.versions.setdefault(version_id, _Version(function=function, id=version_id, config=config))
        version = name.latest = name.versions[version_id]
        version.running += 1
        await self._configure()
        return version

    async def _configure(self) -> None:
        """Give the runtime what is deployed, and what still runs."""
        for name in self._names.values():
            needed = [version for version in name.versions.values() if version is name.latest or version.running]
            name.versions = {version.id: version for version in needed}
        versions = [version for name in self._names.values() for version in name.versions.values()]
        await self._runtime.result().configure([version.config for version in versions])
        await self._store.keep_only([code for version in versions for code in _code_of(version.function)])

    async def _config(self, id: FunctionId, function: DeployedFunction, fetch: FetchCode) -> FunctionConfig:
        missing = [layer.arn for layer in function.layers if layer.code is None]
        if missing:
            raise SkykiteError(
                "layer-missing",
                f"function `{function.name}` uses the layer `{missing[0]}`, which the embedded cloud does not have",
                hint="publish the layer there, or put its packages into the function's own code",
            )
        folders = [await self._store.folder(code, fetch) for code in _code_of(function)]
        root, layers = folders[0], folders[1] if len(folders) > 1 else None
        kind = _kind_of(function.runtime)
        return FunctionConfig(
            id=id,
            name=function.name,
            arn=function.arn,
            handler=_handler(function.handler, kind),
            import_root=root,
            project_root=root,
            runtime=function.runtime,
            memory_mb=function.memory_mb,
            timeout_s=float(function.timeout_s),
            environment=self._environment(function, root, layers),
            region=function.arn.split(":")[3],
            frozen=True,
            kind=kind,
        )

    def _environment(self, function: DeployedFunction, root: Path, layers: Path | None) -> dict[str, str]:
        own = {name: self._translate(value) for name, value in function.environment.items()}
        found = {
            "AWS_ENDPOINT_URL": self._address(),
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            **_logging(function),
            **own,
            **function.credentials,
        }
        searched = [_moved(entry, root, layers) for entry in own.get("PYTHONPATH", "").split(":") if entry]
        if layers is not None:
            # As Lambda has them, after the function's own.
            searched += [str(layers / "python" / "lib" / function.runtime / "site-packages"), str(layers / "python")]
            found |= self._programs(layers)
        if searched:
            found["PYTHONPATH"] = os.pathsep.join(searched)
        if layers is not None and _kind_of(function.runtime) == "node" and "NODE_PATH" not in own:
            # As Lambda has them, for `require`; `import` does not look there.
            version = function.runtime.removeprefix("nodejs").partition(".")[0]
            folders = (layers / "nodejs" / f"node{version}", layers / "nodejs")
            found["NODE_PATH"] = os.pathsep.join(str(folder / "node_modules") for folder in folders)
        return found

    def _programs(self, layers: Path) -> Mapping[str, str]:
        """Programs and libraries of layers, before those of the system."""
        found = {}
        for name, folder in (("PATH", layers / "bin"), ("LD_LIBRARY_PATH", layers / "lib")):
            if folder.is_dir():
                found[name] = os.pathsep.join(filter(None, (str(folder), self._host.get(name))))
        return found


def _kind_of(runtime: str) -> FunctionKind:
    if runtime.startswith("provided"):
        return "executable"
    return "node" if runtime.startswith("nodejs") else "python"


def _handler(text: str, kind: FunctionKind) -> Handler:
    """Split where Lambda does: Python at the last dot, Node at the first one of the file's name. Executables make of it
    what they like."""
    if kind == "executable":
        return Handler(path=text, function="")
    if kind == "python":
        path, _, function = text.rpartition(".")
        return Handler(path=path, function=function)
    folder, slash, name = text.rpartition("/")
    file, _, function = name.partition(".")
    return Handler(path=f"{folder}{slash}{file}", function=function)


def _code_of(function: DeployedFunction) -> list[tuple[str, ...]]:
    """What makes its folders: that of its code, and that of its layers if it has any."""
    layers = tuple(layer.code for layer in function.layers if layer.code is not None)
    return [(function.code,), layers] if layers else [(function.code,)]


def _id_of(function: DeployedFunction, generation: int) -> FunctionId:
    """For people the name; the rest tells versions apart."""
    digest = hashlib.sha256(msgspec.json.encode((function, generation), order="deterministic")).hexdigest()
    qualifier = function.arn.partition(":function:")[2].partition(":")[2]
    return FunctionId(f"{function.name}{':' if qualifier else ''}{qualifier}@{digest[:8]}")


def _logging(function: DeployedFunction) -> Mapping[str, str]:
    told = {
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
    }
    return {name: value for name, value in told.items() if value}


def _moved(entry: str, root: Path, layers: Path | None) -> str:
    """A folder of Lambda's, where it is here."""
    for place, folder in ((_TASK_ROOT, root), (_LAYER_ROOT, layers)):
        if folder is not None and (entry == place or entry.startswith(f"{place}/")):
            return str(folder / entry[len(place) :].lstrip("/"))
    return entry


def _malformed(invocation: Invocation, handler: str) -> Failed:
    return Failed(
        kind="import",
        error_type="Runtime.MalformedHandlerName",
        message=f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        report=Report(duration_ms=0.0),
        request_id=invocation.request_id,
        hint="write path/to/file.function without `.py`, for instance `functions/notes.get`",
    )


def _failed(invocation: Invocation, error: SkykiteError) -> Failed:
    return Failed(
        kind="unavailable",
        error_type=f"Skykite.{''.join(part.title() for part in error.code.split('-'))}",
        message=error.message,
        report=Report(duration_ms=0.0),
        request_id=invocation.request_id,
        hint=error.hint,
    )
