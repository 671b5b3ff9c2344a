"""Which function a user means. Pure: a manifest and what was typed in, a function out."""

from __future__ import annotations

from skykite.errors import SkykiteError
from skykite.model.function_names import listed, unknown_function
from skykite.model.manifest import FunctionEntry, Manifest


def find_function(manifest: Manifest, wanted: str) -> FunctionEntry:
    """By construct path, by the end of one, or by handler. Raises `function-unknown` or `function-ambiguous`."""
    for matches in (
        [entry for entry in manifest.functions if entry.id == wanted],
        [entry for entry in manifest.functions if entry.handler == wanted],
        [entry for entry in manifest.functions if entry.id.endswith(f"/{wanted}")],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise SkykiteError(
                "function-ambiguous",
                f"`{wanted}` may be {listed(matches)}",
                hint="name it by its whole construct path",
            )
    raise unknown_function(wanted, manifest.functions, app=manifest.app)
