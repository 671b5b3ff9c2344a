"""Bundles of Node functions for workers on this machine: made when first needed, and again when their source changed.

In: a function's configuration. Out: a folder with its bundle, and everything that was read for it, with stats from
before it was read. I/O: esbuild; a temporary folder, which goes with the process.

What a build has read is known only afterwards. So what is listed is compared with the time at which the build began: if
nothing was written since, its stat is what it was before. If something was, it is built again.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from skykite.bundle.esbuild import Bundled, SourceError, run_esbuild
from skykite.bundle.esbuild_tool import EsbuildTool
from skykite.errors import SkykiteError
from skykite.model.built import BuildError, BuildFolder, BuildInput, BuildInputs, BuiltSource
from skykite.model.invocation import FunctionConfig
from skykite.model.names import FunctionId
from skykite.model.node_source import read_node_source
from skykite_lambda.tracking import digest_of, is_racy, listing_of, stat_of

TRIES: Final = 5
_FEW: Final = 2  # builds of a function that are kept, for workers that still run the one before
_MODULES: Final = "node_modules"


class NodeBuilds:
    """`SourceBuilds` for the kind `node`. `environment` is what esbuild runs with."""

    def __init__(self, tool: EsbuildTool, *, environment: Mapping[str, str]) -> None:
        self._tool = tool
        self._environment = environment
        self._folder: Path | None = None
        self._made: dict[FunctionId, list[tuple[object, BuiltSource]]] = {}
        self._locks: dict[FunctionId, asyncio.Lock] = {}
        self._count = 0

    async def build(self, config: FunctionConfig) -> BuiltSource:
        """Raises BuildError, `registry-unreachable`."""
        async with self._locks.setdefault(config.id, asyncio.Lock()):
            wanted = (config.node, config.import_root, config.runtime)
            known = self._made.get(config.id, [])
            if known and known[-1][0] == wanted and _is_fresh(known[-1][1].inputs):
                return known[-1][1]
            built = await self._build(config)
            self._keep(config.id, wanted, built)
            return built

    def close(self) -> None:
        """Remove what was made."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _build(self, config: FunctionConfig) -> BuiltSource:
        assert config.node is not None
        build = config.node
        _check_installed(config.import_root)
        program = await self._tool.find(config.import_root)
        for _ in range(TRIES):
            began = time.time_ns()
            folder = self._new_folder()
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
                shutil.rmtree(folder, ignore_errors=True)
                entry = config.import_root / build.entry
                files = {*read_node_source(entry, config.import_root).files, *error.files, entry}
                inputs = _inputs(files, [])
                if _changed_since(inputs, began):
                    continue
                raise _build_error(error, inputs) from error
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            bundled = made[build.entry]
            inputs = _inputs(*_split(bundled.inputs))
            if _changed_since(inputs, began):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            _check_exports(config, bundled, inputs)
            return BuiltSource(
                folder=folder,
                file=bundled.file,
                inputs=inputs,
                format="module" if build.format == "esm" else "commonjs",
            )
        raise SkykiteError(
            "source-unsettled", f"`{config.import_root / build.entry}` and what it imports do not stop changing"
        )

    def _new_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="kite-node-"))
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        return folder

    def _keep(self, function: FunctionId, wanted: object, built: BuiltSource) -> None:
        kept = self._made.setdefault(function, [])
        kept.append((wanted, built))
        while len(kept) > _FEW:
            _, old = kept.pop(0)
            shutil.rmtree(old.folder, ignore_errors=True)


def _check_installed(import_root: Path) -> None:
    from skykite.bundle.node_packages import check_installed

    check_installed(import_root)


def _split(inputs: Iterable[Path]) -> tuple[set[Path], set[Path]]:
    """The user's files, and the `package.json` of each package that was read: what is in a package changes with it."""
    own: set[Path] = set()
    packages: set[Path] = set()
    for file in inputs:
        parts = file.parts
        if _MODULES not in parts:
            own.add(file)
            continue
        depth = len(parts) - 1 - parts[::-1].index(_MODULES)
        named = 2 if parts[depth + 1].startswith("@") else 1
        packages.add(Path(*parts[: depth + 1 + named], "package.json"))
    return own, packages


def _inputs(own: Iterable[Path], packages: Iterable[Path]) -> BuildInputs:
    files = sorted({*own, *packages})
    folders = sorted({file.parent for file in own})
    return BuildInputs(files=tuple(map(_input, files)), folders=tuple(map(_folder, folders)))


def _input(file: Path) -> BuildInput:
    path = str(file)
    now = time.time_ns()
    stat = stat_of(path)
    racy = stat is not None and is_racy(stat, now)
    return BuildInput(path=path, stat=stat, digest=digest_of(path) if racy else None)


def _folder(folder: Path) -> BuildFolder:
    path = str(folder)
    stat = stat_of(path)
    names = listing_of(path)
    return BuildFolder(path=path, stat=stat, names=None if names is None else tuple(names))


def _changed_since(inputs: BuildInputs, began: int) -> bool:
    """Whether a file may have been written after the build began; clocks of file systems go in steps."""
    stats = [one.stat for one in inputs.files if one.stat is not None]
    return any(max(stat[0], stat[1]) > began - _STEP for stat in stats)


_STEP: Final = 10_000_000  # ns


def _is_fresh(inputs: BuildInputs) -> bool:
    for one in inputs.files:
        if stat_of(one.path) != one.stat or (one.digest is not None and digest_of(one.path) != one.digest):
            return False
    for folder in inputs.folders:
        names = listing_of(folder.path)
        if (None if names is None else tuple(names)) != folder.names:
            return False
    return True


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
