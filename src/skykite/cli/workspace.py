"""What most commands start with: the project, the stage and the environment.

In: the settings. Out: `Workspace`. I/O: reads the project's files, may ask for the stage on a terminal.
"""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from skykite.cli.environment import ProjectEnvironment, load_environment
from skykite.cli.project import find_project
from skykite.cli.settings import Settings
from skykite.cli.stages import resolve_stage
from skykite.model.names import StageName
from skykite.model.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One command's subject. `state` is the stage's own folder under `.kite/`; it may not exist yet."""

    project: Project
    stage: StageName
    environment: ProjectEnvironment

    @property
    def state(self) -> Path:
        return self.project.state / self.stage

    @property
    def assembly(self) -> Path:
        return self.state / "assembly"

    @property
    def outputs(self) -> Path:
        return self.state / "outputs.json"


def open_workspace(settings: Settings, *, local: bool) -> Workspace:
    """`local` says that the command touches nothing outside this machine."""
    project = find_project(Path.cwd(), explicit=settings.project)
    stage = resolve_stage(
        project,
        option=settings.stage,
        environment=os.environ,
        user=_user(),
        local=local,
        ask=_ask_stage if _can_ask(settings) else None,
    )
    return Workspace(project=project, stage=stage, environment=load_environment(project.root, stage, os.environ))


def _can_ask(settings: Settings) -> bool:
    return not settings.yes and settings.output != "json" and sys.stdin.isatty() and sys.stderr.isatty()


def _ask_stage(default: StageName | None, *, complaint: str | None) -> str:
    click.echo(complaint or "A stage is your own copy of the app. This is asked once for this project.", err=True)
    answer: str = click.prompt("Name of your stage", default=default, err=True)
    return answer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""
