"""The `kite` command group: loads commands when they are called, and prints a help page without loading any.

In: arguments. Out: a called command. I/O: imports, and help on stdout.
"""

from __future__ import annotations

import importlib

import click

from skykite.cli.command_group import CommandGroup
from skykite.cli.help_page import OPTION_HELP, help_page
from skykite.cli.registry import COMMANDS
from skykite.cli.settings import global_options, with_global_options


class Application(CommandGroup):
    """Commands come from the registry."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(entry.module).command
        return with_global_options(command)

    def get_help(self, ctx: click.Context) -> str:
        return help_page(colour=ctx.color is not False).rstrip("\n")


def make_application() -> click.Group:
    """The whole command line."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help=OPTION_HELP["--version"],
    )
    return Application(
        name="kite",
        params=[*global_options(), version],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _print_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"kite {version('skykite')}")
        context.exit()
