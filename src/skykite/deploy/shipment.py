"""A build that came from elsewhere: read, and held to what `build.json` says, before anything is done with it.

In: the folder that `kite build` made. Out: its manifest and where its assembly is, or a SkykiteError. I/O: reads every
file of the build once. Nothing of the project it was made from is needed, and nothing outside of the folder is read:
links are refused, and so are paths that lead out.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.build import BUILD_FILE, BUILT_ASSEMBLY, BuildRecord, decode_build
from skykite.model.manifest import MANIFEST_FILE, Manifest, decode_manifest

_LARGEST_RECORD: Final = 64 * 1024 * 1024
_LISTED: Final = 5
_AGAIN: Final = "copy the folder again, or make it again with `kite build`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A build whose files are all there and as they were. `digest` is that of its `build.json`."""

    record: BuildRecord
    manifest: Manifest
    assembly: Path
    digest: str


def read_shipment(folder: Path) -> Shipment:
    """Raises `build-missing`, `build-invalid`, `build-version`, `build-link`, `build-incomplete`, `build-changed`."""
    shown = str(folder)
    if not folder.is_dir():
        raise SkykiteError(
            "build-missing",
            f"there is no folder `{shown}`" if not folder.exists() else f"`{shown}` is not a folder",
            hint="give --from the folder that `kite build` made",
        )
    root = folder.resolve()
    data = _read_record(root, shown)
    record = decode_build(data, source=f"{shown}/{BUILD_FILE}")
    _check_files(root, record, shown)
    manifest = _manifest(root, record, shown)
    return Shipment(
        record=record,
        manifest=manifest,
        assembly=root / BUILT_ASSEMBLY,
        digest=hashlib.sha256(data).hexdigest(),
    )


def _read_record(root: Path, shown: str) -> bytes:
    try:
        status = _regular(root, BUILD_FILE, shown)
    except FileNotFoundError as error:
        raise SkykiteError(
            "build-invalid",
            f"`{shown}` has no {BUILD_FILE}, so it is not a build",
            hint="give --from the folder that `kite build` made",
        ) from error
    if status.st_size > _LARGEST_RECORD:
        raise SkykiteError("build-invalid", f"`{shown}/{BUILD_FILE}` has {status.st_size} bytes, which no build needs")
    return (root / BUILD_FILE).read_bytes()


def _check_files(root: Path, record: BuildRecord, shown: str) -> None:
    missing, changed = [], []
    for path, built in record.files.items():
        try:
            status = _regular(root, path, shown)
        except (FileNotFoundError, NotADirectoryError):
            missing.append(path)
            continue
        if status.st_size != built.size or _hash(root / path) != built.sha256:
            changed.append(path)
    if missing:
        raise SkykiteError(
            "build-incomplete",
            f"the build `{shown}` lacks files that it was made with",
            context=_list(missing),
            hint=_AGAIN,
        )
    if changed:
        raise SkykiteError(
            "build-changed",
            f"files of the build `{shown}` are not as they were built",
            context=_list(changed),
            hint=_AGAIN,
        )


def _regular(root: Path, path: str, shown: str) -> os.stat_result:
    """The status of a file that is one, below folders that are ones."""
    place = root
    for part in path.split("/"):
        place /= part
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise SkykiteError(
                "build-link",
                f"`{place.relative_to(root).as_posix()}` in the build `{shown}` is a symbolic link; a build holds none",
                hint=_AGAIN,
            )
    if not stat.S_ISREG(status.st_mode):
        raise SkykiteError("build-invalid", f"`{path}` in the build `{shown}` is not a file", hint=_AGAIN)
    return status


def _hash(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SkykiteError(
            "build-unreadable", f"`{file}` cannot be read: {error.strerror}", hint="check its permissions"
        ) from error


def _manifest(root: Path, record: BuildRecord, shown: str) -> Manifest:
    """That of the build, whose every file is one of those that were checked."""
    name = f"{BUILT_ASSEMBLY}/{MANIFEST_FILE}"
    if name not in record.files:
        raise SkykiteError("build-invalid", f"`{shown}/{BUILD_FILE}` does not list `{name}`", hint=_AGAIN)
    try:
        manifest = decode_manifest((root / name).read_bytes(), source=f"{shown}/{name}")
    except SkykiteError as error:
        raise SkykiteError(
            "build-version",
            f"{error.message}; Skykite {record.skykite} made it",
            hint=f"deploy it with the Skykite that made it: pip install skykite=={record.skykite}",
        ) from error
    told = (manifest.app, manifest.stage, manifest.region, manifest.mode)
    if told != (record.app, record.stage, record.region, "deploy"):
        raise SkykiteError(
            "build-invalid",
            f"`{shown}/{BUILD_FILE}` and its manifest do not tell of the same app, stage and region",
            hint=_AGAIN,
        )
    needed = [stack.template for stack in manifest.stacks]
    for stack in manifest.stacks:
        if stack.images:
            raise SkykiteError(
                "build-invalid", f"the build `{shown}` has container images, which no build holds", hint=_AGAIN
            )
        for asset in stack.assets:
            needed.append(asset.source)
            if asset.packaging != "file":
                raise SkykiteError(
                    "build-invalid",
                    f"`{asset.source}` in the build `{shown}` would have to be built first",
                    hint=_AGAIN,
                )
    unlisted = [path for path in needed if f"{BUILT_ASSEMBLY}/{path}" not in record.files]
    if unlisted:
        raise SkykiteError(
            "build-invalid",
            f"the manifest of the build `{shown}` names files that are not of the build",
            context=_list(unlisted),
            hint=_AGAIN,
        )
    return manifest


def _list(paths: list[str]) -> str:
    lines = paths[:_LISTED]
    if len(paths) > _LISTED:
        lines.append(f"and {len(paths) - _LISTED} more")
    return "\n".join(lines)
