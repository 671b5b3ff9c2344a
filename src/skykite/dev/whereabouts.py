"""Where functions run, told when it is not all of them that run on the developer's machine.

In: the manifest of what is being developed. Out: a notice, or none. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from skykite.model.events import Notice
from skykite.model.manifest import Manifest

_SHOWN: Final = 5  # names; of more, as many as leave something to say of the rest


def whereabouts(manifest: Manifest) -> tuple[Notice, ...]:
    """Of the functions that could run here: those that plain CDK made never do, and images are told of elsewhere."""
    ours = [entry for entry in manifest.functions if entry.handler is not None and entry.kind != "image"]
    here = [entry.id for entry in ours if entry.live]
    deployed = [entry.id for entry in ours if not entry.live]
    if not deployed:
        return ()
    if not here:
        message = "no function runs on this machine: all run as deployed"
    elif len(here) <= len(deployed):
        message = f"{_listed(here)} {_run(here)} on this machine, {_others(deployed)} as deployed"
    else:
        message = f"{_listed(deployed)} {_run(deployed)} as deployed, {_others(here)} on this machine"
    return (Notice(notice="functions-deployed", message=message),)


def _listed(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in (names if len(names) <= _SHOWN else names[: _SHOWN - 1])]
    if len(shown) < len(names):
        shown.append(f"{len(names) - len(shown)} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _run(names: Sequence[str]) -> str:
    return "runs" if len(names) == 1 else "run"


def _others(names: Sequence[str]) -> str:
    return f"`{names[0]}`" if len(names) == 1 else f"the other {len(names)} functions"
