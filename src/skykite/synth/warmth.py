"""What a run of the user's program imported, so that the process of the next one can have it imported before it is
needed; and whether that is still what an import would find.

In and out: a folder beside the assembly, with the names of Python modules in one file and those of Node's in another.
I/O: those files; imports; `stat` of what was imported.

Only what no program can tell apart is imported ahead: the standard library, the CDK and other jsii packages, and
ourselves with what we stand on. Never a module of the project's, and no other library of the user's: it may look at
what the program has set before.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

_FILE: Final = "python.json"
_OURS: Final = frozenset({"skykite", "skykite_lambda", "msgspec"})
_JSIIS: Final = frozenset(
    {"attr", "attrs", "cattr", "cattrs", "dateutil", "importlib_resources", "jsii", "publication", "six", "typeguard"}
    | {"typing_extensions"}
)
_TICK: Final = 50_000_000  # nanoseconds: no file system's clock goes in larger steps

_Mark: TypeAlias = tuple[int, int, int]


def learn(folder: Path, root: Path) -> None:
    """Write down what is imported now, for `import_ahead`."""
    import json

    names = [name for name, module in list(sys.modules.items()) if _is_known(name, module, str(root))]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _FILE
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    fresh.write_text(json.dumps(names))
    fresh.replace(target)


def import_ahead(folder: Path, root: Path) -> Imported:
    """Import what the last run did, in its order. What no longer imports is passed over."""
    import json

    began = time.time_ns() - _TICK
    places = _marks(place for place in sys.path if place and not _is_projects(place, str(root)))
    try:
        names = json.loads((folder / _FILE).read_text())
    except (OSError, ValueError):
        names = ["skykite.constructs.app", "skykite.constructs.stack"]
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    return Imported.now(root, places, began)


@dataclass(frozen=True, slots=True)
class Imported:
    """What is imported, as files."""

    root: str
    tops: frozenset[str]
    marks: dict[str, _Mark]
    certain: bool  # nothing was saved while it was read

    @classmethod
    def now(cls, root: Path, places: dict[str, _Mark], began: int) -> Imported:
        """`places` are those that Python looks in, from before it did: whoever installs something changes one."""
        files = _marks(file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None)))
        return cls(
            root=str(root),
            tops=frozenset(name.partition(".")[0] for name in sys.modules),
            marks={**files, **places},
            certain=all(changed < began for _, changed, _ in files.values()),
        )

    def holds(self) -> bool:
        """Whether importing all of it now would give the same."""
        return (
            self.certain
            and all(_mark(path) == mark for path, mark in self.marks.items())
            and not any(self._hidden_by(place) for place in sys.path if not place or _is_projects(place, self.root))
        )

    def _hidden_by(self, place: str) -> bool:
        """Whether the project has a module of such a name where Python looks for it first."""
        folder = place or "."
        try:
            names = [name for name in os.listdir(folder) if name.partition(".")[0] in self.tops]  # noqa: PTH208
        except OSError:
            return False
        return any("." in name or os.path.exists(f"{folder}/{name}/__init__.py") for name in names)  # noqa: PTH110


def _is_known(name: str, module: ModuleType, root: str) -> bool:
    top = name.partition(".")[0]
    file = getattr(module, "__file__", None)
    if getattr(module, "__spec__", None) is None or name == "__main__" or (file and _is_projects(file, root)):
        return False
    if top in sys.stdlib_module_names or top in _OURS or top in _JSIIS:
        return True
    homes = getattr(sys.modules.get(top), "__path__", ())
    return any((Path(home) / "_jsii").is_dir() for home in homes)


def _is_projects(path: str, root: str) -> bool:
    return (path == root or path.startswith(root + os.sep)) and "site-packages" not in Path(path).parts


def _marks(paths: Iterable[str]) -> dict[str, _Mark]:
    return {path: mark for path in paths if (mark := _mark(path)) is not None}


def _mark(path: str) -> _Mark | None:
    """Not the time of the last status change: that moves when another environment shares the file, as uv has it."""
    try:
        status = os.stat(path)  # noqa: PTH116  (hundreds of them)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
