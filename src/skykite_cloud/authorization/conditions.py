"""The operators of a policy's conditions. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

Values = tuple[str, ...]
Holds = Callable[[str, str], bool]
"""Whether a value of the request is what the policy expects."""

_ARN_PARTS = 6


@lru_cache(maxsize=8192)
def wildcard(pattern: str) -> re.Pattern[str]:
    """`*` and `?` as policies mean them: every character, also a slash or the end of a line. What stands in brackets
    of `literal` is meant literally."""
    parts = re.split(r"(\*|\?|\x00[*?]\x00)", pattern)
    known = {"*": ".*", "?": ".", "\x00*\x00": re.escape("*"), "\x00?\x00": re.escape("?")}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts), re.DOTALL)


def literal(text: str) -> str:
    """For `wildcard`: the text itself, whatever is in it."""
    return re.sub(r"[*?]", lambda found: f"\x00{found.group()}\x00", text.replace("\x00", ""))


def like(value: str, pattern: str) -> bool:
    return wildcard(pattern).fullmatch(value) is not None


def arn_like(value: str, pattern: str) -> bool:
    """Part by part: a wildcard does not cross a colon, but in the last part."""
    values, patterns = value.split(":", _ARN_PARTS - 1), pattern.split(":", _ARN_PARTS - 1)
    if pattern == "*":
        return True
    return len(values) == len(patterns) and all(map(like, values, patterns))


def is_met(operator: str, values: Values | None, expected: Sequence[str]) -> bool | None:
    """Whether a condition holds for what the request says of its key, `None` if nothing. `None` for an operator that
    there is not."""
    name = operator.lower()
    if name == "null":
        return (values is None) == (bool(expected) and expected[0].lower() == "true")
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    quantifier, _, plain = name.rpartition(":")
    holds, negated = _OPERATORS.get(plain, (None, False))
    if holds is None or quantifier not in ("", "forallvalues", "foranyvalue"):
        return None
    if values is None or (not values and quantifier):
        return if_exists or quantifier == "forallvalues" or (negated and quantifier != "foranyvalue")

    def fits(value: str) -> bool:
        return any(holds(value, one) for one in expected) != negated

    if quantifier == "forallvalues" or (negated and not quantifier):
        return all(fits(value) for value in values)
    return any(fits(value) for value in values)


def _number(compare: Callable[[float, float], bool]) -> Holds:
    def holds(value: str, expected: str) -> bool:
        try:
            return compare(float(value), float(expected))
        except ValueError:
            return False

    return holds


def _date(compare: Callable[[float, float], bool]) -> Holds:
    def holds(value: str, expected: str) -> bool:
        moment, limit = _moment(value), _moment(expected)
        return moment is not None and limit is not None and compare(moment, limit)

    return holds


def _moment(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _address(value: str, expected: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(expected, strict=False)
    except ValueError:
        return False


def _equal(value: str, expected: str) -> bool:
    return value == expected.replace("\x00", "")


def _equal_ignoring_case(value: str, expected: str) -> bool:
    return value.lower() == expected.replace("\x00", "").lower()


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "equals": lambda a, b: a == b,
    "lessthan": lambda a, b: a < b,
    "lessthanequals": lambda a, b: a <= b,
    "greaterthan": lambda a, b: a > b,
    "greaterthanequals": lambda a, b: a >= b,
}
_OPERATORS: dict[str, tuple[Holds | None, bool]] = {
    "stringequals": (_equal, False),
    "stringnotequals": (_equal, True),
    "stringequalsignorecase": (_equal_ignoring_case, False),
    "stringnotequalsignorecase": (_equal_ignoring_case, True),
    "stringlike": (like, False),
    "stringnotlike": (like, True),
    "arnequals": (arn_like, False),
    "arnlike": (arn_like, False),
    "arnnotequals": (arn_like, True),
    "arnnotlike": (arn_like, True),
    "bool": (_equal_ignoring_case, False),
    "binaryequals": (_equal, False),
    "ipaddress": (_address, False),
    "notipaddress": (_address, True),
    "numericnotequals": (_number(_COMPARISONS["equals"]), True),
    "datenotequals": (_date(_COMPARISONS["equals"]), True),
    **{f"numeric{name}": (_number(compare), False) for name, compare in _COMPARISONS.items()},
    **{f"date{name}": (_date(compare), False) for name, compare in _COMPARISONS.items()},
}
