"""Copies an assembly whole: every bundle built and every folder zipped, so that nothing else is needed to deploy it.

In: an assembly and its manifest, and who builds bundles. Out: a folder of plain files, the same to the byte for
the same assembly. I/O: reads the assembly, writes the folder; what the builder does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from skykite.bundle.sizes import FunctionSizes
from skykite.errors import SkykiteError
from skykite.model.archive import ArchiveEntry, write_archive
from skykite.model.events import StepProgress
from skykite.model.manifest import MANIFEST_FILE, AssetEntry, Manifest, StackEntry, encode_manifest
from skykite.ports import EventSink

Build = Callable[[AssetEntry, Path], Awaitable[None]]
"""Builds a `bundle` asset into the file given; `Bundler.build` is one."""

_AT_ONCE: Final = 4  # zips that are read. The builder is asked for all at once: it knows what can be made together
_ASSET: Final = "asset."  # how CDK calls what it stages
_ASSET_MANIFEST: Final = ".assets.json"


async def export_assembly(
    manifest: Manifest, assembly: Path, folder: Path, *, build: Build, events: EventSink
) -> tuple[Manifest, int]:
    """Fill `folder`, which is empty. Returns the manifest that lies there, all of whose assets are files, and how many
    of them are bundles. Raises what `build` raises, and `bundle-broken`, `bundle-too-large`, `asset-missing`,
    `build-image`."""
    for entry in manifest.stacks:
        if entry.images:
            images = [f"`{one.id}`" for one in manifest.functions if one.kind == "image" and one.stack == entry.name]
            raise SkykiteError(
                "build-image",
                f"stack `{entry.path}` has a container image that is to be made of a folder"
                + (f" ({', '.join(images)})" if images else "")
                + "; a build holds no images",
                hint='push the image first, and name it in the stacks: image={"uri": "….dkr.ecr.….amazonaws.com/…"}',
            )
    assets = {asset.source: asset for stack in manifest.stacks for asset in stack.assets}
    bundles = [asset for asset in assets.values() if asset.packaging == "bundle"]
    places = asyncio.Semaphore(_AT_ONCE)
    # What is there is named by its content, and was read when it came; put there again, it would look new, and the
    # stacks would be run again the next time.
    there = await asyncio.to_thread(lambda: [_is_whole(assembly / asset.source) for asset in bundles])
    built = sum(there)

    async def make(asset: AssetEntry) -> None:
        nonlocal built
        await build(asset, assembly / asset.source)
        async with places:
            await asyncio.to_thread(_check_archive, assembly / asset.source)
        built += 1
        events.emit(StepProgress(step="build", message=f"{built} of {len(bundles)} bundles"))

    async with asyncio.TaskGroup() as tasks:
        for asset, is_there in zip(bundles, there, strict=True):
            if not is_there:
                tasks.create_task(make(asset))
    names = {source: _name(asset, assembly) for source, asset in assets.items()}
    await asyncio.to_thread(FunctionSizes().check, manifest, lambda source: assembly / source)
    await asyncio.to_thread(_copy, assembly, folder, names)
    shipped = _shipped(manifest, names)
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(shipped))
    return shipped, len(bundles)


def _name(asset: AssetEntry, assembly: Path) -> str:
    """Under which an asset lies in the copy."""
    source = assembly / asset.source
    if not source.exists():
        raise SkykiteError(
            "asset-missing",
            f"the assembly lists `{asset.source}`, which does not exist",
            hint="run `kite synth` to write it again",
        )
    return f"{asset.source}.zip" if source.is_dir() else asset.source


def _shipped(manifest: Manifest, names: Mapping[str, str]) -> Manifest:
    """The manifest of the copy: whatever an asset was made from, it is a file now."""

    def asset(entry: AssetEntry) -> AssetEntry:
        return AssetEntry(key=entry.key, bucket=entry.bucket, packaging="file", source=names[entry.source])

    def stack(entry: StackEntry) -> StackEntry:
        return replace(entry, assets=tuple(asset(one) for one in entry.assets))

    functions = tuple(
        replace(
            function,
            code=names.get(function.code, function.code) if function.code else None,
            layers=tuple(
                replace(layer, source=names.get(layer.source, layer.source)) if layer.source else layer
                for layer in function.layers
            ),
        )
        for function in manifest.functions
    )
    return replace(manifest, stacks=tuple(map(stack, manifest.stacks)), functions=functions)


def _copy(assembly: Path, folder: Path, names: Mapping[str, str]) -> None:
    """Assets under their names; of the rest, what synth wrote, with CDK's own lists of assets saying the same."""
    for source, name in names.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (assembly / source).is_dir():
            with place.open("wb") as stream:
                write_archive(stream, (_entry(assembly / source, file) for file in _files(assembly / source)))
        else:
            shutil.copyfile(assembly / source, place)
    for file in _files(assembly):
        if file.split("/")[0].startswith(_ASSET) or file in names or file == MANIFEST_FILE:
            continue
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(_ASSET_MANIFEST):
            place.write_bytes(_as_files((assembly / file).read_bytes()))
        else:
            shutil.copyfile(assembly / file, place)


def _files(folder: Path) -> list[str]:
    """POSIX paths of every file below a folder, in order. Links are followed, as a zip needs it."""
    found = []
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _leads_up(Path(path, name))]
        found += [Path(path, name).relative_to(folder).as_posix() for name in names if Path(path, name).is_file()]
    return sorted(found)


def _leads_up(path: Path) -> bool:
    return path.is_symlink() and path.absolute().is_relative_to(path.resolve())


def _entry(folder: Path, file: str) -> ArchiveEntry:
    location = folder / file
    return ArchiveEntry(path=file, read=location.read_bytes, executable=bool(location.stat().st_mode & 0o100))


def _as_files(asset_manifest: bytes) -> bytes:
    """CDK's list of a stack's assets, for a stock `cdk`: a folder that it would zip is a zip."""
    document: dict[str, Any] = json.loads(asset_manifest)
    for asset in document.get("files", {}).values():
        if asset.get("source", {}).get("packaging") == "zip":
            asset["source"] = {"path": f"{asset['source']['path']}.zip", "packaging": "file"}
    return json.dumps(document, indent=2).encode()


def _is_whole(file: Path) -> bool:
    """Whether a zip is there to its end, where its list of files is."""
    try:
        with zipfile.ZipFile(file):
            return True
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def _check_archive(file: Path) -> None:
    """Read every byte of a zip once, as Lambda will. A broken one does not stay."""
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        file.unlink(missing_ok=True)
        raise _broken(file, str(error)) from error
    if broken is not None:
        file.unlink()
        raise _broken(file, f"`{broken}` in it is damaged")


def _broken(file: Path, reason: str) -> SkykiteError:
    return SkykiteError(
        "bundle-broken",
        f"the zip `{file.name}` that was just built cannot be read: {reason}",
        hint="delete Skykite's cache, which `kite doctor` names, and build again; the disk may be full or broken",
    )
