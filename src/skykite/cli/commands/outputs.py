"""`kite outputs`: what the last deploy or `kite dev --local` of a stage said. Reads `.kite/<stage>/outputs.json`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from skykite.cli.settings import Settings, pass_settings
from skykite.errors import SkykiteError
from skykite.model.names import StackName

if TYPE_CHECKING:
    from skykite.cli.workspace import Workspace

Outputs = dict[StackName, dict[str, str]]


@click.command()
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one object, by stack and name.")
@pass_settings
def command(settings: Settings, key: str | None, as_json: bool) -> None:
    """Print the outputs of the last deploy as NAME=VALUE lines, or the value of one: `kite outputs ApiEndpoint`.

    A name that several stacks use is written Stack.Name.
    """
    from skykite.cli.output_rows import output_rows
    from skykite.cli.workspace import open_workspace

    outputs = read_outputs(open_workspace(settings, local=True))
    if settings.output == "json" and not as_json:
        from skykite.cli.console import open_console
        from skykite.model.events import OutputsShown

        with open_console(settings) as (events, _):
            events.emit(OutputsShown(outputs=outputs if key is None else _alone(outputs, key)))
    elif key is not None:
        stack, name = find_output(outputs, key)
        click.echo(outputs[stack][name])
    elif as_json:
        import json

        click.echo(json.dumps(outputs, indent=None if settings.output == "json" else 2))
    else:
        for name, value in output_rows(outputs):
            click.echo(f"{name}={value}")


def read_outputs(workspace: Workspace) -> Outputs:
    """By stack and name."""
    import msgspec

    try:
        data = workspace.outputs.read_bytes()
    except FileNotFoundError as error:
        others = sorted(file.parent.name for file in workspace.project.state.glob(f"*/{workspace.outputs.name}"))
        if others:
            raise SkykiteError(
                "stage-not-deployed",
                f"stage `{workspace.stage}` of `{workspace.project.name}` has no outputs yet; "
                f"stages with outputs: {', '.join(f'`{name}`' for name in others)}",
                hint=f"add --stage {others[0]}",
            ) from error
        raise SkykiteError(
            "stage-not-deployed",
            f"stage `{workspace.stage}` of `{workspace.project.name}` has no outputs yet",
            hint="run `kite dev --local` or `kite deploy` first",
        ) from error
    try:
        return msgspec.json.decode(data, type=Outputs)
    except msgspec.MsgspecError as error:
        raise SkykiteError(
            "outputs-invalid",
            f"`{workspace.outputs}` is not what Skykite wrote: {error}",
            hint="delete it; the next `kite dev --local` or `kite deploy` writes it again",
        ) from error


def _alone(outputs: Outputs, key: str) -> Outputs:
    stack, name = find_output(outputs, key)
    return {stack: {name: outputs[stack][name]}}


def find_output(outputs: Outputs, key: str) -> tuple[StackName, str]:
    """The stack and the name that `Name` or `Stack.Name` means."""
    from skykite.cli.output_rows import output_rows

    places = {f"{stack}.{name}": (stack, name) for stack, named in outputs.items() for name in named}
    shown = dict(output_rows(outputs))
    places |= {name: place for place in places.values() if (name := place[1]) in shown}
    if key in places:
        return places[key]
    same = [name for name in shown if name.endswith(f".{key}")]
    if same:
        raise SkykiteError(
            "output-ambiguous",
            f"several stacks have an output `{key}`",
            hint=f"ask for one of {', '.join(f'`{name}`' for name in same)}",
        )
    near = difflib.get_close_matches(key, shown, n=1)
    known = f"there are {', '.join(f'`{name}`' for name in shown)}" if shown else "the stacks have no outputs"
    raise SkykiteError(
        "output-not-found",
        f"there is no output `{key}`",
        hint=f"did you mean `{near[0]}`?" if near else known,
    )
