"""Builds of Node functions that came to nothing, and whether another would: until then esbuild need not run again.

In: what esbuild said, and the source as it was afterwards. Out: the error, as long as nothing has changed that could
mend it. I/O: reads the source, asks for stats.

What esbuild has read when it fails, it does not say. So the source is read as for the name of a zip: every place where
an import could be found counts, there or not. Where something else has a say in it, no failure is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.bundle.esbuild import SourceError
from skykite.bundle.node_packages import is_installed
from skykite.model.built import BuildError, BuildInputs, FileStat
from skykite.model.disk import Disk
from skykite.model.node_settings import SETTINGS
from skykite.model.node_source import NodeSource
from skykite_lambda.tracking import stat_of

_MODULES: Final = "node_modules"
_OF_THE_MACHINE: Final = re.compile(r"^(?:Could not read|Cannot read|Failed to )")
_UNRESOLVED: Final = re.compile(r"Could not resolve (?P<name>.*)")
_PACKAGE: Final = re.compile(r'"(?P<name>(?:@[\w.~-]+/)?[\w~-][\w.~-]*)(?:/[^"]*)?"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`wanted` is what was to be built, `tool` esbuild's program, `disk` the source as it was read."""

    wanted: object
    error: BuildError
    tool: tuple[Path, FileStat | None]
    disk: Disk

    def lasts(self, wanted: object, is_fresh: Callable[[BuildInputs], bool]) -> bool:
        """Whether the same would come to nothing in the same way."""
        program, stat = self.tool
        return (
            self.wanted == wanted
            and is_fresh(self.error.inputs)
            and self.disk.is_as_it_was()
            and stat_of(str(program)) == stat
        )


def is_settled(
    error: SourceError, source: NodeSource, disk: Disk, entry: Path, import_root: Path, *, before_ns: int
) -> bool:
    """Whether `source`, which `disk` has read after the build, holds all that could mend it, as the build found it:
    nothing has changed since `before_ns`."""
    if source.everything or source.configured or not disk.is_as_it_was() or disk.newest() > before_ns:
        return False
    if any((folder / name).is_file() for folder in import_root.parents for name in SETTINGS):
        return False  # esbuild finds them; what they go on in is not looked at
    if not error.files or any(_MODULES in file.parts for file in error.files):
        return False  # nothing of the user's
    if any(_OF_THE_MACHINE.search(one) for one in error.said):
        return False
    missing = [found["name"] for one in error.said if (found := _UNRESOLVED.match(one))]
    return not any(_may_be_elsewhere(name, entry.parent) for name in missing if not name.startswith('".'))


def _may_be_elsewhere(quoted: str, folder: Path) -> bool:
    """Of a package it is known whether it is there, not what is in it."""
    found = _PACKAGE.fullmatch(quoted)
    return found is None or is_installed(found["name"], folder)
