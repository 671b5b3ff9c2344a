"""Patterns that pick events: a bus's rules, the filters of queues and streams, a topic's subscriptions. Pure.

In: a pattern as a user wrote it. Out: the pattern as AWS takes it, or a PropProblem that says where it is wrong: AWS
finds that out in the middle of a deploy, or, worse, takes it and never matches.

- https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
- https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
- https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from skykite.constructs.props import PropProblem, check_known, check_type, listed, shown

Service = Literal["EventBridge", "Lambda", "SNS"]

EVENT_KEYS: Final = (
    "account",
    "detail",
    "detail-type",
    "id",
    "region",
    "resources",
    "source",
    "time",
    "version",
)
_TEXT_OPERATORS: Final = ("prefix", "suffix", "equals-ignore-case", "cidr", "wildcard")
_OPERATORS: Final[Mapping[Service, tuple[str, ...]]] = {
    "EventBridge": ("anything-but", "exists", "numeric", *_TEXT_OPERATORS),
    "Lambda": ("anything-but", "exists", "numeric", "prefix", "suffix", "equals-ignore-case", "cidr"),
    "SNS": ("anything-but", "exists", "numeric", *_TEXT_OPERATORS),
}
_COMPARISONS: Final = ("=", "<", "<=", ">", ">=")
_FILTERS_LIMIT: Final = 5  # Lambda's quota until it is raised
_FILTER_SIZE: Final = 4096
_POLICY_KEYS: Final = 5
_POLICY_COMBINATIONS: Final = 150
_NUMBER_LIMITS: Final[Mapping[Service, int]] = {"EventBridge": 5 * 10**9, "Lambda": 5 * 10**9, "SNS": 10**9}
_OR: Final = "$or"


def read_event_pattern(where: str, given: object) -> dict[str, Any]:
    """Of a rule on an event bus; keys as EventBridge writes them, or with underscores. Raises PropProblem."""
    check_type(where, given, Mapping, "a dict of an event's fields to what they may be")
    pattern = {"detail-type" if key == "detail_type" else key: value for key, value in _mapping(given).items()}
    if not pattern:
        raise PropProblem("pattern-invalid", f"has an empty {where}, which EventBridge refuses", hint="name a source")
    check_known({key: value for key, value in pattern.items() if key != _OR}, EVENT_KEYS, within=where)
    _check(where, pattern, "EventBridge")
    return pattern


def read_filters(where: str, given: object) -> list[dict[str, str]] | None:
    """Of an event source mapping: a list of patterns, of which one is to match. As Lambda takes them: JSON in JSON.
    Raises PropProblem."""
    if given is None:
        return None
    if isinstance(given, Mapping | str) or not isinstance(given, Sequence):
        raise PropProblem(
            "prop-type",
            f"was given {where}={shown(given)}, which is not a list of patterns",
            hint="put it into a list" if isinstance(given, Mapping) else None,
        )
    if len(given) > _FILTERS_LIMIT:
        raise PropProblem("pattern-invalid", f"has {len(given)} {where}", hint=f"Lambda takes {_FILTERS_LIMIT}")
    filters: list[dict[str, str]] = []
    for index, pattern in enumerate(given):
        place = f"{where}[{index}]"
        check_type(place, pattern, Mapping, "a dict of a record's fields to what they may be")
        _check(place, pattern, "Lambda")
        text = json.dumps(pattern, separators=(",", ":"))
        if len(text) > _FILTER_SIZE:
            raise PropProblem(
                "pattern-invalid", f"has {place} of {len(text)} characters", hint=f"Lambda takes {_FILTER_SIZE}"
            )
        filters.append({"pattern": text})
    return filters or None


def read_filter_policy(where: str, given: object, *, nested: bool) -> Mapping[str, Any]:
    """Of a subscription to a topic; `nested` where it is about the message's body. Raises PropProblem."""
    check_type(where, given, Mapping, 'a dict such as {"kind": ["placed"]}')
    policy = _mapping(given)
    if not policy:
        raise PropProblem("pattern-invalid", f"has an empty {where}", hint="leave it out to get every message")
    if not nested:
        for key, value in policy.items():
            if isinstance(value, Mapping):
                raise PropProblem(
                    "pattern-invalid",
                    f'has {where}["{key}"]={shown(value)}, and message attributes have nothing inside',
                    hint='add filter_scope="message_body" to filter by what is in the message',
                )
    _check(where, policy, "SNS")
    counts = list(_leaves(policy))
    if len(counts) > _POLICY_KEYS:
        raise PropProblem("pattern-invalid", f"has {len(counts)} keys in {where}", hint=f"SNS takes {_POLICY_KEYS}")
    combinations = math.prod(counts)
    if combinations > _POLICY_COMBINATIONS:
        raise PropProblem(
            "pattern-invalid",
            f"has {combinations} combinations of values in {where}",
            hint=f"SNS takes {_POLICY_COMBINATIONS}, the counts of all lists multiplied",
        )
    return policy


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _leaves(policy: Mapping[str, Any]) -> Any:
    """How many values each leaf has."""
    for value in policy.values():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield len(value)


def _check(where: str, pattern: Mapping[Any, Any], service: Service) -> None:
    for key, value in pattern.items():
        place = f"{where}[{json.dumps(key)}]" if isinstance(key, str) else f"{where}[{key!r}]"
        if not isinstance(key, str):
            raise PropProblem("pattern-invalid", f"has the key {shown(key)} in {where}", hint="keys are strings")
        if key == _OR:
            _check_or(place, value, service)
        elif isinstance(value, Mapping):
            _check_nested(place, value, service)
        elif isinstance(value, str) or not isinstance(value, Sequence):
            raise PropProblem(
                "pattern-invalid",
                f"has {place}={shown(value)}",
                hint=f"{service} wants a list of what it may be: [{value!r}]"
                if isinstance(value, str | int | float) or value is None
                else f"{service} wants a list of what it may be",
            )
        elif not value:
            raise PropProblem("pattern-invalid", f"has an empty list in {place}, which nothing matches")
        else:
            for choice in value:
                _check_choice(place, choice, service)


def _check_or(place: str, value: object, service: Service) -> None:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) < 2:
        raise PropProblem("pattern-invalid", f"has {place}={shown(value)}", hint="it takes a list of two or more dicts")
    for alternative in value:
        check_type(place, alternative, Mapping, "a list of dicts")
        _check(place, alternative, service)


def _check_nested(place: str, value: Mapping[Any, Any], service: Service) -> None:
    if not value:
        raise PropProblem("pattern-invalid", f"has an empty {place}", hint="leave it out to match anything")
    if any(key in _OPERATORS[service] for key in value) and not any(
        isinstance(v, Mapping | list) for v in value.values()
    ):
        raise PropProblem("pattern-invalid", f"has {place}={shown(value)}", hint=f"put it into a list: [{dict(value)}]")
    _check(place, value, service)


def _check_choice(place: str, choice: object, service: Service) -> None:
    if choice is None or isinstance(choice, str | bool):
        return
    if isinstance(choice, int | float):
        _check_number(place, choice, service)
        return
    if not isinstance(choice, Mapping) or len(choice) != 1:
        raise PropProblem(
            "pattern-invalid",
            f"has {shown(choice)} in {place}",
            hint='a value is a string, a number, a bool, None or one comparison such as {"prefix": "a"}',
        )
    ((operator, operand),) = choice.items()
    if operator not in _OPERATORS[service]:
        near = difflib.get_close_matches(str(operator), _OPERATORS[service], n=1)
        raise PropProblem(
            "pattern-invalid",
            f"has the comparison {shown(operator)} in {place}, which {service} does not know",
            hint=f"did you mean `{near[0]}`?" if near else f"it knows {listed(_OPERATORS[service])}",
        )
    _check_operand(place, str(operator), operand)


def _check_operand(place: str, operator: str, operand: object) -> None:
    match operator:
        case "exists":
            good = isinstance(operand, bool)
            words = "True or False"
        case "numeric":
            good = _is_numeric(operand)
            words = 'a list such as [">=", 1, "<", 5]'
        case "anything-but":
            good = bool(operand) or operand in (0, "", False)
            words = "a value, a list of values or one comparison"
        case "prefix" | "suffix":
            good = isinstance(operand, str | Mapping)
            words = "a string"
        case _:
            good = isinstance(operand, str)
            words = "a string"
    if not good:
        raise PropProblem("pattern-invalid", f"has {operator}={shown(operand)} in {place}", hint=f"it takes {words}")


def _is_numeric(operand: object) -> bool:
    if not isinstance(operand, Sequence) or isinstance(operand, str) or len(operand) not in (2, 4):
        return False
    pairs = [(operand[index], operand[index + 1]) for index in range(0, len(operand), 2)]
    return all(
        comparison in _COMPARISONS and isinstance(number, int | float) and not isinstance(number, bool)
        for comparison, number in pairs
    )


def _check_number(place: str, number: float, service: Service) -> None:
    limit = _NUMBER_LIMITS[service]
    if not -limit <= number <= limit:
        raise PropProblem(
            "pattern-invalid",
            f"has `{number}` in {place}",
            hint=f"{service} compares numbers up to {limit:,} either way",
        )
