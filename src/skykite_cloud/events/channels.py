"""Channel paths, and who listens to which. Pure.

A path has one to five segments of up to 50 letters, digits and dashes, a dash at no end. Whoever subscribes may end it
in `*`, and then hears every channel that begins so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Generic, TypeVar

Path = tuple[str, ...]
Listener = TypeVar("Listener")

_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?")
_MOST_SEGMENTS = 5
_WILDCARD = "*"


def is_segment(text: str) -> bool:
    """Whether this may be a part of a path, or the name of a namespace."""
    return _SEGMENT.fullmatch(text) is not None


def parse_channel(text: object, *, wildcard: bool) -> Path | None:
    """The segments, `None` if this is no channel. Slashes at the ends are optional."""
    return _parse(text, wildcard) if isinstance(text, str) else None


@lru_cache(maxsize=4096)
def _parse(text: str, wildcard: bool) -> Path | None:
    path = tuple(text.removeprefix("/").removesuffix("/").split("/"))
    named = path[:-1] if wildcard and len(path) > 1 and path[-1] == _WILDCARD else path
    if len(path) > _MOST_SEGMENTS or not all(is_segment(segment) for segment in named):
        return None
    return path


class Subscriptions(Generic[Listener]):
    """Listeners by channel. What a publish costs depends on how many hear it, not on how many are connected."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, Path], dict[Listener, None]] = {}

    def add(self, api: str, path: Path, listener: Listener) -> None:
        self._by_path.setdefault((api, path), {})[listener] = None

    def remove(self, api: str, path: Path, listener: Listener) -> None:
        listeners = self._by_path[api, path]
        del listeners[listener]
        if not listeners:
            del self._by_path[api, path]

    def of(self, api: str, path: Path) -> Iterator[Listener]:
        """Who hears what is published here, each subscription once, the exact ones first."""
        yield from self._by_path.get((api, path), ())
        for length in range(1, len(path)):
            yield from self._by_path.get((api, (*path[:length], _WILDCARD)), ())

    def __len__(self) -> int:
        return sum(len(listeners) for listeners in self._by_path.values())
