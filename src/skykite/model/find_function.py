"""Which function a user means. Pure: a manifest and what was typed in, a function out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from skykite.errors import SkykiteError
from skykite.model.manifest import FunctionEntry, Manifest


def find_function(manifest: Manifest, wanted: str) -> FunctionEntry:
    """By construct path or handler, or by the end of one. Raises `function-unknown` or `function-ambiguous`."""
    for matches in (
        [entry for entry in manifest.functions if entry.id == wanted],
        [entry for entry in manifest.functions if entry.handler == wanted],
        [entry for entry in manifest.functions if entry.id.endswith(f"/{wanted}")],
        [entry for entry in manifest.functions if entry.handler and entry.handler.endswith(f"/{wanted}")],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise SkykiteError(
                "function-ambiguous",
                f"`{wanted}` may be {_listed(matches)}",
                hint="name it by its whole construct path",
            )
    if not manifest.functions:
        raise SkykiteError("function-unknown", f"there is no function `{wanted}`: `{manifest.app}` has none at all")
    names = {
        name.lower(): name if name == entry.handler else entry.id
        for entry in manifest.functions
        for name in (entry.id, entry.id.rpartition("/")[2], entry.handler)
        if name
    }
    near = [names[name] for name in difflib.get_close_matches(wanted.lower(), names, n=1, cutoff=0.5)]
    raise SkykiteError(
        "function-unknown",
        f"there is no function `{wanted}`; `{manifest.app}` has {_listed(manifest.functions)}",
        hint=_hint(wanted, near),
    )


def may_mean(wanted: str, path: str, handler: str | None) -> bool:
    """Whether `find_function` may find a function of that construct path and handler by what was typed in."""
    return any(name == wanted or name.endswith(f"/{wanted}") for name in (path, handler) if name)


def _hint(wanted: str, near: Sequence[str]) -> str:
    if any(sign in wanted for sign in "*?["):
        return "patterns are not taken: name each function by its construct path or its handler"
    return f"did you mean `{near[0]}`?" if near else "name it by its construct path or its handler"


def _listed(entries: Sequence[FunctionEntry]) -> str:
    shown = [f"`{entry.id}`" + (f" ({entry.handler})" if entry.handler else "") for entry in entries[:10]]
    if len(entries) > len(shown):
        shown.append(f"{len(entries) - len(shown)} more")
    return ", ".join(shown)
