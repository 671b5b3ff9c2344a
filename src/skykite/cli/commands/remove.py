"""`kite remove`: everything a stage has, gone."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings


@click.command(short_help="Delete everything a stage has")
@click.option("--local", is_flag=True, help="Remove it from the embedded cloud of this project instead of from AWS.")
@pass_settings
def command(settings: Settings, local: bool) -> None:
    """Delete every stack of this app and stage. Asks first if data would go with it; what is kept is listed."""
    from skykite.cli.compose import run_remove

    run_remove(settings, local=local)
