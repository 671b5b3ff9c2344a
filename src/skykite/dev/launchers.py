"""What starts workers that are no Python, for one dev session.

In: how sources are built, and where debuggers are to attach. Out: a `Launcher` per kind of function. No I/O.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

from skykite.model.invocation import FunctionKind
from skykite.model.locations import cache_directory
from skykite.ports import Clock, EventSink, SourceBuilds
from skykite.runtime import ExecutableLauncher, Inspector, Launcher, NodeChoice, NodeStarter
from skykite.synth.node import find_node


def make_launchers(
    builds: Mapping[FunctionKind, SourceBuilds],
    *,
    inspect: int | None,
    editor: Mapping[str, str],
    clock: Clock,
    events: EventSink,
    host: Mapping[str, str] = os.environ,
) -> dict[FunctionKind, Launcher]:
    """One for each kind that there are `builds` of. `inspect` is the port for debuggers of Node, None for none;
    `editor` is what an editor that debugs every Node process has set for them."""
    launchers: dict[FunctionKind, Launcher] = {}
    own_node = partial(find_node, host)
    if "node" in builds:
        inspector = None if inspect is None else Inspector(inspect, find_node=own_node, clock=clock, events=events)
        launchers["node"] = NodeStarter(
            NodeChoice(own_node, host=host, events=events),
            builds["node"],
            cache=cache_directory(host) / "node-compiled",
            editor=editor,
            inspector=inspector,
        )
    if "executable" in builds:
        launchers["executable"] = ExecutableLauncher(builds["executable"])
    return launchers
