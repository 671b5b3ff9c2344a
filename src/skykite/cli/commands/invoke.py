"""`kite invoke`: one function, one event, its answer on stdout."""

from __future__ import annotations

from pathlib import Path

import click

from skykite.cli.settings import Settings, pass_settings, python_option
from skykite.errors import SkykiteError


@click.command(short_help="Run one function with an event")
@click.argument("function")
@click.option(
    "--event",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE|-",
    help="The event as JSON, from a file or with - from stdin. Without it: {}.",
)
@click.option("--local", is_flag=True, help="Start what `kite dev --local` starts for this one invocation.")
@python_option
@pass_settings
def command(settings: Settings, function: str, event: Path | None, local: bool, python: str | None) -> None:
    """Invoke FUNCTION: a construct path, a handler like functions/notes.get, or the end of one.

    While `kite dev --local` runs, the function runs there, with breakpoints. The answer goes to stdout, logs go to
    stderr, and the exit code is 1 if the function failed.
    """
    if python is not None and not local:
        raise SkykiteError(
            "option-conflict",
            "`--python` is for `kite invoke --local`: else the function runs where it is already",
            hint="add --local, or give `--python` to the `kite dev` that runs",
        )
    from skykite.cli.compose import run_invoke

    click.get_current_context().exit(run_invoke(settings, function=function, event=event, local=local, python=python))
