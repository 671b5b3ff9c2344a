"""Bundles of Node functions for workers on this machine: made when first needed, and again when their source changed.

In: a function's configuration. Out: a folder with its bundle, and everything that was read for it, with stats from
before it was read. I/O: esbuild; a temporary folder, which goes with the process.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from skykite.bundle.esbuild import Bundled, SourceError, run_esbuild
from skykite.bundle.esbuild_tool import EsbuildTool
from skykite.bundle.node_failures import Failure, is_settled
from skykite.bundle.node_inputs import STEP, Before, inputs_of, is_fresh, was_being_saved
from skykite.errors import SkykiteError
from skykite.model.built import BuildError, BuildInputs, BuiltSource
from skykite.model.disk import Disk
from skykite.model.invocation import FunctionConfig
from skykite.model.names import FunctionId
from skykite.model.node_source import read_node_source
from skykite_lambda.tracking import stat_of

TRIES: Final = 5
_FEW: Final = 2  # builds of a function that are kept, for workers that still run the one before
_MODULES: Final = "node_modules"


class NodeBuilds:
    """`SourceBuilds` for the kind `node`. `environment` is what esbuild runs with."""

    def __init__(self, tool: EsbuildTool, *, environment: Mapping[str, str]) -> None:
        self._tool = tool
        self._environment = environment
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._made: dict[FunctionId, list[tuple[object, BuiltSource]]] = {}
        self._failures: dict[FunctionId, Failure] = {}
        self._locks: dict[FunctionId, asyncio.Lock] = {}
        self._count = 0

    async def build(self, config: FunctionConfig) -> BuiltSource:
        """Raises BuildError, `registry-unreachable`."""
        async with self._locks.setdefault(config.id, asyncio.Lock()):
            wanted = (config.node, config.import_root, config.runtime)
            known = self._made.get(config.id, [])
            if known and known[-1][0] == wanted and is_fresh(known[-1][1].inputs):
                return known[-1][1]
            failure = self._failures.pop(config.id, None)
            if failure is not None and failure.lasts(wanted, is_fresh):
                self._failures[config.id] = failure
                raise failure.error.with_traceback(None)
            built = await self._build(config, wanted, known[-1][1].inputs if known else BuildInputs())
            self._keep(config.id, wanted, built)
            return built

    def close(self) -> None:
        """Remove what was made; it goes with the process anyway."""
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    async def _build(self, config: FunctionConfig, wanted: object, known: BuildInputs) -> BuiltSource:
        assert config.node is not None
        build = config.node
        entry = config.import_root / build.entry
        _check_installed(config.import_root)
        program = await self._tool.find(config.import_root)
        tool = (program, stat_of(str(program)))
        tries = 0
        while tries < TRIES:
            tries += 1
            before = Before(known)
            folder = self._new_folder(entry)
            try:
                made = await run_esbuild(
                    program,
                    [build],
                    runtime=config.runtime,
                    import_root=config.import_root,
                    project_root=config.project_root,
                    folder=folder,
                    environment=self._environment,
                )
            except SourceError as error:
                self._remove(folder)
                disk = Disk(at_once=True)
                source = read_node_source(str(entry), str(config.import_root), disk)
                files = {*map(Path, source.files), *error.files, entry}
                known = inputs_of(files, (), config.project_root, build.tsconfig)
                read = {str(file) for file in error.files if not Bundled.is_virtual(file.name)}
                if (inputs := before.settled(known, read)) is not None:
                    failed = _build_error(error, inputs)
                    if not build.tsconfig and is_settled(
                        error, source, disk, entry, config.import_root, before_ns=before.began - STEP
                    ):
                        self._failures[config.id] = Failure(wanted=wanted, error=failed, tool=tool, disk=disk)
                    raise failed from error
                continue
            except BaseException:
                self._remove(folder)
                raise
            bundled = made[build.entry]
            known = inputs_of(map(Path, bundled.inputs), bundled.globs, config.project_root, build.tsconfig)
            inputs = before.settled(known, bundled.read)
            if inputs is None:
                self._remove(folder)
                continue
            if await was_being_saved(inputs):
                self._remove(folder)
                tries -= 1
                continue
            try:
                _check_exports(config, bundled, inputs)
            except BuildError as error:
                self._remove(folder)
                self._failures[config.id] = Failure(wanted=wanted, error=error, tool=tool, disk=Disk())
                raise
            self._tool.warn(config.id, bundled.warnings)
            return BuiltSource(
                folder=folder,
                file=bundled.file,
                inputs=inputs,
                format="module" if build.format == "esm" else "commonjs",
            )
        raise SkykiteError("source-unsettled", f"`{entry}` and what it imports do not stop changing")

    def _new_folder(self, entry: Path) -> Path:
        """Where a bundle finds the packages that are not in it: its source's `node_modules`, the nearest first."""
        if self._home is None:
            self._home = tempfile.TemporaryDirectory(prefix="kite-node-", ignore_cleanup_errors=True)
        self._count += 1
        folder = Path(self._home.name, str(self._count))
        folder.mkdir(parents=True)
        for packages in [place / _MODULES for place in reversed(entry.parents) if (place / _MODULES).is_dir()]:
            _link(folder / _MODULES, packages)
            folder /= "in"
            folder.mkdir()
        return folder

    def _remove(self, folder: Path) -> None:
        assert self._home is not None
        home = Path(self._home.name)
        shutil.rmtree(home / folder.relative_to(home).parts[0], ignore_errors=True)

    def _keep(self, function: FunctionId, wanted: object, built: BuiltSource) -> None:
        kept = self._made.setdefault(function, [])
        kept.append((wanted, built))
        while len(kept) > _FEW:
            _, old = kept.pop(0)
            self._remove(old.folder)


def _check_installed(import_root: Path) -> None:
    from skykite.bundle.node_packages import check_installed

    check_installed(import_root)


def _link(place: Path, target: Path) -> None:
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(target), str(place))
    else:
        place.symlink_to(target, target_is_directory=True)


def _check_exports(config: FunctionConfig, bundled: Bundled, inputs: BuildInputs) -> None:
    """esbuild knows what a module of the ESM form exports; of the other form nobody does before it is run."""
    assert config.node is not None
    name = config.handler.function
    if config.node.format == "cjs" or not bundled.exports or name in bundled.exports or "default" in bundled.exports:
        return
    listed = ", ".join(f"`{one}`" for one in bundled.exports)
    raise BuildError(
        "handler-not-found",
        f"`{config.node.entry}` exports no `{name}`; it exports {listed}",
        inputs=inputs,
        context=None,
        hint=f"export a function `{name}` from it, or name another in the stacks",
    )


def _build_error(error: SourceError, inputs: BuildInputs) -> BuildError:
    return BuildError(error.code, error.message, inputs=inputs, context=error.context, hint=error.hint)
