"""`kite shell`: any program, with what the functions of a stage are linked to."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings, python_option


@click.command(
    short_help="Run any program with the linked resources of a stage",
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--function", metavar="NAME", help="Only what this function is linked to: a construct path, its end, or a handler."
)
@click.option(
    "--local/--aws",
    "local",
    default=None,
    help="In the embedded cloud, or on AWS. Without either: where it runs, if the stage is there.",
)
@python_option
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM [ARGUMENTS]...]")
@pass_settings
def command(
    settings: Settings, function: str | None, local: bool | None, python: str | None, program: tuple[str, ...]
) -> None:
    """Run PROGRAM so that `from skykite_lambda import resource` knows what the functions of the stage are linked to.

    The names, addresses and secrets are those of the deployed stage, in AWS, or in the embedded cloud while that runs
    and has the stage; AWS clients in the program reach the same cloud, with your own permissions, not a function's.
    `kite shell -- pytest` tests against it. Without a program, your shell is started. Ends as the program ends.
    """
    from skykite.cli.shell import run_shell

    click.get_current_context().exit(
        run_shell(settings, function=function, local=local, program=program, python=python)
    )
