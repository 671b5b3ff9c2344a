"""Makes the zip of a function's code, at most once for the same content.

In: a `bundle` asset. Out: the zip at the place given. I/O: reads the import root, writes the zip and the cache.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from skykite.bundle.hooks import files_in, have_run
from skykite.bundle.packages import PackageFolders
from skykite.bundle.requirements import find_requirements
from skykite.bundle.target import target_of
from skykite.errors import SkykiteError
from skykite.model.archive import ArchiveEntry, write_archive
from skykite.model.manifest import AssetEntry, BundleEntry
from skykite.model.source import SourceFile, bundle_files, dependency_files, source_hash
from skykite.ports import EventSink

UNPACKED_LIMIT: Final = 250 * 1024 * 1024
"""Bytes; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. The 50 MB limit for zips concerns
those sent to Lambda itself; ours go through S3."""

# Records of how and where packages were installed: they differ from machine to machine, and no function needs them.
_INSTALLER_FILES: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"})
_INSTALLER_FOLDERS: Final = frozenset({"bin", "Scripts"})


class Bundler:
    """Builds bundles of one project. `cache` is Skykite's cache folder, `environment` what uv runs with."""

    def __init__(self, *, project_root: Path, cache: Path, environment: Mapping[str, str], events: EventSink) -> None:
        self._project_root = project_root
        self._cache = cache / "bundles"
        self._environment = environment
        self._packages = PackageFolders(cache=cache, environment=environment, events=events)

    async def build(self, asset: AssetEntry, destination: Path) -> None:
        """Write the zip that `asset` names.

        Raises `wheel-missing`, `packages-unresolved`, `registry-unreachable`, `requirements-…`, `bundle-too-large`,
        and `source-changed` if the code is no longer what it was when the stacks were synthesised.
        """
        bundle = asset.bundle
        if bundle is None:
            raise SkykiteError("asset-unbuildable", f"`{asset.key}` does not say what to build", blame="skykite")
        kept = self._cache / Path(asset.key).name
        if not kept.is_file():
            folder = await self._install(bundle)
            await asyncio.to_thread(self._write, asset, bundle, folder, kept)
        await asyncio.to_thread(_place, kept, destination)

    async def _install(self, bundle: BundleEntry) -> Path | None:
        """The packages the bundle needs, if any."""
        import_root = self._project_root / bundle.import_root
        dependencies = dependency_files(import_root, self._project_root)
        requirements = await asyncio.to_thread(find_requirements, import_root, dependencies)
        if requirements is None:
            return None
        main = requirements.main
        shown = main.relative_to(self._project_root) if main.is_relative_to(self._project_root) else main
        target = target_of(bundle.runtime, bundle.architecture)
        return await self._packages.folder(requirements, target, shown=shown.as_posix())

    def _write(self, asset: AssetEntry, bundle: BundleEntry, packages: Path | None, kept: Path) -> None:
        files = bundle_files(bundle, self._project_root)
        # The user's file wins over a package's of the same path, as it does on `sys.path`.
        chosen = {file.path: file for file in (*_package_files(packages), *files)}
        self._cache.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".making-", dir=self._cache)
        try:
            with os.fdopen(handle, "wb") as stream, tempfile.TemporaryDirectory(dir=self._cache) as own:
                if bundle.after_build:
                    have_run(bundle.after_build, chosen, Path(own), self._project_root, self._environment)
                    chosen = {file.path: file for file in files_in(Path(own))}
                _check_size(bundle, chosen.values())
                write_archive(stream, (_entry(chosen[path]) for path in sorted(chosen)))
            # After the zip is written, so that a change while it was being written is noticed too.
            self._check_unchanged(asset, bundle, files)
            Path(temporary).replace(kept)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _check_unchanged(self, asset: AssetEntry, bundle: BundleEntry, files: Sequence[SourceFile]) -> None:
        dependencies = dependency_files(self._project_root / bundle.import_root, self._project_root)
        digest = source_hash(files, dependencies, bundle)
        # CDK names an asset by the hash of the hash it was given.
        if Path(asset.key).stem not in (digest, hashlib.sha256(digest.encode()).hexdigest()):
            raise SkykiteError(
                "source-changed",
                f"the code in `{bundle.import_root}` changed after the stacks were synthesised",
                hint="deploy again",
            )


def _entry(file: SourceFile) -> ArchiveEntry:
    return ArchiveEntry(path=file.path, read=file.location.read_bytes, executable=file.executable)


def _package_files(folder: Path | None) -> Iterator[SourceFile]:
    if folder is None:
        return
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_file() and _belongs(relative):
            executable = bool(path.stat().st_mode & 0o100)
            yield SourceFile(path=relative.as_posix(), location=path, executable=executable)


def _belongs(relative: Path) -> bool:
    if relative.parts[0] in _INSTALLER_FOLDERS or relative.parts[0].startswith("."):
        return False
    if "__pycache__" in relative.parts or relative.suffix == ".pyc":
        return False
    return not (relative.parent.suffix == ".dist-info" and relative.name in _INSTALLER_FILES)


def _place(kept: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.unlink(missing_ok=True)
    try:
        destination.hardlink_to(kept)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(kept, destination)


def _check_size(bundle: BundleEntry, files: Iterable[SourceFile]) -> None:
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.path.partition("/")[0]] += file.location.stat().st_size
    unpacked = sizes.total()
    if unpacked <= UNPACKED_LIMIT:
        return
    raise SkykiteError(
        "bundle-too-large",
        f"the code of `{bundle.import_root}` with its packages has {_megabytes(unpacked)} unpacked; "
        f"Lambda takes {_megabytes(UNPACKED_LIMIT)}",
        context="\n".join(f"{_megabytes(size):>7} {name}" for name, size in sizes.most_common(8)),
        hint="move what only stacks and tests need into a dependency group, and leave out what functions do not import",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f} MB"
