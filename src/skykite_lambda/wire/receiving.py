"""A message of which some segments are here. No I/O."""

from __future__ import annotations

from typing import Dict, Optional

from .items import Segment


class Partial:
    """Put together from segments in any order. What contradicts the first of them is not taken."""

    __slots__ = ("_flags", "_parts", "_pieces", "here", "size")

    def __init__(self, first: Segment) -> None:
        self._parts = first.parts
        self._flags = first.flags
        self.size = first.size
        self._pieces: Dict[int, bytes] = {}
        self.here = 0  # bitmap

    def agrees(self, segment: Segment) -> bool:
        """Says the same of the message as the first segment did, and leaves room for the others."""
        if (segment.parts, segment.flags, segment.size) != (self._parts, self._flags, self.size):
            return False
        held = sum(map(len, self._pieces.values())) - len(self._pieces.get(segment.part, b""))
        return held + len(segment.data) <= self.size

    def add(self, segment: Segment) -> None:
        if not self.here >> segment.part & 1:
            self._pieces[segment.part] = segment.data
            self.here |= 1 << segment.part

    def whole(self) -> Optional[bytes]:
        """The message, once all is here. Empty if its parts are not as long as was said."""
        if len(self._pieces) < self._parts:
            return None
        data = b"".join(self._pieces[part] for part in range(self._parts))
        return data if len(data) == self.size else b""
