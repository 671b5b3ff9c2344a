"""`kite cloud`: the embedded cloud seen from a shell."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Literal

import click

from skykite.cli.command_group import CommandGroup
from skykite.cli.settings import Settings, pass_settings
from skykite.errors import SkykiteError

Format = Literal["sh", "powershell", "fish", "json"]


@click.group(cls=CommandGroup, short_help="Keep the embedded cloud running, and look at it")
def command() -> None:
    """The embedded cloud of this project: the one behind `kite dev --local`, also by itself."""


@command.command(short_help="Keep it running by itself, with what was deployed to it")
@click.option("--foreground", is_flag=True, help="Stay in this terminal until Ctrl-C, and show what functions do.")
@click.option("--no-iam", is_flag=True, help="Do not enforce permissions: every function may do everything.")
@click.option("--detached", is_flag=True, hidden=True)
@pass_settings
def start(settings: Settings, foreground: bool, no_iam: bool, detached: bool) -> None:
    """Keep the embedded cloud running by itself, with what was deployed to it.

    `kite deploy --local` deploys to it as to AWS: functions run from their deployed code, whatever is saved meanwhile.
    It runs until `kite cloud stop`, also when the terminal is closed. `kite cloud env` points an AWS CLI at it.
    """
    from skykite.cli.keep import run_cloud_start, run_keeper

    if detached:
        run_keeper(settings, iam=not no_iam)
    else:
        run_cloud_start(settings, foreground=foreground, iam=not no_iam)


@command.command(short_help="Stop the one that is kept; its data stays")
@pass_settings
def stop(settings: Settings) -> None:
    """Stop the embedded cloud that `kite cloud start` keeps. Its data stays for the next time."""
    from skykite.cli.keep import run_cloud_stop

    run_cloud_stop(settings)


@command.command(short_help="Say whether one runs, and what is deployed to it")
@pass_settings
def status(settings: Settings) -> None:
    """Say whether an embedded cloud runs for this project, since when, and what is deployed there.

    Exits with 1 if none does.
    """
    from skykite.cli.keep import run_cloud_status

    click.get_current_context().exit(run_cloud_status(settings))


@command.command(short_help="Print the variables that point an AWS CLI or SDK at it")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["sh", "powershell", "fish", "json"]),
    default="powershell" if sys.platform == "win32" else "sh",
    show_default=True,
    help="Whose syntax to print.",
)
@pass_settings
def env(settings: Settings, format_: Format) -> None:
    """Print the variables that point an AWS CLI or SDK at the running embedded cloud.

    Use it as  eval "$(kite cloud env)"
    """
    from pathlib import Path

    from skykite.cli.project import find_project
    from skykite.cloud import cloud_environment, read_address

    project = find_project(Path.cwd(), explicit=settings.project)
    address = read_address(project.state / "local")
    if address is None:
        raise SkykiteError(
            "cloud-not-running",
            f"no embedded cloud runs for `{project.name}`",
            hint="start `kite dev --local` in another terminal, or keep one running with `kite cloud start`",
        )
    variables = cloud_environment(address)
    unset = [name for name, value in variables.items() if not value]
    click.echo(_written({name: value for name, value in variables.items() if value}, unset, format_))


def _written(variables: dict[str, str], unset: list[str], format_: Format) -> str:
    match format_:
        case "json":
            return json.dumps(variables, indent=2)
        case "sh":
            lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
            return "\n".join([*lines, f"unset {' '.join(unset)}"])
        case "fish":
            lines = [f"set -gx {name} {shlex.quote(value)}" for name, value in variables.items()]
            return "\n".join([*lines, *(f"set -e {name}" for name in unset)])
        case "powershell":
            lines = [f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in variables.items()]
            return "\n".join([*lines, *(f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in unset)])
