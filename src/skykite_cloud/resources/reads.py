"""Which properties a handler looked at: dictionaries and lists that remember what was taken out of them.

A handler is given `Recorded.properties` in place of the resolved properties. It reads them, copies them, hands them to
a service or keeps them, as it would plain ones; `unread` then says what of them went nowhere. Paths leave list
positions out: what is read of one element counts for all. A part that is kept somewhere, copied deeply or turned into
text counts as read whole, since what happens to it there is not seen. Nothing here performs I/O.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Any, SupportsIndex

Path = tuple[str, ...]
Tree = Mapping[str, Any]


class Recorded:
    """The properties of one resource while it is made."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self.read: set[Path] = set()
        self.whole: set[Path] = set()
        self.asked: set[Path] = set()  # whether it is there at all
        self._nodes: list[RecordedDict | RecordedList] = []
        self.properties: dict[str, Any] = self._record(properties, ())

    def unread(self, tree: Tree) -> Iterator[tuple[Path, Any]]:
        """Paths that `tree` names and nobody read, each with its value, the topmost only. Once, when all is done."""
        kept_by_nobody = next(count for _, count in Recorded({"part": {}})._counted())
        for node, count in self._counted():
            if count > kept_by_nobody:
                self.whole.add(node.path)
        return self._unread(tree, self.properties, ())

    def untouched(self, name: str) -> bool:
        """Whether nobody even asked if the property of this name is there."""
        return (name,) not in self.read | self.asked and () not in self.whole

    def _counted(self) -> Iterator[tuple[RecordedDict | RecordedList, int]]:
        """Every part below the top with how often it is referred to."""
        for node in self._nodes[1:]:
            yield node, sys.getrefcount(node)

    def _unread(self, tree: Tree, value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        if path in self.whole:
            return
        if isinstance(value, RecordedList):
            for item in list.__iter__(value):
                yield from self._unread(tree, item, path)
        elif isinstance(value, RecordedDict):
            for name, below in dict.items(value):
                if name not in tree:
                    continue
                if (*path, name) not in self.read:
                    yield (*path, name), plain(below)
                elif tree[name] is not None:
                    yield from self._unread(tree[name], below, (*path, name))

    def _record(self, value: Any, path: Path) -> Any:
        made: RecordedDict | RecordedList
        if isinstance(value, dict):
            made = RecordedDict(self, path)
            self._nodes.append(made)
            for name, below in value.items():
                dict.__setitem__(made, name, self._record(below, (*path, str(name))))
            return made
        if isinstance(value, list):
            made = RecordedList(self, path)
            self._nodes.append(made)
            for item in value:
                list.append(made, self._record(item, path))
            return made
        return value


class RecordedDict(dict[str, Any]):
    """Remembers which of its keys were read."""

    __slots__ = ("_recorded", "path")

    def __init__(self, recorded: Recorded, path: Path) -> None:
        super().__init__()
        self._recorded = recorded
        self.path = path

    def _mark(self, name: object) -> None:
        self._recorded.read.add((*self.path, str(name)))

    def __getitem__(self, name: str) -> Any:
        self._mark(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._recorded.asked.add((*self.path, str(name)))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._mark(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self._mark(name)
        return super().pop(name, *default)

    def __iter__(self) -> Iterator[str]:
        # Overridden so that dict(x) and {**x} come by __getitem__ and not by a short cut.
        return super().__iter__()

    def items(self) -> Any:
        self._mark_all()
        return super().items()

    def values(self) -> Any:
        self._mark_all()
        return super().values()

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        self._recorded.whole.add(self.path)
        return {name: copy.deepcopy(value, memo) for name, value in super().items()}

    def __repr__(self) -> str:
        self._recorded.whole.add(self.path)
        return repr(plain(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return plain, (plain(self),)

    def _mark_all(self) -> None:
        self._recorded.read.update((*self.path, name) for name in dict.__iter__(self))


class RecordedList(list[Any]):
    """Part of the path of what is in it."""

    __slots__ = ("_recorded", "path")

    def __init__(self, recorded: Recorded, path: Path) -> None:
        super().__init__()
        self._recorded = recorded
        self.path = path

    def copy(self) -> list[Any]:
        return list(self)

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        self._recorded.whole.add(self.path)
        return [copy.deepcopy(value, memo) for value in self]

    def __repr__(self) -> str:
        self._recorded.whole.add(self.path)
        return repr(plain(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return plain, (plain(self),)


def plain(value: Any) -> Any:
    """The same, in dictionaries and lists that remember nothing."""
    if isinstance(value, dict):
        return {name: plain(below) for name, below in dict.items(value)}
    if isinstance(value, list):
        return [plain(item) for item in list.__iter__(value)]
    return value
