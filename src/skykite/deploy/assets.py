"""Puts into the bootstrap bucket what a stack's resources are made from: function code, files, folders.

In: the assets the manifest lists. Out: how many were sent. I/O: S3; files of the assembly; a temporary folder for zips.
Names come from content: what is in the bucket under its name is neither built nor sent again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite.model.archive import ArchiveEntry, write_archive
from skykite.model.bootstrap import fill_placeholders
from skykite.model.events import StepProgress
from skykite.model.manifest import AssetEntry, Manifest
from skykite.ports import Bundles, EventSink

_SENT_AT_ONCE: Final = 8
_TYPES: Final = {".json": "application/json", ".zip": "application/zip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose bucket it is: what the placeholders in asset destinations stand for."""

    account: str
    region: str
    partition: str

    def fill(self, text: str) -> str:
        return fill_placeholders(text, account=self.account, region=self.region, partition=self.partition)


class AssetPublisher:
    """Sends assets to S3, several at once."""

    def __init__(self, *, session: AwsSession, events: EventSink, project_root: Path) -> None:
        self._session = session
        self._events = events
        self._project_root = project_root

    async def publish(
        self,
        assets: Iterable[AssetEntry],
        *,
        manifest: Manifest,
        assembly: Path,
        place: Place,
        bundles: Bundles | None,
    ) -> int:
        """Make sure that every asset is in its bucket; nothing is sent before all are built, and Lambda would take the
        functions. Returns how many had to be sent."""
        distinct = {(place.fill(asset.bucket), place.fill(asset.key)): asset for asset in assets}
        there = await asyncio.gather(
            *(self._session.run(self._session.s3.head, bucket, key) for bucket, key in distinct)
        )
        missing = [(*where, distinct[where]) for where, found in zip(distinct, there, strict=True) if found is None]
        places = asyncio.Semaphore(_SENT_AT_ONCE)
        sent = 0

        async def send(bucket: str, key: str, asset: AssetEntry) -> None:
            nonlocal sent
            async with places:
                await self._send(bucket, key, asset, assembly=assembly)
            sent += 1
            self._events.emit(StepProgress(step="bundle", message=f"{sent} of {len(missing)} files sent"))

        # All at once: the builder knows what can be made together.
        unbuilt = [asset for *_, asset in missing if asset.packaging == "bundle"]
        await _all(self._build(asset, assembly / asset.source, bundles) for asset in unbuilt)
        if bundles is not None:
            await bundles.check(manifest, assembly)
        await _all(send(*entry) for entry in missing)
        return sent

    async def _build(self, asset: AssetEntry, place: Path, bundles: Bundles | None) -> None:
        if bundles is None:
            raise SkykiteError(
                "asset-unbuildable",
                f"`{asset.key}` is a function's code, and this deploy was given nothing to build it with",
                blame="skykite",
            )
        await bundles.build(asset, place)

    async def _send(self, bucket: str, key: str, asset: AssetEntry, *, assembly: Path) -> None:
        source = assembly / asset.source
        put = partial(self._session.s3.put_file, bucket, key)
        if not source.exists():
            raise SkykiteError(
                "asset-missing",
                f"the assembly lists `{self._shown(source)}`, which does not exist",
                hint="run `kite synth` to write it again",
            )
        if asset.packaging == "zip" and source.is_dir():
            with tempfile.TemporaryDirectory(prefix="skykite-asset-") as folder:
                zipped = Path(folder) / "asset.zip"
                await self._session.run(_zip_folder, source, zipped)
                await self._session.run(put, zipped, content_type=_TYPES[".zip"])
            return
        content_type = _TYPES.get(source.suffix.lower(), "application/octet-stream")
        await self._session.run(put, source, content_type=content_type)

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._project_root)) if path.is_relative_to(self._project_root) else str(path)


async def _all(tasks: Iterable[Awaitable[None]]) -> None:
    """Run all; if one fails, its error, and none of the others goes on."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(_coroutine(task))
    except* SkykiteError as errors:
        raise _first(errors) from None


async def _coroutine(task: Awaitable[None]) -> None:
    await task


def _first(errors: BaseExceptionGroup[SkykiteError]) -> SkykiteError:
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _zip_folder(folder: Path, destination: Path) -> None:
    with destination.open("wb") as stream:
        write_archive(stream, _entries(folder))


def _entries(folder: Path) -> Iterator[ArchiveEntry]:
    """Every file below a folder, links followed, in the order of their names."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            yield ArchiveEntry(
                path=path.relative_to(folder).as_posix(),
                read=path.read_bytes,
                executable=bool(path.stat().st_mode & 0o100),
            )
