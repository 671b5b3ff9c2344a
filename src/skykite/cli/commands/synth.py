"""`kite synth`: the cloud assembly, without deploying it. Its path goes to stdout."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from skykite.cli.settings import Settings, pass_settings

if TYPE_CHECKING:
    from skykite.cli.workspace import Workspace
    from skykite.errors import SkykiteError
    from skykite.model.manifest import Mode
    from skykite.ports import EventSink


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["deploy", "local"]),
    default="deploy",
    show_default=True,
    help="`local` writes the templates `kite dev --local` deploys.",
)
@pass_settings
def command(settings: Settings, mode: Mode) -> None:
    """Run the app's stacks and write their CloudFormation templates; print the folder they are in.

    The templates are checked too. `cdk` can read the folder: cdk diff --app "$(kite synth)"
    """
    from skykite.cli.clock import SystemClock
    from skykite.cli.console import open_console
    from skykite.cli.project import prepare_state
    from skykite.cli.workspace import open_workspace
    from skykite.dev.lock import hold_stage

    workspace = open_workspace(settings, local=True)
    prepare_state(workspace.project)
    clock = SystemClock()
    with (
        open_console(settings) as (events, _),
        hold_stage(workspace.state, workspace.stage, now=clock.now()),  # a running session has its assembly there
    ):
        findings = asyncio.run(_synthesize(workspace, mode, events))
    if settings.output != "json":
        click.echo(workspace.assembly)
    if findings:
        raise ExceptionGroup("the templates have mistakes", findings)


async def _synthesize(workspace: Workspace, mode: Mode, events: EventSink) -> tuple[SkykiteError, ...]:
    from skykite.cli.clock import SystemClock
    from skykite.model.events import SynthFinished
    from skykite.model.synthesis import Synthesis
    from skykite.synth import synthesize, validate

    project = workspace.project
    synthesis = Synthesis(
        app=project.name,
        stage=workspace.stage,
        region=project.region,
        mode=mode,
        project_root=str(project.root),
        main=str(project.main),
        outdir=str(workspace.assembly),
        live_credentials=project.live_credentials,
    )
    result = await synthesize(
        synthesis, environment=workspace.environment.variables, events=events, clock=SystemClock()
    )
    templates = {stack.name: stack.template for stack in result.manifest.stacks}
    events.emit(SynthFinished(assembly=str(result.assembly), templates=templates))
    return await validate(result.assembly, project_root=project.root)
