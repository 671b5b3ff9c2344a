"""`build.json`: what `kite build` says about the folder it made, and `kite deploy --from` holds the folder to.

Pure: bytes in, data out. The same project gives the same bytes, so it holds no times and no machine's names. Paths are
relative POSIX paths inside the folder; whoever reads them may be sure that none leads out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from skykite.errors import SkykiteError
from skykite.model.names import AppName, StageName, parse_app_name, parse_stage

BUILD_FILE: Final = "build.json"
BUILD_FORMAT: Final = 1
BUILT_ASSEMBLY: Final = "assembly"
"""The folder inside a build that holds the cloud assembly, with every file its assets name."""

_DRIVE: Final = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFile:
    """One file of a build as it was made."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What the project's git repository had checked out. `modified` says that files differed from it."""

    id: str
    modified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """The build of one stage. `account` is set if its stacks name one: then it goes to no other."""

    format: int
    skykite: str
    app: AppName
    stage: StageName
    region: str
    account: str | None = None
    commit: Commit | None = None
    files: dict[str, BuiltFile] = field(default_factory=dict)


class _Head(msgspec.Struct):
    format: int
    skykite: str


def encode_build(record: BuildRecord) -> bytes:
    """Stable, readable JSON."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"


def decode_build(data: bytes, *, source: str) -> BuildRecord:
    """Parse what `encode_build` wrote. Raises `build-version` and `build-invalid`; `source` is the file's name."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != BUILD_FORMAT:
            raise SkykiteError(
                "build-version",
                f"`{source}` has format {head.format}, made by Skykite {head.skykite}; "
                f"this Skykite reads format {BUILD_FORMAT}",
                hint=f"deploy it with the Skykite that made it: pip install skykite=={head.skykite}",
            )
        record = msgspec.json.decode(data, type=BuildRecord)
    except msgspec.MsgspecError as error:
        raise SkykiteError(
            "build-invalid",
            f"`{source}` is not what `kite build` writes: {error}",
            hint="give --from a folder that `kite build` made",
        ) from error
    parse_app_name(record.app, source=f"`{source}`")
    parse_stage(record.stage, source=f"`{source}`")
    for path in record.files:
        if not stays_inside(path):
            raise SkykiteError(
                "build-invalid",
                f"`{source}` lists `{path}`, which is no path inside the build",
                hint="make it again with `kite build`, and deploy nothing that comes from people you do not trust",
            )
    return record


def stays_inside(path: str) -> bool:
    """Whether a path is relative, written as POSIX does in its shortest form, and leads nowhere else on any system."""
    if not path or "\\" in path or "\0" in path or _DRIVE.match(path):
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))
