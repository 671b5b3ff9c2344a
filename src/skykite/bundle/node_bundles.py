"""Zips of Node functions: those that are asked for together are bundled together.

In: a `bundle` asset of the kind `node`. Out: the files of its zip. I/O: esbuild, which is run once for all functions
that have their options in common; a temporary folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from skykite.bundle.esbuild import Bundled, run_esbuild
from skykite.bundle.esbuild_tool import EsbuildTool
from skykite.bundle.node_packages import check_installed, install_beside
from skykite.errors import SkykiteError
from skykite.model.manifest import BundleEntry
from skykite.model.source import SourceFile, node_files


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeContents:
    """`files` go into the zip; `sources` are what names it, as they were listed after the bundle was made."""

    files: tuple[SourceFile, ...]
    sources: tuple[SourceFile, ...]


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Functions that esbuild bundles in one run."""

    entries: dict[str, BundleEntry] = field(default_factory=dict)
    done: asyncio.Future[tuple[Path, dict[str, Bundled]]]
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

    async def contents(self, bundle: BundleEntry) -> NodeContents:
        """What goes into the zip besides copied files. Raises `source-invalid`, `packages-not-installed`,
        `registry-unreachable`."""
        assert bundle.node is not None
        folder, made = await self._bundled(bundle)
        bundled = made[bundle.node.entry]
        sources = node_files(bundle, self._project_root)
        _check_known(bundle.node.entry, bundled, sources)
        found = [SourceFile(path=bundled.file, location=folder / bundled.file, executable=False)]
        mapped = folder / f"{bundled.file}.map"
        if mapped.is_file():
            _settle_map(mapped, bundled.file, str((self._project_root / bundle.import_root).resolve()))
            found.append(SourceFile(path=f"{bundled.file}.map", location=mapped, executable=False))
        if bundle.node.install:
            beside = await install_beside(
                bundle.node.install,
                self._project_root / bundle.import_root,
                bundle.architecture,
                node=self._node,
                cache=self._cache,
                environment=self._environment,
            )
            found += [
                _file(path, path.relative_to(beside).as_posix())
                for path in sorted((beside / "node_modules").rglob("*"))
                if path.is_file() and not path.name.startswith(".package-lock") and ".bin" not in path.parts
            ]
        return NodeContents(files=tuple(found), sources=sources)

    async def bundled(self, bundle: BundleEntry) -> Bundled:
        """What its bundle is made of. Raises as `contents` does."""
        assert bundle.node is not None
        _, made = await self._bundled(bundle)
        return made[bundle.node.entry]

    async def _bundled(self, bundle: BundleEntry) -> tuple[Path, dict[str, Bundled]]:
        """What is asked for before the event loop gets to it, is bundled at once."""
        assert bundle.node is not None
        group = (bundle.import_root, bundle.runtime, replace(bundle.node, entry=""))
        batch = self._batches.get(group)
        if batch is None:
            loop = asyncio.get_running_loop()
            batch = self._batches[group] = _Batch(done=loop.create_future())
            batch.task = loop.create_task(self._run(group, batch))
        batch.entries[bundle.node.entry] = bundle
        return await asyncio.shield(batch.done)

    async def _run(self, group: object, batch: _Batch) -> None:
        try:
            first = next(iter(batch.entries.values()))
            import_root = self._project_root / first.import_root
            check_installed(import_root)
            program = await self._tool.find(import_root)
            await asyncio.sleep(0)
            del self._batches[group]  # who comes later is in the next one
            if self._home is None:
                self._home = tempfile.TemporaryDirectory(prefix="kite-node-")
            folder = Path(tempfile.mkdtemp(dir=self._home.name))
            made = await run_esbuild(
                program,
                [one.node for one in batch.entries.values() if one.node is not None],
                runtime=first.runtime,
                import_root=import_root,
                project_root=self._project_root,
                folder=folder,
                environment=self._environment,
            )
            batch.done.set_result((folder, made))
        except Exception as error:  # noqa: BLE001 - whoever asked has to know
            batch.done.set_exception(error)
            batch.done.exception()  # who asked may have been cancelled
        finally:
            if self._batches.get(group) is batch:
                del self._batches[group]
            batch.done.cancel()  # does nothing if there is a result


def _check_known(entry: str, bundled: Bundled, sources: Sequence[SourceFile]) -> None:
    """A file that the zip's name does not depend on could change without being deployed."""
    known = {file.location for file in sources}
    others = [file for file in bundled.inputs if file not in known and "node_modules" not in file.parts]
    real = {file.resolve() for file in known} if others else set()
    for file in others:
        if file.resolve() not in real:
            raise SkykiteError(
                "source-unknown",
                f"`{entry}` is bundled with `{file}`, which Skykite did not find by itself",
                hint="import it by a relative path",
                blame="skykite",
            )


def _settle_map(mapped: Path, file: str, import_root: str) -> None:
    """Sources as they are to be found from where the bundle will be, whatever folder it was made in. `import_root` has
    no links."""
    document = json.loads(mapped.read_bytes())
    here, there = mapped.parent, str(Path(import_root, file).parent)
    sources = [os.path.normpath(here / source) for source in document["sources"]]
    document["sources"] = [
        os.path.relpath(one if one.startswith(import_root + os.sep) else Path(one).resolve(), there).replace(
            os.sep, "/"
        )
        for one in sources
    ]
    mapped.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def _file(location: Path, path: str) -> SourceFile:
    return SourceFile(path=path, location=location, executable=bool(location.stat().st_mode & 0o100))
