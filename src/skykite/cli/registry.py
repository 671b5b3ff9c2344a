"""Which commands there are, so that `kite --help` imports none of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """One command; its module `skykite.cli.commands.<name>` holds `command`."""

    name: str
    help: str

    @property
    def module(self) -> str:
        return f"skykite.cli.commands.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of `kite --help`."""

    title: str
    commands: tuple[CommandEntry, ...]


SECTIONS: Final = (
    Section(
        title="Start",
        commands=(
            CommandEntry(name="init", help="Make a project that runs at once"),
            CommandEntry(name="doctor", help="Check that this machine has what Skykite needs"),
        ),
    ),
    Section(
        title="Develop",
        commands=(
            CommandEntry(name="dev", help="Run your functions here and reload them as you save"),
            CommandEntry(name="invoke", help="Run one function with an event"),
            CommandEntry(name="shell", help="Run any program with the linked resources of a stage"),
            CommandEntry(name="secrets", help="Set and read a stage's secrets and parameters"),
            CommandEntry(name="cloud", help="Keep the embedded cloud running, and look at it"),
        ),
    ),
    Section(
        title="Deploy",
        commands=(
            CommandEntry(name="build", help="Make a stage's templates and bundles, to be deployed elsewhere"),
            CommandEntry(name="bundle", help="See what is in a function's bundle, and why"),
            CommandEntry(name="deploy", help="Bring a stage to what your stacks say"),
            CommandEntry(name="remove", help="Delete everything a stage has"),
            CommandEntry(name="outputs", help="Print the outputs of the last deploy"),
            CommandEntry(name="synth", help="Write the CloudFormation templates, without deploying"),
            CommandEntry(name="bootstrap", help="Make the bucket that deploys to an account and region need"),
        ),
    ),
)

COMMANDS: Final = {entry.name: entry for section in SECTIONS for entry in section.commands}
