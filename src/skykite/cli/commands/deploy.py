"""`kite deploy`: from stacks to CloudFormation."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings


@click.command(short_help="Bring a stage to what your stacks say")
@click.option("--local", is_flag=True, help="Deploy to the embedded cloud that `kite cloud start` keeps, not to AWS.")
@pass_settings
def command(settings: Settings, local: bool) -> None:
    """Deploy the app to the AWS account that your credentials name, under the stage.

    Stacks that have not changed are left alone. A change that would lose data is asked about first; off a terminal
    it is refused unless --yes is given. Outputs go to stdout.
    """
    from skykite.cli.compose import run_deploy

    run_deploy(settings, local=local)
