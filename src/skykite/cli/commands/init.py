"""`kite init`: a project from a template.

In: a folder's name. Out: the project's files. I/O: writes them; never over anything that is there.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from skykite.cli.scaffold import TEMPLATES, plan_project, write_project
from skykite.cli.settings import Settings, pass_settings


@click.command()
@click.argument("directory", metavar="NAME")
@click.option(
    "--template", type=click.Choice(TEMPLATES), default=TEMPLATES[0], show_default=True, help="What it holds."
)
@pass_settings
def command(settings: Settings, directory: str, template: str) -> None:
    """Make a project in the folder NAME (`.` for this one) that runs at once.

    `hello` is one function behind an HTTP API, `api` a Notes API with a table and tests,
    `typescript` a function in TypeScript.
    """
    plan = plan_project(settings.project or Path.cwd(), directory, template=template, environment=os.environ)
    write_project(plan)
    made = f"made `{plan.name}` with {len(plan.files)} files"
    if settings.output == "json":
        from skykite.cli.console import open_console
        from skykite.model.events import Notice

        with open_console(settings) as (events, _):
            events.emit(Notice(notice="project-created", message=made, hint="\n".join(plan.next_steps)))
        return
    click.echo(f"{made}\n\nNow run\n", err=True)
    for step in plan.next_steps:
        click.secho(f"  {step}", fg="cyan", err=True)
