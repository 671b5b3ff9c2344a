"""A group of commands that shows its help when no command is named, and says which one a wrong name meant. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click


class CommandGroup(click.Group):
    """`kite` itself, and each command that has commands of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            raise UnknownCommandError(args[0], names, ctx)
        return super().resolve_command(ctx, args)


class UnknownCommandError(click.UsageError):
    """No such command; says which one was meant if it can."""

    def __init__(self, name: str, names: Iterable[str], context: click.Context) -> None:
        group = context.command_path
        super().__init__(
            f"there is no command `{name}`" if context.parent is None else f"`{group}` has no `{name}`", context
        )
        near = difflib.get_close_matches(name, names, n=1)
        self.hint = f"did you mean `{group} {near[0]}`?" if near else f"`{group} --help` lists the commands"
