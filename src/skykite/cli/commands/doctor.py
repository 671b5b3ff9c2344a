"""`kite doctor`: everything Skykite needs of this machine, each with what to do about it. See `cli.checks`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skykite.cli.settings import Settings, pass_settings

if TYPE_CHECKING:
    from skykite.model.events import DoctorChecked


@click.command()
@click.option("--online", is_flag=True, help="Also ask AWS whether the credentials work.")
@pass_settings
def command(settings: Settings, online: bool) -> None:
    """Check that this machine has what Skykite needs, and say what to do where it has not.

    Exits with 1 if something keeps Skykite from working. Uses no network without --online.
    """
    from skykite.cli.console import open_console

    failed = False
    with open_console(settings) as (events, _):
        for finding in run_checks(settings, os.environ, online=online):
            failed = failed or finding.status == "fail"
            events.emit(finding)
    click.get_current_context().exit(1 if failed else 0)


def run_checks(settings: Settings, environment: Mapping[str, str], *, online: bool) -> Iterator[DoctorChecked]:
    """One after the other, the cheap and basic ones first."""
    from skykite.cli import checks
    from skykite.cloud.environment import find_environment
    from skykite.model.locations import cache_directory

    yield from checks.check_python()
    yield from checks.check_packages()
    yield from checks.check_node(environment)
    yield from checks.check_uv()
    yield from checks.check_cache(cache_directory(environment))
    yield from checks.check_cloud(find_environment())
    yield from checks.check_credentials(environment)
    yield from _check_project(settings, environment, online=online)


def _check_project(settings: Settings, environment: Mapping[str, str], *, online: bool) -> Iterator[DoctorChecked]:
    from skykite.cli import checks
    from skykite.cli.project import find_project
    from skykite.errors import SkykiteError
    from skykite.model.events import DoctorChecked

    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        project = find_project(Path.cwd(), explicit=settings.project)
    except SkykiteError as error:
        missing = error.code == "project-not-found" and settings.project is None
        yield DoctorChecked(
            check="project", status="warn" if missing else "fail", message=error.message, hint=error.hint
        )
    else:
        region = project.region
        yield from checks.check_project(project)
        yield from checks.check_environment(project, environment)
        yield from checks.check_git(project)
    if online:
        yield from checks.check_account(region, environment)
