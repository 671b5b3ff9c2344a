"""Bundles of Node functions for workers on this machine: made when first needed, and again when their source changed.

In: a function's configuration. Out: a folder with its bundle, and everything that was read for it, with stats from
before it was read. I/O: esbuild; a temporary folder, which goes with the process.

What a build has read is known only afterwards. So what the last one has read is looked at before the next begins: what
is still the same when that has ended is what it has read. Files that are new to it have to be older than it; if one is
not, it is built again. So it is if a file that it has read has gone, or one has moved that it might have read: others
may have been there for a moment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from skykite.bundle.esbuild import Bundled, SourceError, run_esbuild
from skykite.bundle.esbuild_tool import EsbuildTool
from skykite.bundle.node_failures import Failure, is_settled
from skykite.errors import SkykiteError
from skykite.model.built import BuildError, BuildFolder, BuildInput, BuildInputs, BuiltSource, FileStat
from skykite.model.disk import Disk, changed_at
from skykite.model.invocation import FunctionConfig
from skykite.model.names import FunctionId
from skykite.model.node_settings import SETTINGS, folders_above, with_extended
from skykite.model.node_source import read_node_source
from skykite_lambda.tracking import digest_of, is_racy, listing_of, stat_of

TRIES: Final = 5
_FEW: Final = 2  # builds of a function that are kept, for workers that still run the one before
_MODULES: Final = "node_modules"
_PACKAGE: Final = "package.json"
_STEP: Final = 10_000_000  # ns
_SETTLE: Final = 300_000_000  # ns in which a file that was cut to nothing may be in the middle of being saved
_SETTLE_STEP_S: Final = 0.01
_SIZE: Final = 2  # where it is in a stat


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
            if known and known[-1][0] == wanted and _is_fresh(known[-1][1].inputs):
                return known[-1][1]
            failure = self._failures.pop(config.id, None)
            if failure is not None and failure.lasts(wanted, _is_fresh):
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
            before = _Before(known)
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
                known = _inputs(files, (), config.project_root, build.tsconfig)
                read = {str(file) for file in error.files if not Bundled.is_virtual(file.name)}
                if (inputs := before.settled(known, read)) is not None:
                    failed = _build_error(error, inputs)
                    if not build.tsconfig and is_settled(
                        error, source, disk, entry, config.import_root, before_ns=before.began - _STEP
                    ):
                        self._failures[config.id] = Failure(wanted=wanted, error=failed, tool=tool, disk=disk)
                    raise failed from error
                continue
            except BaseException:
                self._remove(folder)
                raise
            bundled = made[build.entry]
            known = _inputs(map(Path, bundled.inputs), bundled.globs, config.project_root, build.tsconfig)
            inputs = before.settled(known, bundled.read)
            if inputs is None:
                self._remove(folder)
                continue
            if await _was_being_saved(inputs):
                self._remove(folder)
                tries -= 1
                continue
            try:
                _check_exports(config, bundled, inputs)
            except BuildError as error:
                self._remove(folder)
                self._failures[config.id] = Failure(wanted=wanted, error=error, tool=tool, disk=Disk())
                raise
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


async def _was_being_saved(inputs: BuildInputs) -> bool:
    """Whether a file that has just become empty gets something in it. Who saves in place cuts a file to nothing first,
    and what esbuild makes of nothing is no error: whatever is imported from it is `undefined`."""
    for one in inputs.files:
        while one.stat is not None and one.stat[_SIZE] == 0 and time.time_ns() - changed_at(one.stat) < _SETTLE:
            if stat_of(one.path) != one.stat:
                return True
            await asyncio.sleep(_SETTLE_STEP_S)
    return False


def _check_installed(import_root: Path) -> None:
    from skykite.bundle.node_packages import check_installed

    check_installed(import_root)


def _inputs(read: Iterable[Path], globs: Iterable[str], project_root: Path, tsconfig: str | None) -> BuildInputs:
    """Of a package it is its `package.json` that counts: what is in it changes with that. The user's files count, with
    what else decides how they are read: settings, and files that would be found before them, or as well as them in
    folders where any would be (`globs`)."""
    files: set[Path] = set()
    settings = {str(project_root / tsconfig)} if tsconfig else set()
    disk = Disk(at_once=True)
    stems: dict[Path, set[str]] = {}
    for file in read:
        package = _package_of(file)
        files.add(package / _PACKAGE if package else file)
        if package is not None:
            continue
        stems.setdefault(file.parent, set()).add(file.name.partition(".")[0])
        if file.stem == "index":  # its folder is what was imported
            stems.setdefault(file.parent.parent, set()).add(file.parent.name)
        for folder, _ in folders_above(str(file.parent), str(project_root), disk):
            files.add(Path(folder, _PACKAGE))
            settings.update(f"{folder}{os.sep}{name}" for name in SETTINGS)
    files.update(map(Path, with_extended(settings, disk)))
    whole = set(map(Path, globs))
    return BuildInputs(
        files=tuple(map(_input, sorted(files))),
        folders=tuple(_folder(one, None if one in whole else stems[one]) for one in sorted({*stems, *whole})),
    )


def _package_of(file: Path) -> Path | None:
    """The folder of the package that a file of `node_modules` is in."""
    parts = file.parts
    if _MODULES not in parts:
        return None
    depth = len(parts) - 1 - parts[::-1].index(_MODULES)
    return Path(*parts[: depth + (3 if parts[depth + 1].startswith("@") else 2)])


def _input(file: Path) -> BuildInput:
    path = str(file)
    now = time.time_ns()
    stat = stat_of(path)
    racy = stat is not None and is_racy(stat, now)
    return BuildInput(path=path, stat=stat, digest=digest_of(path) if racy else None)


def _folder(folder: Path, stems: Iterable[str] | None) -> BuildFolder:
    path = str(folder)
    stat = stat_of(path)
    names = listing_of(path)
    return BuildFolder(
        path=path,
        stat=stat,
        names=None if names is None else tuple(names),
        stems=None if stems is None else tuple(sorted(set(stems))),
    )


class _Before:
    """What there is to compare with, as it was before a build began."""

    def __init__(self, known: BuildInputs) -> None:
        self._files = {one.path: _input(Path(one.path)) for one in known.files}
        self._folders = {one.path: _folder(Path(one.path), one.stems) for one in known.folders}
        self.began = time.time_ns()

    def settled(self, inputs: BuildInputs, read: Collection[str]) -> BuildInputs | None:
        """The `inputs` of a build, which were looked at after it: with stats from before, if it is certain that nothing
        has changed since. Of the files among them, it has `read` these."""
        files = [self._file(one, was_read=one.path in read) for one in inputs.files]
        folders = [self._folder(one) for one in inputs.folders]
        if None in files or None in folders:
            return None
        return BuildInputs(files=tuple(filter(None, files)), folders=tuple(filter(None, folders)))

    def _file(self, after: BuildInput, *, was_read: bool) -> BuildInput | None:
        if after.stat is None and was_read:
            return None
        before = self._files.get(after.path)
        if before is not None:
            return before if before.stat == after.stat and _same_content(before) else None
        return after if after.stat is None or self._is_older(after.stat) else None

    def _folder(self, after: BuildFolder) -> BuildFolder | None:
        before = self._folders.get(after.path)
        if before is not None:
            relevant = _relevant(after, after.stems)
            same = _relevant(before, after.stems) == relevant
            if same and before.stat != after.stat and relevant is not None:
                # Something was made, moved or removed, and perhaps put back.
                same = all(self._lies_still(f"{after.path}{os.sep}{name}") for name in relevant)
            return replace(before, stems=after.stems) if same else None
        return after if after.stat is not None and self._is_older(after.stat) else None

    def _lies_still(self, path: str) -> bool:
        """Whether it has been there all the time."""
        try:
            found = os.lstat(path)
        except OSError:
            return False
        return self._is_older((found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino))

    def _is_older(self, stat: FileStat) -> bool:
        """Clocks of file systems go in steps."""
        return changed_at(stat) <= self.began - _STEP


def _same_content(before: BuildInput) -> bool:
    return before.digest is None or digest_of(before.path) == before.digest


def _relevant(folder: BuildFolder, stems: tuple[str, ...] | None) -> frozenset[str] | None:
    """Names that may be found in place of those that were."""
    if folder.names is None:
        return None
    return frozenset(name for name in folder.names if stems is None or name.partition(".")[0] in stems)


def _is_fresh(inputs: BuildInputs) -> bool:
    for one in inputs.files:
        if stat_of(one.path) != one.stat or not _same_content(one):
            return False
    return all(_relevant(_folder(Path(one.path), ()), one.stems) == _relevant(one, one.stems) for one in inputs.folders)


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
