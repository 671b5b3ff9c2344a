"""`kite secrets`: values of a stage's secrets and parameters. None is taken from the command line, or shown unasked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from skykite.cli.command_group import CommandGroup
from skykite.cli.settings import Settings, pass_settings
from skykite.errors import SkykiteError

_C = TypeVar("_C", bound=Callable[..., object])


def _places(command: _C) -> _C:
    fallback = click.option(
        "--fallback", is_flag=True, help="The value of all personal stages that have none of their own."
    )
    local = click.option("--local", is_flag=True, help="In the embedded cloud of this project, running or not.")
    return fallback(local(command))


@click.group(cls=CommandGroup, short_help="Set and read a stage's secrets and parameters")
def command() -> None:
    """Values of the stacks' `Secret` and `Parameter` constructs, kept in SSM Parameter Store, encrypted.

    Each stage has its own. Stages that do not look like production also read the app's fallbacks.
    """


@command.command("set", short_help="Set one; asks for the value, or reads it from stdin")
@click.argument("name")
@click.argument("more", nargs=-1, metavar="")
@_places
@pass_settings
def set_(settings: Settings, name: str, more: tuple[str, ...], fallback: bool, local: bool) -> None:
    """Set the secret NAME, which is the id of its construct.

    The value is asked for and not shown, or read from stdin without the line end that closes it:
    kite secrets set StripeKey < key.txt
    """
    from skykite.cli.secrets import run_set
    from skykite.model.secrets import check_secret_name

    check_secret_name(name)
    if more:
        raise SkykiteError(
            "secret-in-arguments",
            f"the value for `{name}` stands on the command line, where it is seen by other programs and kept in the "
            "shell's history; it was not set",
            hint=f"write `kite secrets set {name}`, which asks for it, or pipe it in; and choose another value, "
            "since this one has been seen",
        )
    run_set(settings, name=name, fallback=fallback, local=local)


@command.command(short_help="Print the value of one")
@click.argument("name")
@_places
@pass_settings
def get(settings: Settings, name: str, fallback: bool, local: bool) -> None:
    """Print the value that functions of the stage read for the secret NAME: its own, else the fallback's."""
    from skykite.cli.secrets import run_get

    run_get(settings, name=name, fallback=fallback, local=local)


@command.command("list", short_help="List them, without their values")
@click.option("--local", is_flag=True, help="In the embedded cloud of this project, running or not.")
@pass_settings
def list_(settings: Settings, local: bool) -> None:
    """List the secrets and parameters of the stage: where the value of each comes from, and which have none.

    A line is NAME, a tab, and stage, fallback, default or missing; `unused` behind it says that no stack names it. With
    --output json, the last line is an object by name.
    """
    from skykite.cli.secrets import run_list

    run_list(settings, local=local)


@command.command(short_help="Remove the value of one")
@click.argument("name")
@_places
@pass_settings
def remove(settings: Settings, name: str, fallback: bool, local: bool) -> None:
    """Remove the value of the secret NAME. Asks first; off a terminal it is refused unless --yes is given."""
    from skykite.cli.secrets import run_remove_secret

    run_remove_secret(settings, name=name, fallback=fallback, local=local)


@command.command(short_help="Set several from a file of NAME=value lines")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), metavar="FILE|-")
@_places
@pass_settings
def load(settings: Settings, file: Path, fallback: bool, local: bool) -> None:
    """Set several secrets from a file of NAME=value lines, as in `.env`, or from stdin with -.

    Values are taken as they stand: nothing in them is replaced. If one line is wrong, none is set.
    """
    from skykite.cli.secrets import run_load

    run_load(settings, file=file, fallback=fallback, local=local)
