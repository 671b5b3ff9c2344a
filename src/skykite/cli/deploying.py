"""`kite deploy`: what the project's stacks say, brought to a cloud.

In: settings. Out: what is deployed, its outputs on stdout and under `.kite/`. I/O: runs the stacks, makes bundles, and
what `deploy` does. A build that was made elsewhere is `cli.shipping`'s; from `ship` on it goes the same way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from skykite.cli.compose import CLOCK, aws_session, live_remains, make_bundler, session_at
from skykite.cli.console import open_console
from skykite.cli.loop import run_loop
from skykite.cli.project import prepare_state
from skykite.cli.settings import Settings
from skykite.cli.workspace import Workspace, open_workspace
from skykite.model.events import ErrorRaised, Notice
from skykite.model.project import Project
from skykite.model.synthesis import Synthesis
from skykite.ports import Asker, Bundles, EventSink

if TYPE_CHECKING:
    from skykite.aws import AwsSession
    from skykite.live.cleanup import LiveRemains
    from skykite.live.lease import LeaseDocument
    from skykite.model.manifest import Manifest

Deploying = Callable[["AwsSession", EventSink], Awaitable["Manifest"]]


def run_deploy(settings: Settings, *, local: bool) -> None:
    """Synth, bundles, change sets; outputs on stdout."""
    from skykite.dev.lock import hold_stage

    workspace = open_workspace(settings, local=local)
    state = prepare_state(workspace.project)
    with (
        open_console(settings) as (events, asker),
        hold_stage(workspace.state, workspace.stage, now=CLOCK.now()),
    ):

        async def deploy(session: AwsSession, events: EventSink) -> Manifest:
            return await _deploy(workspace, session, events, asker)

        async def run(_: asyncio.Event) -> None:
            if local:
                await deploy_locally(workspace.project, state, events, deploy)
            else:
                await deploy(aws_session(workspace), events)

        run_loop(run)


async def deploy_locally(project: Project, state: Path, events: EventSink, deploy: Deploying) -> None:
    """To the embedded cloud that is kept for `project`. `state` is where outputs go."""
    from skykite.cli import kept_cloud
    from skykite.deploy import StageFiles
    from skykite.dev.interpreter import kept_version_notices

    kept = kept_cloud.required(project)
    outputs = kept_cloud.LocalOutputs(events)
    manifest = await deploy(session_at(kept.address()), outputs)
    for notice in kept_version_notices(entry.runtime for entry in manifest.functions):
        events.emit(notice)
    await outputs.show(kept, StageFiles(state, manifest.stage))


async def ship(
    manifest: Manifest,
    assembly: Path,
    *,
    session: AwsSession,
    remains: LiveRemains,
    holder: LeaseDocument | None,
    root: Path,
    state: Path,
    bundles: Bundles | None,
    findings: bool,
    events: EventSink,
    asker: Asker,
) -> None:
    """An assembly to the cloud. `holder` is who uses the stage for Live, `root` where the files lie that are told of;
    with `findings`, the templates are judged beside it."""
    from skykite.deploy import Deployer, image_publisher, require_secrets

    if (notice := await require_secrets(session, manifest)) is not None:
        events.emit(notice)
    await remains.agree_to_end(holder, asker, doing="deploying")
    deployer = Deployer(
        session=session,
        events=events,
        clock=CLOCK,
        asker=asker,
        project_root=root,
        state=state,
        images=image_publisher(session, os.environ, events),
    )
    async with asyncio.TaskGroup() as tasks:
        if findings:
            tasks.create_task(_report_findings(assembly, root, events))
        deploying = tasks.create_task(deployer.deploy(manifest, assembly, bundles=bundles))
    await remains.clear(expected=deploying.result().was_live)
    # The session was ended now and not before. What was saved there while we deployed may have brought stubs back.
    if holder is not None and await deployer.is_live(manifest.app, manifest.stage):
        events.emit(
            Notice(
                notice="live-came-back",
                message=f"{holder.holder}, deployed its stubs meanwhile: the code is deployed once more",
            )
        )
        await deployer.deploy(manifest, assembly, bundles=bundles)


def deploy_synthesis(workspace: Workspace) -> Synthesis:
    """A run of the stacks for what is deployed with its real code."""
    project = workspace.project
    return Synthesis(
        app=project.name,
        stage=workspace.stage,
        region=project.region,
        mode="deploy",
        project_root=str(project.root),
        main=str(project.main),
        outdir=str(workspace.assembly),
        live_credentials=project.live_credentials,
    )


async def _deploy(workspace: Workspace, session: AwsSession, events: EventSink, asker: Asker) -> Manifest:
    """What is deployed now."""
    from skykite.synth import synthesize

    project = workspace.project
    remains = live_remains(project.name, workspace.stage, session, events, command="kite deploy")
    async with asyncio.TaskGroup() as tasks:
        holder = tasks.create_task(remains.holder())
        result = await synthesize(
            deploy_synthesis(workspace), environment=workspace.environment.variables, events=events, clock=CLOCK
        )
    await ship(
        result.manifest,
        result.assembly,
        session=session,
        remains=remains,
        holder=holder.result(),
        root=project.root,
        state=project.state,
        bundles=make_bundler(workspace, events),
        findings=True,
        events=events,
        asker=asker,
    )
    return result.manifest


async def _report_findings(assembly: Path, root: Path, events: EventSink) -> None:
    """What AWS's own rules say against the templates, beside the deploy that will run into it."""
    from skykite.synth import validate

    for finding in await validate(assembly, project_root=root):
        events.emit(ErrorRaised.of(finding))
