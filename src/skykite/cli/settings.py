"""The options every command takes, before or after its name. Values land in the root context's `obj`.

In: a click context. Out: `Settings`. No I/O.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec, TypeVar

import click

from skykite.cli.help_page import OPTION_HELP

Output = Literal["auto", "plain", "json"]
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user chose for the whole run. `None` means: not said."""

    stage: str | None = None
    output: Output = "auto"
    yes: bool = False
    debug: bool = False
    project: Path | None = None


def read_settings(chosen: MutableMapping[str, object]) -> Settings:
    """Only what was said overrides the defaults."""
    return Settings(**chosen)  # type: ignore[arg-type]  # each key was filled by the option of its name


def settings_of(context: click.Context) -> Settings:
    """The settings of the run that `context` belongs to."""
    return read_settings(_chosen(context))


def pass_settings(function: Callable[Concatenate[Settings, _P], _R]) -> Callable[_P, _R]:
    """Decorate a command's function to receive the `Settings` as its first argument."""

    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return function(settings_of(click.get_current_context()), *args, **kwargs)

    call.__name__ = function.__name__
    call.__doc__ = function.__doc__
    if hasattr(function, "__click_params__"):
        call.__click_params__ = function.__click_params__  # type: ignore[attr-defined]
    return call


def with_global_options(command: click.Command) -> click.Command:
    """A copy of `command`, and of all commands under it, that also takes the global options."""
    copied = copy.copy(command)
    taken = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    copied.params = [*command.params, *(option for option in global_options() if not taken & set(option.opts))]
    if isinstance(copied, click.Group):
        copied.commands = {name: with_global_options(child) for name, child in copied.commands.items()}
    return copied


def python_option(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a command's function that runs something of the project's."""
    return click.option(
        "--python",
        metavar="PYTHON",
        help="What functions run on here: an environment, an interpreter, or a version. Without it: the project's own.",
    )(function)


def global_options() -> list[click.Option]:
    """Fresh options; each remembers its value under its name."""
    return [
        _option(["--stage"], metavar="NAME", help=OPTION_HELP["--stage NAME"]),
        _option(
            ["--output"],
            type=click.Choice(["auto", "plain", "json"]),
            help=OPTION_HELP["--output [auto|plain|json]"],
        ),
        _option(["-y", "--yes"], is_flag=True, default=None, help=OPTION_HELP["-y, --yes"]),
        _option(
            ["--project"],
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            help=OPTION_HELP["--project DIR"],
        ),
        _option(["--debug"], is_flag=True, default=None, help=OPTION_HELP["--debug"]),
    ]


def _option(declaration: list[str], **attributes: object) -> click.Option:
    return click.Option(declaration, expose_value=False, callback=_remember, **attributes)  # type: ignore[arg-type]


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name is not None:
        _chosen(context)[parameter.name] = value


def _chosen(context: click.Context) -> MutableMapping[str, object]:
    root = context.find_root()
    if root.obj is None:
        root.obj = {}
    chosen: MutableMapping[str, object] = root.obj
    return chosen
