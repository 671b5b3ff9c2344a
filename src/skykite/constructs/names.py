"""Physical names that users choose: checked, and given to one resource only.

In: a name, and the construct it is for. Out: the name as AWS takes it, or a PropProblem. Pure but for what the program
remembers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import aws_cdk

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.program import program_of
from skykite.constructs.props import PropProblem, check_type


@dataclass(frozen=True, slots=True, kw_only=True)
class NameKind:
    """What a service takes as a name; `words` say it."""

    service: str
    pattern: re.Pattern[str]
    words: str


def read_name(given: object, kind: NameKind, *, suffix: str = "") -> str | None:
    """`suffix` is what AWS wants at the end, for instance of what is FIFO; it is added if it is not there."""
    if given is None:
        return None
    check_type("name", given, str, "a string")
    name = str(given)
    if aws_cdk.Token.is_unresolved(name):
        return name
    if not kind.pattern.fullmatch(name.removesuffix(suffix)):
        raise PropProblem(
            "name-invalid",
            f"was given name=`{name}`, which {kind.service} refuses",
            hint=f"it takes {kind.words}",
        )
    return name if name.endswith(suffix) else name + suffix


def claim_name(construct: SkykiteConstruct, kind: str, name: str | None) -> None:
    """Two resources of an app, of one kind and one name, are one too many: AWS says so in the middle of a deploy."""
    if name is None or aws_cdk.Token.is_unresolved(name):
        return
    owner = program_of(construct).names.setdefault((kind, name), construct.title)
    if owner != construct.title:
        raise PropProblem(
            "name-taken",
            f"was given name=`{name}`, and {owner} has it",
            hint="choose another, or leave it out: AWS and Skykite choose one that is free",
        )
