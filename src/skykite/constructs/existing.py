"""What exists already and comes into an app by the prop `existing`: an ARN, or the CDK object.

In: what a user gave. Out: the ARN or the object, or a PropProblem. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.links import has_attribute
from skykite.constructs.program import Program, program_of
from skykite.constructs.props import PropProblem, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ArnKind:
    """How the ARNs of a service's resources look; `pattern` matches what follows the account. `regional` are those that
    can be used from their own region only, `placed` those that name a region and an account."""

    service: str
    noun: str
    pattern: re.Pattern[str]
    example: str
    regional: bool = False
    placed: bool = True


def read_existing(scope: SkykiteConstruct, given: object, kind: ArnKind, *, attribute: str) -> object:
    """`attribute` tells a CDK object of the kind. An ARN that only a deploy knows (a token) is
    taken as it is. Raises PropProblem."""
    if isinstance(given, str):
        if not aws_cdk.Token.is_unresolved(given):
            _check_arn(given, kind, program_of(scope))
        return given
    if isinstance(given, SkykiteConstruct):
        raise PropProblem(
            "existing-invalid",
            f"was given existing=`{given.path}`, which is part of this app",
            hint="use that one; `existing` is for what Skykite did not make",
        )
    if not has_attribute(given, attribute):
        raise PropProblem(
            "existing-invalid",
            f"was given existing={shown(given)}, which is neither the ARN of {kind.noun} nor a CDK object",
            hint=_looks_like(kind, program_of(scope)),
        )
    return given


def check_not_beside(given: Mapping[str, object], allowed: Sequence[str]) -> None:
    """Props that would configure a new resource say nothing of one that exists. Raises PropProblem."""
    for name, value in given.items():
        if name != "existing" and name not in allowed and value is not None:
            raise PropProblem(
                "prop-contradiction",
                f"has {name} beside existing: what exists is as it is",
                hint="change it where it is made, or leave `existing` out to make a new one",
            )


def _check_arn(arn: str, kind: ArnKind, program: Program) -> None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != kind.service or not kind.pattern.fullmatch(parts[5]):
        raise PropProblem(
            "existing-invalid",
            f"was given existing=`{arn}`, which is not the ARN of {kind.noun}",
            hint=_looks_like(kind, program),
        )
    if kind.regional and parts[3] != program.synthesis.region:
        raise PropProblem(
            "existing-region",
            f"was given existing=`{arn}`, and the app's region is `{program.synthesis.region}`",
            hint="Lambda reads only what is in its own region",
        )


def _looks_like(kind: ArnKind, program: Program) -> str:
    place = f"{program.synthesis.region}:123456789012" if kind.placed else ":"
    return f"it looks like arn:aws:{kind.service}:{place}:{kind.example}"
