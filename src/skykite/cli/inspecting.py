"""`kite bundle inspect`: run the stacks, build one function's bundle, open it.

In: settings and a name. Out: one event. I/O: runs the stacks into a folder of its own, so that it can be asked while
`kite dev` works on the stage; builds what is not built yet.
"""

from __future__ import annotations

from dataclasses import replace

from skykite.cli.compose import CLOCK, make_bundler
from skykite.cli.console import open_console
from skykite.cli.deploying import deploy_synthesis
from skykite.cli.loop import run_loop
from skykite.cli.project import prepare_state
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.ports import EventSink


def run_inspect(settings: Settings, name: str) -> None:
    """Raises what synth and the bundle's build raise, and `function-unknown`."""
    workspace = open_workspace(settings, local=True)
    prepare_state(workspace.project)
    with open_console(settings) as (events, _):
        run_loop(lambda _: _inspect(workspace, name, events))


async def _inspect(workspace: Workspace, name: str, events: EventSink) -> None:
    from skykite.bundle import inspect_bundle
    from skykite.model.find_function import find_function
    from skykite.synth import synthesize

    aside = workspace.state / "inspected" / "assembly"
    result = await synthesize(
        replace(deploy_synthesis(workspace), outdir=str(aside)),
        environment=workspace.environment.variables,
        events=events,
        clock=CLOCK,
    )
    function = find_function(result.manifest, name)
    events.emit(
        await inspect_bundle(
            function,
            result.manifest,
            result.assembly,
            bundler=make_bundler(workspace, events),
            project_root=workspace.project.root,
        )
    )
