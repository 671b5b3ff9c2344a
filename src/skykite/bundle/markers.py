"""Whether a requirement of a package holds on a function's machine. Pure.

The grammar of environment markers is PEP 508's: https://peps.python.org/pep-0508/#environment-markers
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from skykite.bundle.target import Target

_REQUIREMENT: Final = re.compile(
    r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^]]*)\])?(?P<rest>[^;]*)"
    r"(?:;\s*(?P<marker>.*))?$",
    re.DOTALL,
)
_TOKEN: Final = re.compile(r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<op>===|~=|[<>=!]=|[<>()])|(?P<word>[A-Za-z_.]+))""")
_VERSIONS: Final = frozenset({"python_version", "python_full_version", "implementation_version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """`httpx[http2] >=0.27; python_version >= "3.9"`, but for the versions."""

    name: str
    extras: tuple[str, ...] = ()
    marker: str = ""


def parse_requirement(text: str) -> Requirement | None:
    """None for what is none: an option of pip, a path, a URL without a name."""
    found = _REQUIREMENT.match(text)
    if found is None or (found["rest"].strip() and not re.match(r"[\s(<>=!~@]", found["rest"])):
        return None
    extras = tuple(one.strip() for one in (found["extras"] or "").split(",") if one.strip())
    return Requirement(name=found["name"], extras=extras, marker=(found["marker"] or "").strip())


def machine(target: Target) -> dict[str, str]:
    """The variables of markers in Lambda."""
    return {
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "implementation_version": f"{target.python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": target.platform.partition("-")[0],
    }


def holds(marker: str, variables: Mapping[str, str], extras: Collection[str] = ()) -> bool:
    """With none or any of `extras` chosen. A marker that we cannot read holds: what it is about is there, after all."""
    if not marker:
        return True
    tokens = _tokens(marker)
    try:
        return any(_Reader(tokens, {**variables, "extra": extra}).all() for extra in ("", *extras))
    except (IndexError, ValueError):
        return True


def _tokens(marker: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(marker.rstrip()):
        match = _TOKEN.match(marker, place)
        if match is None:
            return []
        kind = str(match.lastgroup)
        found.append((kind, match[kind].strip("'\"") if kind == "text" else match[kind]))
        place = match.end()
    return found


class _Reader:
    """One reading of a marker: `or` of `and` of comparisons."""

    def __init__(self, tokens: Sequence[tuple[str, str]], variables: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._place = 0

    def all(self) -> bool:
        result = self._or()
        if self._place != len(self._tokens):
            raise ValueError("something is left")
        return result

    def _or(self) -> bool:
        result = self._and()
        while self._take("or"):
            result = self._and() or result
        return result

    def _and(self) -> bool:
        result = self._one()
        while self._take("and"):
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if self._take("("):
            result = self._or()
            if not self._take(")"):
                raise ValueError("a parenthesis is open")
            return result
        left_name, left = self._value()
        negated = self._take("not")
        operator = self._next()[1]
        right_name, right = self._value()
        if operator == "in":
            return (left in right) != negated
        if {left_name, right_name} & _VERSIONS:
            return _compare(operator, _version(left), _version(right))
        return _compare(operator, left, right)

    def _value(self) -> tuple[str, str]:
        kind, text = self._next()
        return ("", text) if kind == "text" else (text, self._variables.get(text, ""))

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._place]
        self._place += 1
        return token

    def _take(self, word: str) -> bool:
        if self._place < len(self._tokens) and self._tokens[self._place] in (("word", word), ("op", word)):
            self._place += 1
            return True
        return False


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _compare(operator: str, left: object, right: object) -> bool:
    match operator:
        case "==" | "===":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right  # type: ignore[operator,no-any-return]
        case "<=":
            return left <= right  # type: ignore[operator,no-any-return]
        case ">":
            return left > right  # type: ignore[operator,no-any-return]
        case ">=" | "~=":
            return left >= right  # type: ignore[operator,no-any-return]
    raise ValueError(operator)
