"""`kite bootstrap`: the bucket that deploys need, made or upgraded explicitly."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings


@click.command(short_help="Make the bucket that deploys to an account and region need")
@pass_settings
def command(settings: Settings) -> None:
    """Create or upgrade the stack `skykite-bootstrap` in the account and region. `kite deploy` does it by itself."""
    from skykite.cli.compose import run_bootstrap

    run_bootstrap(settings)
