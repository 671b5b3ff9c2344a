"""Makes the zip of a function's code, or the layer of its packages, at most once for the same content.

In: a `bundle` asset. Out: the zip at the place given. I/O: reads the import root, writes the zip and the cache.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.bundle.binaries import check_bootstrap
from skykite.bundle.contents import package_files
from skykite.bundle.esbuild import Bundled
from skykite.bundle.executables import run_build
from skykite.bundle.hooks import files_in, have_run
from skykite.bundle.node_bundles import NodeBundles, NodeContents
from skykite.bundle.packages import PackageFolders
from skykite.bundle.sizes import FunctionSizes, check_size
from skykite.bundle.target import target_of
from skykite.bundle.toolchains import lambda_machine
from skykite.bundle.zips import copy, new_file, place, write_zip
from skykite.errors import SkykiteError
from skykite.model.archive import ArchiveEntry
from skykite.model.dependencies import read_dependencies
from skykite.model.executable import BOOTSTRAP, ExecutableBuild
from skykite.model.manifest import AssetEntry, BundleEntry, Manifest, PackagesEntry
from skykite.model.naming import NodeFile, Packed, asset_hash, bundle_hash, packages_hash
from skykite.model.packages import Dependencies
from skykite.model.source import SourceFile, bundle_files, copied_sources, executable_sources
from skykite.ports import EventSink

LAYER_FOLDER: Final = "python"
"""Where Python looks in a layer; https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html"""
_CONTENTS: Final = "skykite-layer.txt"
"""At the top of a layer, so that it is never empty, which Lambda refuses, and says what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The packages that an asset holds: where they are installed, with the records that its zip goes without, and what
    asked for them."""

    packages: PackagesEntry
    dependencies: Dependencies | None
    third_party: Path | None
    local: Path | None


class Bundler:
    """Builds bundles of one project. `cache` is Skykite's cache folder, `environment` what uv runs with, `nodes` what
    bundles functions for Node."""

    def __init__(
        self,
        *,
        project_root: Path,
        cache: Path,
        environment: Mapping[str, str],
        events: EventSink,
        nodes: NodeBundles | None = None,
    ) -> None:
        self._project_root = project_root
        self._nodes = nodes
        self._cache = cache / "bundles"
        self._executables = cache / "executables"
        self._environment = environment
        self._events = events
        self._packages = PackageFolders(cache=cache, environment=environment, events=events)
        self._sizes = FunctionSizes()

    async def build(self, asset: AssetEntry, destination: Path) -> None:
        """Write the zip that `asset` names.

        Raises `wheel-missing`, `packages-…`, `registry-unreachable`, `lock-…`, `requirements-…`, `bundle-too-large`,
        `source-unreadable`, and `source-changed` if the code is no longer what it was when the stacks were synthesised.
        """
        kept = await self._make(asset)
        if not place(kept, destination):  # less than the way to another thread and back
            await asyncio.to_thread(copy, kept, destination)

    async def check(self, manifest: Manifest, assembly: Path) -> None:
        """Once bundles are built, and before anything is sent: whether Lambda takes functions with their layers. What
        was sent before counts, too, as long as it is kept here. Raises `bundle-too-large`."""
        keys = {asset.source: asset.key for stack in manifest.stacks for asset in stack.assets}

        def find(source: str) -> Path | None:
            places = (assembly / source, self._cache / Path(keys.get(source, source)).name)
            return next((place for place in places if place.exists()), None)

        await asyncio.to_thread(self._sizes.check, manifest, find)

    async def _make(self, asset: AssetEntry) -> Path:
        """The zip, made if it is not kept."""
        kept = self._cache / asset.key.rpartition("/")[2]
        if kept.is_file():
            return kept
        if asset.packages is not None:
            await self._build_layer(asset, asset.packages, kept)
        elif asset.bundle is not None and asset.bundle.executable is not None:
            await self._build_executable(asset, asset.bundle, asset.bundle.executable, kept)
        elif asset.bundle is not None:
            await self._build_code(asset, asset.bundle, kept)
        else:
            raise SkykiteError("asset-unbuildable", f"`{asset.key}` does not say what to build", blame="skykite")
        return kept

    async def installed(self, asset: AssetEntry) -> Installed:
        """The packages of an asset, installed again if they are no longer kept. Raises what `build` does."""
        if asset.bundle is None:
            assert asset.packages is not None
            return Installed(
                packages=asset.packages,
                dependencies=await asyncio.to_thread(self._dependencies, asset.packages),
                third_party=await self._third_party(asset.packages),
                local=None,
            )
        bundle = asset.bundle
        if bundle.kind != "python":
            return Installed(packages=bundle.third_party, dependencies=None, third_party=None, local=None)
        return Installed(
            packages=bundle.third_party,
            dependencies=await asyncio.to_thread(self._dependencies, bundle.third_party),
            third_party=None if bundle.layered else await self._third_party(bundle.third_party),
            local=await self._local(bundle),
        )

    async def bundled(self, asset: AssetEntry) -> Bundled | None:
        """What esbuild made a Node function's bundle of; None for other assets."""
        if asset.bundle is None or asset.bundle.node is None:
            return None
        assert self._nodes is not None
        return await self._nodes.bundled(asset.bundle)

    async def files(self, asset: AssetEntry) -> tuple[SourceFile, ...]:
        """What would be in the zip of an asset that is too large to be built, before any hook."""
        installed = await self.installed(asset)
        folders = [folder for folder in (installed.third_party, installed.local) if folder]
        if asset.bundle is None:
            return tuple(file for folder in folders for file in package_files(folder, prefix=f"{LAYER_FOLDER}/"))
        found = {file.path: file for folder in folders for file in package_files(folder)}
        found |= {file.path: file for file in bundle_files(asset.bundle, self._project_root)}
        return tuple(found.values())

    async def _build_layer(self, asset: AssetEntry, packages: PackagesEntry, kept: Path) -> None:
        folder = await self._third_party(packages)
        await asyncio.to_thread(self._write_layer, asset, packages, folder, kept)

    def _write_layer(self, asset: AssetEntry, packages: PackagesEntry, folder: Path | None, kept: Path) -> None:
        files = package_files(folder, prefix=f"{LAYER_FOLDER}/") if folder else ()
        check_size(f"the layer with the packages of `{packages.import_root}`", {file.path: file for file in files})
        contents = ArchiveEntry(path=_CONTENTS, read=lambda: _listed(files))
        with new_file(kept) as stream:
            write_zip(stream, files, contents)
            if not _is_named(asset, packages_hash(self._project_root, packages)):
                raise _changed(packages.import_root)

    async def _build_code(self, asset: AssetEntry, bundle: BundleEntry, kept: Path) -> None:
        if bundle.node is not None:
            assert self._nodes is not None
            await self._nodes.write(bundle, lambda contents: self._write_node(asset, bundle, contents, kept))
            return
        third_party = None if bundle.layered else await self._third_party(bundle.third_party)
        local = await self._local(bundle)
        # The user's file wins over a package's of the same path, as it does on `sys.path`.
        installed = [file for folder in (third_party, local) if folder for file in package_files(folder)]
        own = bundle_files(bundle, self._project_root)
        await asyncio.to_thread(self._write_code, asset, bundle, installed, own, kept)

    def _write_node(self, asset: AssetEntry, bundle: BundleEntry, contents: NodeContents, kept: Path) -> None:
        own = copied_sources(bundle.copied, self._project_root)
        self._write_code(asset, bundle, contents.files, own, kept, contents.sources)

    def _write_code(
        self,
        asset: AssetEntry,
        bundle: BundleEntry,
        made: Sequence[SourceFile],
        own: Sequence[SourceFile],
        kept: Path,
        sources: Sequence[NodeFile] | None = None,
    ) -> None:
        """`own` are the user's files as they are, which win."""
        chosen = {file.path: file for file in (*made, *own)}
        with new_file(kept) as stream, contextlib.ExitStack() as folders:
            if bundle.after_build:
                folder = Path(folders.enter_context(tempfile.TemporaryDirectory(dir=self._cache)))
                have_run(bundle.after_build, chosen, folder, self._project_root, self._environment)
                chosen = {file.path: file for file in files_in(folder)}
            check_size(f"the code of `{bundle.import_root}`" + ("" if bundle.layered else " with its packages"), chosen)
            digests = write_zip(stream, (chosen[path] for path in sorted(chosen)))
            # Of what is in the zip, which may not be what is there by now. What hooks make of it is theirs.
            packed = None if bundle.after_build else Packed(files=own, digests=digests)
            if not _is_named(asset, bundle_hash(self._project_root, bundle, sources=sources, packed=packed)):
                raise _changed(bundle.import_root, self._saved_last(own) if sources is None else None)

    def _saved_last(self, files: Iterable[SourceFile]) -> str | None:
        """Of the user's files, by its path in the project: maybe a log that is written into it at this moment."""
        times: dict[str, int] = {}
        for file in files:
            if file.location.is_relative_to(self._project_root):
                with contextlib.suppress(OSError):
                    path = file.location.relative_to(self._project_root).as_posix()
                    times[path] = file.location.stat().st_mtime_ns
        return max(times, key=lambda path: times[path], default=None)

    async def _build_executable(
        self, asset: AssetEntry, bundle: BundleEntry, build: ExecutableBuild, kept: Path
    ) -> None:
        """What is made of the sources, or they themselves if nothing is to be made."""
        made = None
        keep = self._executables / hashlib.sha256(asset.key.encode()).hexdigest()[:16]
        if build.is_built:
            made = await run_build(
                build,
                lambda_machine(bundle.architecture),
                import_root=self._project_root / bundle.import_root,
                keep=keep,
                environment=self._environment,
                events=self._events,
                shown=bundle.import_root,
            )
        await asyncio.to_thread(self._write_executable, asset, bundle, build, made, kept)
        await asyncio.to_thread(shutil.rmtree, keep, ignore_errors=True)

    def _write_executable(
        self, asset: AssetEntry, bundle: BundleEntry, build: ExecutableBuild, made: Path | None, kept: Path
    ) -> None:
        root = self._project_root
        own = executable_sources(root / bundle.import_root, root, build) if made is None else files_in(made)
        chosen = {file.path: file for file in (*own, *copied_sources(bundle.copied, root))}
        with new_file(kept) as stream, tempfile.TemporaryDirectory(dir=self._cache) as folder:
            if bundle.after_build:
                have_run(bundle.after_build, chosen, Path(folder), root, self._environment)
                chosen = {file.path: file for file in files_in(Path(folder))}
            bootstrap = chosen.get(BOOTSTRAP)
            check_bootstrap(
                bootstrap.location if bootstrap else root / bundle.import_root / BOOTSTRAP,
                runtime=bundle.runtime,
                architecture=bundle.architecture,
                shown=f"{bundle.import_root}/{BOOTSTRAP}",
            )
            check_size(f"the code of `{bundle.import_root}`", chosen)
            write_zip(stream, (chosen[path] for path in sorted(chosen)))
            if not _is_named(asset, bundle_hash(root, bundle)):
                raise _changed(bundle.import_root)

    async def _third_party(self, packages: PackagesEntry) -> Path | None:
        """The packages from elsewhere, if any are needed."""
        found = await asyncio.to_thread(self._dependencies, packages)
        if found is None or not found.installs:
            return None
        main, root = found.main, self._project_root
        shown = main.relative_to(root) if main.is_relative_to(root) else main
        target = target_of(packages.runtime, packages.architecture)
        return await self._packages.third_party(found, packages, target, shown.as_posix())

    async def _local(self, bundle: BundleEntry) -> Path | None:
        """The user's own packages, if any are needed."""
        if not bundle.local:
            return None
        folders = [(self._project_root / one).resolve() for one in bundle.local]
        return await self._packages.local(folders, target_of(bundle.runtime, bundle.architecture), bundle.import_root)

    def _dependencies(self, packages: PackagesEntry) -> Dependencies | None:
        return read_dependencies(self._project_root / packages.import_root, packages.options)


def _listed(files: Iterable[SourceFile]) -> bytes:
    """The distributions in a layer, one a line."""
    ending = ".dist-info/METADATA"
    names = sorted(file.path.split("/")[-2].removesuffix(".dist-info") for file in files if file.path.endswith(ending))
    return "".join(f"{name.replace('-', '==', 1)}\n" for name in names).encode() or b"no packages\n"


def _is_named(asset: AssetEntry, digest: str) -> bool:
    named = asset.key.rpartition("/")[2].partition(".")[0]
    return named in (digest, asset_hash(digest))


def _changed(import_root: str, saved_last: str | None = None) -> SkykiteError:
    last = f"; `{saved_last}` was saved last: if it is no code, leave it out with `exclude`" if saved_last else ""
    return SkykiteError(
        "source-changed",
        f"the code in `{import_root}` changed after the stacks were synthesised",
        hint=f"deploy again{last}",
    )
