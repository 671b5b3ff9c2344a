"""What a dev session can be sure to remember of the invocations it has met.

In: moments, as invocations come and are forgotten. Out: whether one that is not known can be new. No I/O.

A stub hears a session's stamp before it grants it an invocation, so the invocation gets here after the moment of that
stamp. If nothing of that stub's that came since has been forgotten, an invocation that is not known was never here.
"""

from __future__ import annotations

from typing import Dict

from .limits import MOST_PEERS, REMEMBER_PEER


class Memory:
    def __init__(self, began: float) -> None:
        self._began = began
        self._latest = 0
        self._forgotten: Dict[bytes, int] = {}  # stub → what came from it after that moment is still known
        self._forgotten_at_most = 0  # the same, of stubs that are not listed any more

    def __len__(self) -> int:
        return len(self._forgotten)

    def moment(self, now: float) -> int:
        """Microseconds since the session began, and always more than the time before."""
        self._latest = max(self._latest + 1, int((now - self._began) * 1e6))
        return self._latest

    def since(self, moment: int, now: float) -> float:
        """Seconds."""
        return now - self._began - moment / 1e6

    def forget(self, stub: bytes, came: int) -> None:
        """An invocation that came from it at that moment is not known any more."""
        last = self._forgotten.pop(stub, self._forgotten_at_most)
        self._forgotten[stub] = max(came, last)
        old = self._latest - int(REMEMBER_PEER * 1e6)
        while self._forgotten:
            longest_ago = next(iter(self._forgotten))
            if len(self._forgotten) <= MOST_PEERS and self._forgotten[longest_ago] >= old:
                return
            self._forgotten_at_most = max(self._forgotten_at_most, self._forgotten.pop(longest_ago))

    def reach(self, stub: bytes) -> int:
        """All that came from it after this moment is still known."""
        return self._forgotten.get(stub, self._forgotten_at_most)

    def reaches(self, stub: bytes, moment: int) -> bool:
        """All that came from it after that moment is still known."""
        return moment > self.reach(stub)
