"""Which functions a user means by a name. Pure: a name and what there is, functions or a complaint out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from skykite.errors import SkykiteError
from skykite.model.manifest import FunctionEntry
from skykite.model.names import AppName


def is_called(name: str, *, path: str, handler: str | None) -> bool:
    """Whether a name may mean the function: its construct path, the end of one, or its handler."""
    return name in (path, handler) or path.endswith(f"/{name}")


def unknown_function(wanted: str, functions: Sequence[FunctionEntry], *, app: AppName) -> SkykiteError:
    """What to say when none of an app's functions is called that."""
    if not functions:
        return SkykiteError("function-unknown", f"there is no function `{wanted}`: `{app}` has none at all")
    names = {
        name.lower(): name if name == entry.handler else entry.id
        for entry in functions
        for name in (entry.id, entry.id.rpartition("/")[2], entry.handler)
        if name
    }
    near = [names[name] for name in difflib.get_close_matches(wanted.lower(), names, n=1, cutoff=0.5)]
    return SkykiteError(
        "function-unknown",
        f"there is no function `{wanted}`; `{app}` has {listed(functions)}",
        hint=f"did you mean `{near[0]}`?" if near else "name it by its construct path or its handler",
    )


def listed(functions: Sequence[FunctionEntry]) -> str:
    """The first ten of them, with their handlers."""
    shown = [f"`{entry.id}`" + (f" ({entry.handler})" if entry.handler else "") for entry in functions[:10]]
    if len(functions) > len(shown):
        shown.append(f"{len(functions) - len(shown)} more")
    return ", ".join(shown)
