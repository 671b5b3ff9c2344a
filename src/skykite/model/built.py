"""What a function's source was made into before it can run: a bundle of TypeScript, a compiled executable. Pure.

Every file and folder that went into it is named with what it was like before it was read, so that whoever runs the
result can tell, with an `os.stat` each, whether it still is what the source says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skykite.errors import SkykiteError

FileStat = tuple[int, int, int, int]
"""Time of modification, of status change (both in ns), size and inode: `skykite_lambda.tracking.stat_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInput:
    """One file by its absolute path, with its stat from before it was read; None if there was none, and its coming
    would matter. A file that had changed so recently that a further change may leave the same stat has a `digest`
    (`skykite_lambda.tracking.digest_of`) of what was read."""

    path: str
    stat: FileStat | None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFolder:
    """One folder whose listing matters: a name that comes or goes makes the build stale. With `stems` only names of
    code with one of these stems do, and folders of these names."""

    path: str
    stat: FileStat | None
    names: tuple[str, ...] | None
    stems: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInputs:
    """Everything that a build has read."""

    files: tuple[BuildInput, ...] = ()
    folders: tuple[BuildFolder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSource:
    """The result: `file` in `folder` is what is run. `folder` stays as it is as long as a worker may read from it.
    `format` is how Node has to load it."""

    folder: Path
    file: str
    inputs: BuildInputs
    format: Literal["module", "commonjs"] = "module"


class BuildError(SkykiteError):
    """The source does not build. It will not, either, while `inputs` stay as they are."""

    def __init__(self, code: str, message: str, *, inputs: BuildInputs, context: str | None, hint: str | None) -> None:
        super().__init__(code, message, context=context, hint=hint)
        self.inputs = inputs
