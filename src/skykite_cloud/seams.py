"""Change a module of MiniStack as soon as it is imported, and not before.

MiniStack imports a service on its first use, which is most of why it starts fast. Importing services to replace parts
of them would undo that, so the replacement waits for the import.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Change = Callable[[Any], None]  # given the module, whose attributes only MiniStack knows


def when_imported(name: str, change: Change) -> None:
    """Call `change` with the module of this name: now if it is there, else right after its import."""
    module = sys.modules.get(name)
    if module is not None:
        change(module)
        return
    _finder().changes.setdefault(name, []).append(change)


def imported(name: str) -> ModuleType | None:
    """The module of this name if it is imported, and its import is over."""
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, "_initializing", False):
        return None
    return module


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self.changes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self.changes.pop(name))
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any, changes: list[Change]) -> None:
        self._loader = loader
        self._changes = changes

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for change in self._changes:
            change(module)


def _finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    made = _Finder()
    sys.meta_path.insert(0, made)
    return made
