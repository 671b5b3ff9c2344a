"""`kite bundle`: what functions are made of. The work is `cli.inspecting`'s."""

from __future__ import annotations

import click

from skykite.cli.command_group import CommandGroup
from skykite.cli.settings import Settings, pass_settings


@click.group(cls=CommandGroup, short_help="See what is in a function's bundle, and why")
def command() -> None:
    """Look into the zips and layers that functions are deployed with."""


@command.command(short_help="Show what is in one, by size, and why")
@click.argument("name")
@pass_settings
def inspect(settings: Settings, name: str) -> None:
    """Show what the function NAME is deployed with: a construct path, a handler, or the end of one.

    Its code and layers with their sizes; each package with its version, and what asks for it: a file of yours, or
    another package; folders of your code; the largest files; and the sum, of which Lambda takes 250 MB. What is not
    built yet is built. With --output json, the last line is an object.
    """
    from skykite.cli.inspecting import run_inspect

    run_inspect(settings, name)
