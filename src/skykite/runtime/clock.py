"""How long an invocation may still run, with time standing still while a debugger holds it. Pure: times are given."""

from __future__ import annotations


class Allowance:
    """Seconds that are used up from the moment of creation on, except while suspended."""

    def __init__(self, seconds: float, now: float) -> None:
        self._ends = now + seconds
        self._suspended_at: float | None = None

    def suspend(self, now: float) -> None:
        if self._suspended_at is None:
            self._suspended_at = now

    def resume(self, now: float) -> None:
        if self._suspended_at is not None:
            self._ends += now - self._suspended_at
            self._suspended_at = None

    def ends(self) -> float | None:
        """When it will be used up; None while it stands still."""
        return self._ends if self._suspended_at is None else None

    def used_up(self, now: float) -> bool:
        return self._suspended_at is None and now >= self._ends
