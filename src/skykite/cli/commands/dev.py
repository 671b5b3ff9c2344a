"""`kite dev`: everything runs until Ctrl-C. The work is `dev.session`'s."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings
from skykite.errors import SkykiteError


@click.command(short_help="Run your functions here and reload them as you save")
@click.option("--local", is_flag=True, help="Everything on this machine: no AWS account needed.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Where the first API listens, the others follow. Without it: the first free port from 4000 on. 0: any.",
)
@pass_settings
def command(settings: Settings, local: bool, port: int | None) -> None:
    """Run the app for development: your functions in workers on this machine, everything else in the embedded cloud.

    Saved handlers run with the next request, saved stacks are applied, and a debugger that started this command
    stops at breakpoints in your functions. Ctrl-C stops everything.
    """
    if not local:
        raise SkykiteError(
            "live-not-available",
            "`kite dev` against an AWS account is not part of this release",
            hint="run `kite dev --local`; `kite deploy` deploys to AWS",
        )
    from skykite.cli.compose import run_dev

    run_dev(settings, port=port)
