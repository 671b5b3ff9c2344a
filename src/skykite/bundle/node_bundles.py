"""Zips of Node functions: those that are asked for together are bundled together.

In: a `bundle` asset of the kind `node`. Out: the files of its zip, for whoever writes it. I/O: esbuild, which is run
once for all functions that have their options in common; a temporary folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from skykite.bundle.esbuild import Bundled, run_esbuild
from skykite.bundle.esbuild_tool import EsbuildTool
from skykite.bundle.node_packages import check_installed, install_beside
from skykite.bundle.source_maps import SourceMaps
from skykite.errors import SkykiteError
from skykite.model.disk import Disk
from skykite.model.manifest import BundleEntry
from skykite.model.naming import NodeFile, node_sources
from skykite.model.source import SourceFile

_MODULES: Final = f"{os.sep}node_modules{os.sep}"
_TRIES: Final = 5
_THREADS: Final = min(8, os.cpu_count() or 1)
_WORTH_A_THREAD: Final = 1024 * 1024  # bytes of bundles


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeContents:
    """`files` go into the zip; `sources` are what names it, as it was after it was bundled."""

    files: tuple[SourceFile, ...]
    sources: tuple[NodeFile, ...]


Write = Callable[[NodeContents], None]


@dataclass(slots=True, kw_only=True)
class _Asked:
    """`write` is None if only what the bundle is made of is asked for."""

    bundle: BundleEntry
    write: Write | None
    done: asyncio.Future[Bundled]


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Functions that esbuild bundles in one run."""

    asked: list[_Asked] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class NodeBundles:
    """Of one project. `node` is a program."""

    def __init__(
        self, tool: EsbuildTool, *, node: Path, project_root: Path, cache: Path, environment: Mapping[str, str]
    ) -> None:
        self._tool = tool
        self._node = node
        self._project_root = project_root
        self._cache = cache
        self._environment = environment
        self._batches: dict[object, _Batch] = {}
        self._home: tempfile.TemporaryDirectory[str] | None = None  # goes with this

    async def write(self, bundle: BundleEntry, write: Write) -> None:
        """Have `write`, which runs in a thread, write a zip with what it is given, besides copied files. Raises
        `source-invalid`, `packages-not-installed`, `registry-unreachable`, and what `write` does."""
        await self._ask(bundle, write)

    async def bundled(self, bundle: BundleEntry) -> Bundled:
        """What its bundle is made of. Raises as `write` does."""
        return await self._ask(bundle, None)

    async def _ask(self, bundle: BundleEntry, write: Write | None) -> Bundled:
        """What is asked for before the event loop gets to it, is bundled at once."""
        assert bundle.node is not None
        group = (bundle.import_root, bundle.runtime, replace(bundle.node, entry=""))
        loop = asyncio.get_running_loop()
        batch = self._batches.get(group)
        if batch is None:
            batch = self._batches[group] = _Batch()
            batch.task = loop.create_task(self._run(group, batch))
        asked = _Asked(bundle=bundle, write=write, done=loop.create_future())
        batch.asked.append(asked)
        return await asked.done

    async def _run(self, group: object, batch: _Batch) -> None:
        try:
            first = batch.asked[0].bundle
            import_root = self._project_root / first.import_root
            check_installed(import_root)
            program = await self._tool.find(import_root)
            await asyncio.sleep(0)
            del self._batches[group]  # who comes later is in the next one
            if self._home is None:
                self._home = tempfile.TemporaryDirectory(prefix="kite-node-")
            folder, made, sources = await self._bundle(program, [one.bundle for one in batch.asked])
            for entry, bundled in made.items():
                self._tool.warn((group, entry), bundled.warnings)
            installed = await self._installed(batch.asked)
            work = _Work(
                folder=folder,
                made=made,
                installed=installed,
                sources=sources,
                maps=SourceMaps(folder, import_root),
            )
            threads = work.threads(batch.asked)
            await asyncio.gather(*(self._finish(batch.asked[one::threads], work) for one in range(threads)))
        except Exception as error:  # noqa: BLE001 - whoever asked has to know
            for one in batch.asked:
                _answer(one, error)
        finally:
            if self._batches.get(group) is batch:
                del self._batches[group]
            for one in batch.asked:
                one.done.cancel()  # does nothing if there is an answer

    async def _bundle(
        self, program: Path, bundles: Sequence[BundleEntry]
    ) -> tuple[Path, Mapping[str, Bundled], _Sources]:
        """What esbuild makes of sources that lie still meanwhile, and the folder it is in. Raises `source-changed`."""
        assert self._home is not None
        first = bundles[0]
        builds = {bundle.node.entry: bundle.node for bundle in bundles if bundle.node is not None}
        for _ in range(_TRIES):
            folder, began = Path(tempfile.mkdtemp(dir=self._home.name)), time.time_ns()
            sources = _Sources(self._project_root)
            made, _ = await asyncio.gather(
                run_esbuild(
                    program,
                    list(builds.values()),
                    runtime=first.runtime,
                    import_root=self._project_root / first.import_root,
                    project_root=self._project_root,
                    folder=folder,
                    environment=self._environment,
                    maps="inline",
                ),
                asyncio.to_thread(sources.look_ahead, bundles),
            )
            if await asyncio.to_thread(sources.are_settled, bundles, began):
                return folder, made, sources
        shown = first.import_root
        raise SkykiteError("source-changed", f"the code in `{shown}` does not stop changing", hint="deploy again")

    async def _installed(self, asked: Sequence[_Asked]) -> dict[str, tuple[SourceFile, ...]]:
        """By architecture, the packages that are beside the bundles."""
        found: dict[str, tuple[SourceFile, ...]] = {}
        for bundle in (one.bundle for one in asked):
            if bundle.node is None or not bundle.node.install or bundle.architecture in found:
                continue
            folder = await install_beside(
                bundle.node.install,
                self._project_root / bundle.import_root,
                bundle.architecture,
                node=self._node,
                cache=self._cache,
                environment=self._environment,
            )
            found[bundle.architecture] = await asyncio.to_thread(_packages, folder)
        return found

    async def _finish(self, asked: Sequence[_Asked], work: _Work) -> None:
        """In one thread: many a zip takes less time than the way to another and back."""
        answers = await asyncio.to_thread(lambda: [work.finish(one.bundle, one.write) for one in asked])
        for one, answer in zip(asked, answers, strict=True):
            _answer(one, answer)


def _answer(asked: _Asked, answer: Bundled | Exception) -> None:
    if asked.done.done():  # who asked was cancelled
        return
    if isinstance(answer, Exception):
        asked.done.set_exception(answer)
    else:
        asked.done.set_result(answer)


class _Sources:
    """What functions are bundled from, as it is after esbuild has read it. It is read while esbuild runs, which leaves
    processors idle, and once more if it may have changed since. What was changed after esbuild began, it may have read
    as it was before, or in between."""

    def __init__(self, project_root: Path) -> None:
        self._project_root = project_root
        self._disk = Disk(at_once=True)
        self._found: dict[str, tuple[NodeFile, ...]] = {}

    def look_ahead(self, bundles: Iterable[BundleEntry]) -> None:
        for bundle in bundles:
            if self._disk.is_doubtful:
                return
            self._look([bundle])

    def are_settled(self, bundles: Iterable[BundleEntry], began: int) -> bool:
        """Whether they are what they were when esbuild began, in ns."""
        if not self._disk.is_as_it_was():
            self._disk, self._found = Disk(at_once=True), {}
            self._look(bundles)
        return not self._disk.has_changed_since(began)

    def _look(self, bundles: Iterable[BundleEntry]) -> None:
        for bundle in bundles:
            with contextlib.suppress(SkykiteError):  # that is for whom it concerns
                self.of(bundle)

    def of(self, bundle: BundleEntry) -> tuple[NodeFile, ...]:
        assert bundle.node is not None
        if bundle.node.entry not in self._found:
            self._found[bundle.node.entry] = node_sources(bundle, self._project_root, self._disk)
        return self._found[bundle.node.entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What esbuild has made of a batch, in a folder, and the packages to be beside it."""

    folder: Path
    made: Mapping[str, Bundled]
    installed: Mapping[str, tuple[SourceFile, ...]]
    sources: _Sources
    maps: SourceMaps

    def threads(self, asked: Sequence[_Asked]) -> int:
        """How many are worth it. zlib lets others run while it compresses; the rest does not."""
        if any(self.installed.values()):
            return _THREADS
        entries = [one.bundle.node.entry for one in asked if one.bundle.node is not None]
        size = sum(sum(self.made[entry].sizes.values()) for entry in entries)
        return min(_THREADS, 1 + size // _WORTH_A_THREAD)

    def finish(self, bundle: BundleEntry, write: Write | None) -> Bundled | Exception:
        assert bundle.node is not None
        bundled = self.made[bundle.node.entry]
        try:
            if write is not None:
                write(self._contents(bundle, bundle.node.entry, bundled))
        except Exception as error:  # noqa: BLE001 - whoever asked has to know
            return error
        return bundled

    def _contents(self, bundle: BundleEntry, entry: str, bundled: Bundled) -> NodeContents:
        sources = self.sources.of(bundle)
        _check_known(entry, bundled, sources)
        found = self._made(bundled.file, mapped=bundle.node is not None and bundle.node.sourcemap)
        found += [one for path in bundled.beside for one in self._made(path, mapped=False)]
        found += self.installed.get(bundle.architecture, ())
        return NodeContents(files=tuple(found), sources=sources)

    def _made(self, path: str, *, mapped: bool) -> list[SourceFile]:
        location = self.folder / path
        found = {path: location.read_bytes()}
        if mapped:
            found[path], found[f"{path}.map"] = self.maps.taken_out(path, found[path])
        return [
            SourceFile(path=name, location=location, executable=False, content=content)
            for name, content in found.items()
        ]


def _packages(folder: Path) -> tuple[SourceFile, ...]:
    return tuple(
        _file(path, path.relative_to(folder).as_posix())
        for path in sorted((folder / "node_modules").rglob("*"))
        if path.is_file() and not path.name.startswith(".package-lock") and ".bin" not in path.parts
    )


def _check_known(entry: str, bundled: Bundled, sources: Iterable[NodeFile]) -> None:
    """A file that the zip's name does not depend on could change without being deployed."""
    known = {file.location for file in sources}
    others = [file for file in bundled.inputs if file not in known and _MODULES not in file]
    real = {Path(file).resolve() for file in known} if others else set()
    for file in others:
        if Path(file).resolve() not in real:
            raise SkykiteError(
                "source-unknown",
                f"`{entry}` is bundled with `{file}`, which Skykite did not find by itself",
                hint="import it by a relative path",
                blame="skykite",
            )


def _file(location: Path, path: str) -> SourceFile:
    return SourceFile(path=path, location=location, executable=bool(location.stat().st_mode & 0o100))
