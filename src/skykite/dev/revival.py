"""Whether an embedded cloud that died is started again.

In: how long each one lived. Out: yes, or no. Pure. Whatever killed one may kill it again at once, but not for ever: one
that does not come to life would be started without end.
"""

from __future__ import annotations

from typing import Final

_SOON_S: Final = 10.0
_IN_A_ROW: Final = 3


class Revival:
    """The deaths of one session's embedded cloud."""

    def __init__(self) -> None:
        self._soon = 0

    def after(self, lived_s: float) -> bool:
        """Whether to start it again, now that it died after so many seconds: not if that happened soon after the start
        for the third time in a row."""
        self._soon = self._soon + 1 if lived_s < _SOON_S else 0
        return self._soon < _IN_A_ROW
