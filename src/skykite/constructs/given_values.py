"""Single values among props: spans of time, and resources that other constructs made.

In: what a user gave, and the name of the prop. Out: what CDK takes, or a PropProblem. I/O: questions to the CDK kernel
about a resource.
"""

from __future__ import annotations

from typing import Any

import aws_cdk

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.links import has_attribute
from skykite.constructs.props import PropProblem, shown
from skykite.constructs.quantities import read_seconds


def read_duration(name: str, given: object, low: int, high: int, *, service: str) -> aws_cdk.Duration | None:
    """Seconds or an `aws_cdk.Duration`, as the latter. Raises PropProblem."""
    seconds = read_seconds(name, given, low, high, service=service)
    return None if seconds is None else aws_cdk.Duration.seconds(seconds)


def find_resource(given: object, attribute: str) -> Any:
    """The CDK object behind a Skykite construct or a CDK construct, if it has `attribute` ("queue_arn"); else None."""
    if isinstance(given, SkykiteConstruct):
        given = getattr(given, "cdk_resource", None)
    return given if given is not None and has_attribute(given, attribute) else None


def read_resource(name: str, given: object, attribute: str, words: str) -> Any:
    """Like `find_resource`, and None for None. `words` says what is wanted: “a queue”. Raises PropProblem."""
    if given is None:
        return None
    found = find_resource(given, attribute)
    if found is None:
        raise PropProblem("prop-type", f"was given {name}={shown(given)}, which is not {words}")
    return found
