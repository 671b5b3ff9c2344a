"""Of several failures that came together, the one to show. Pure."""

from __future__ import annotations

from skykite.errors import SkykiteError


def first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Ours before the rest."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, SkykiteError)), leaves[0])
