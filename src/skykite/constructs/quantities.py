"""Counts and times among props, within what AWS takes.

In: what a user gave, the limits and whose they are. Out: a whole number, None if nothing was given, or a PropProblem.
No I/O but questions to the CDK kernel about an `aws_cdk.Duration`.
"""

from __future__ import annotations

from typing import cast

import aws_cdk

from skykite.constructs.props import PropProblem, check_type


def read_count(name: str, value: object, low: int, high: int, *, service: str) -> int | None:
    """Raises PropProblem."""
    if value is None:
        return None
    check_type(name, value, int, "a whole number")
    return _within(name, cast("int", value), low, high, service, "")


def read_seconds(name: str, value: object, low: int, high: int, *, service: str) -> int | None:
    """Seconds, or an `aws_cdk.Duration`. Raises PropProblem."""
    return _read_duration(name, value, low, high, service, "seconds")


def read_days(name: str, value: object, low: int, high: int, *, service: str) -> int | None:
    """Days, or an `aws_cdk.Duration`. Raises PropProblem."""
    return _read_duration(name, value, low, high, service, "days")


def _read_duration(name: str, value: object, low: int, high: int, service: str, unit: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, aws_cdk.Duration):
        length = value.to_seconds(integral=False) if unit == "seconds" else value.to_days(integral=False)
        if length != int(length):
            raise PropProblem(
                "prop-value", f"was given {name} of `{length}` {unit}", hint=f"{service} takes whole {unit}"
            )
        value = int(length)
    check_type(name, value, int, f"a whole number of {unit}, nor an `aws_cdk.Duration`")
    return _within(name, cast("int", value), low, high, service, f" {unit}")


def _within(name: str, value: int, low: int, high: int, service: str, unit: str) -> int:
    if not low <= value <= high:
        raise PropProblem("prop-value", f"was given {name}=`{value}`", hint=f"{service} takes {low} to {high}{unit}")
    return value
