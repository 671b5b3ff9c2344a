"""Physical names that users choose: checked, and given to one resource only.

In: a name, and the construct it is for. Out: the name as AWS takes it, or a PropProblem. Pure but for what the program
remembers.
"""

from __future__ import annotations

import re

import aws_cdk

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.program import program_of
from skykite.constructs.props import PropProblem, check_type


def read_name(given: object, pattern: re.Pattern[str], *, service: str, suffix: str = "") -> str | None:
    """`suffix` is what AWS wants at the end, for instance of what is FIFO; it is added if it is not there."""
    if given is None:
        return None
    check_type("name", given, str, "a string")
    name = str(given)
    if aws_cdk.Token.is_unresolved(name):
        return name
    if not pattern.fullmatch(name.removesuffix(suffix)):
        raise PropProblem(
            "name-invalid",
            f"was given name=`{name}`, which {service} refuses",
            hint=f"it takes what matches {pattern.pattern}",
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
