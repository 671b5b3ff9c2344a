"""What to say about routes and APIs that run on AWS and are not served on this machine.

In: a manifest. Out: notices. Pure.
"""

from __future__ import annotations

from skykite.model.events import Notice
from skykite.model.manifest import Manifest, UnservedRoute
from skykite.model.names import ConstructPath

_SHOWN = 3  # routes


def unserved_notices(manifest: Manifest) -> tuple[Notice, ...]:
    """One for all routes of an API that are left out for the same reason, and one for each API that is."""
    routes: dict[tuple[ConstructPath, str], list[UnservedRoute]] = {}
    for api in manifest.http_apis:
        for route in api.unserved:
            routes.setdefault((api.path, route.reason), []).append(route)
    return (
        *(
            Notice(
                notice="route-unserved",
                message=f"{_keys(found)} of `{path}` {'is' if len(found) == 1 else 'are'} answered with 501 on this "
                f"machine: {reason}",
                hint="it runs as it should once deployed: `kite deploy`",
            )
            for (path, reason), found in routes.items()
        ),
        *(
            Notice(
                notice="api-unserved",
                message=f"`{api.path}` is not served on this machine: {api.reason}",
                hint="`kite dev --local` serves HTTP APIs; it runs as it should once deployed: `kite deploy`",
            )
            for api in manifest.unserved_apis
        ),
    )


def _keys(routes: list[UnservedRoute]) -> str:
    quoted = [f"`{route.key}`" for route in routes[:_SHOWN]]
    if len(routes) > _SHOWN:
        quoted.append(f"{len(routes) - _SHOWN} more")
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
