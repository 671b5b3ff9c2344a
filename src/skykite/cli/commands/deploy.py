"""`kite deploy`: from stacks to CloudFormation."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings


@click.command(short_help="Bring a stage to what your stacks say")
@pass_settings
def command(settings: Settings) -> None:
    """Deploy the app to the AWS account that your credentials name, under the stage.

    Stacks that have not changed are left alone. A change that would lose data is asked about first; off a terminal
    it is refused unless --yes is given. Outputs go to stdout.
    """
    from skykite.cli.compose import run_deploy

    run_deploy(settings)
