"""`kite dev`: everything runs until Ctrl-C. The work is `dev.session`'s."""

from __future__ import annotations

import click

from skykite.cli.settings import Settings, pass_settings, python_option
from skykite.errors import SkykiteError

DEFAULT_PORT = 9229  # Node's own


@click.command(short_help="Run your functions here and reload them as you save")
@click.option("--local", is_flag=True, help="Everything on this machine: no AWS account needed.")
@click.option("--bridge", is_flag=True, help="With --local: the stubs and the bridge of Live, in the embedded cloud.")
@click.option(
    "--functions",
    metavar="NAMES",
    help="Only these run here, the others as deployed: construct paths or handlers, separated by commas.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Where the first API listens, the others follow. Without it: the first free port from 4000 on. 0: any.",
)
@click.option(
    "--inspect",
    is_flag=False,
    flag_value=DEFAULT_PORT,
    type=click.IntRange(0, 65535),
    metavar="[PORT]",
    help=f"Debuggers of Node attach here to functions in TypeScript and JavaScript. Without a number: {DEFAULT_PORT}.",
)
@python_option
@click.option("--no-iam", is_flag=True, help="With --local: every function may do everything.")
@click.option(
    "--wait/--no-wait",
    default=None,
    help="If the stacks do not work at the start: wait for the save that mends them, or end. Without it: wait on a "
    "terminal.",
)
@pass_settings
def command(
    settings: Settings,
    local: bool,
    bridge: bool,
    functions: str | None,
    port: int | None,
    inspect: int | None,
    python: str | None,
    no_iam: bool,
    wait: bool | None,
) -> None:
    """Run the app for development: your functions in workers on this machine, everything else in your AWS account.

    The stage is deployed with a stub for each function, which passes every invocation on to this machine. With
    --local everything else is in the embedded cloud instead, and no account is needed.

    Saved handlers run with the next request, saved stacks are applied, and a debugger that started this command
    stops at breakpoints in your functions. Ctrl-C stops everything. With --inspect a debugger of Node can attach to
    functions in TypeScript and JavaScript.

    On a terminal, stacks that do not work at the start are waited for until they are mended; off a terminal the command
    ends with 1, so that scripts notice. --wait and --no-wait say which.

    With --local a function may do what its role allows and nothing else, as on AWS. --no-iam lifts that.
    """
    if bridge and not local:
        raise SkykiteError(
            "option-conflict",
            "`--bridge` is for the embedded cloud; without --local, `kite dev` always works through the bridge",
            hint="write `kite dev --local --bridge`, or leave --bridge out",
        )
    if port is not None and (bridge or not local):
        raise SkykiteError(
            "option-conflict",
            "`--port` is for `kite dev --local` alone: here the cloud serves the APIs",
            hint="leave --port out; the endpoints are printed",
        )
    if no_iam and not local:
        raise SkykiteError(
            "option-conflict",
            "`--no-iam` is for the embedded cloud: AWS always enforces permissions",
            hint="write `kite dev --local --no-iam`, or leave --no-iam out",
        )
    from skykite.cli.compose import run_dev

    run_dev(
        settings,
        local=local,
        bridge=bridge,
        port=port,
        functions=_names(functions),
        iam=not no_iam,
        wait=wait,
        inspect=inspect,
        python=python,
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name for part in text.split(",") if (name := part.strip()))
    if not names:
        raise SkykiteError(
            "functions-empty",
            "`--functions` names none",
            hint="write for instance --functions Api/Notes,functions/worker.run, or leave it out to run all here",
        )
    return names
