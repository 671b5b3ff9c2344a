"""Policy documents: read once, matched often. Pure.

What IAM would not have accepted grants nothing, and where it would deny it denies: an operator that there is not, a
document that is none. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

from skykite_cloud.authorization.conditions import Values, is_met, like, literal, wildcard

Effect = Literal["Allow", "Deny"]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_VARIABLES = "2012-10-17"


class Facts(Protocol):
    """What is known of one request, by condition key."""

    def of(self, key: str) -> Values | None:
        """`key` in lower case. `None` if the request says nothing of it."""


@dataclass(frozen=True, slots=True)
class _Patterns:
    """`Resource`, `Action` or their opposites. `fixed` is one pattern for all those without variables."""

    fixed: re.Pattern[str] | None
    variable: tuple[str, ...]

    def match(self, value: str, facts: Facts) -> bool:
        if self.fixed is not None and self.fixed.fullmatch(value):
            return True
        return any((found := _filled(one, facts)) is not None and like(value, found) for one in self.variable)


@dataclass(frozen=True, slots=True)
class Statement:
    """`principal` is as the document has it; only policies of resources have one."""

    effect: Effect
    actions: _Patterns | None
    not_actions: _Patterns | None
    resources: _Patterns | None
    not_resources: _Patterns | None
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]  # operator, key in lower case, values
    variables: bool
    principal: Any
    not_principal: Any

    def applies(self, action: str, resource: str | None, facts: Facts) -> bool:
        """`resource` is `None` where it is not known which one is meant: then every statement of the action counts,
        but one that denies only some."""
        return (
            self._concerns(action, facts)
            and self._covers(resource, facts)
            and (not self.conditions or self._met(facts))
        )

    def _concerns(self, action: str, facts: Facts) -> bool:
        name = action.lower()
        if self.actions is not None:
            return self.actions.match(name, facts)
        return self.not_actions is not None and not self.not_actions.match(name, facts)

    def _covers(self, resource: str | None, facts: Facts) -> bool:
        if resource is None:
            return self.effect == "Allow" or (self.resources is not None and self.resources.match("", facts))
        if self.resources is not None:
            return self.resources.match(resource, facts)
        if self.not_resources is not None:
            return not self.not_resources.match(resource, facts)
        return self.principal is not None  # where the document belongs to one resource, it may go without

    def _met(self, facts: Facts) -> bool:
        for operator, key, values in self.conditions:
            expected = values
            if self.variables:
                filled = [_filled(value, facts) for value in values]
                expected = tuple(value for value in filled if value is not None)
                if values and not expected:
                    return False
            met = is_met(operator, facts.of(key), expected)
            if met is None:
                met = self.effect == "Deny"
            if not met:
                return False
        return True


Policy = tuple[Statement, ...]


def read_policy(document: object) -> Policy:
    """From JSON, or from what JSON was made into."""
    if isinstance(document, str):
        return _read(document)
    return _read(json.dumps(document)) if document else ()


@lru_cache(maxsize=4096)
def _read(text: str) -> Policy:
    try:
        document = json.loads(text)
    except ValueError:
        return ()
    if not isinstance(document, dict):
        return ()
    statements = document.get("Statement", [])
    variables = document.get("Version") == _WITH_VARIABLES
    listed = statements if isinstance(statements, list) else [statements]
    read = (_statement(one, variables=variables) for one in listed if isinstance(one, dict))
    return tuple(one for one in read if one is not None)


def _statement(data: dict[str, Any], *, variables: bool) -> Statement | None:
    effect = data.get("Effect")
    if effect not in ("Allow", "Deny"):
        return None

    def patterns(name: str, *, ignoring_case: bool = False) -> _Patterns | None:
        if name not in data:
            return None
        texts = [one.lower() if ignoring_case else one for one in _texts(data[name])]
        variable = [one for one in texts if variables and "${" in one and not ignoring_case]
        fixed = [wildcard(one).pattern for one in texts if one not in variable]
        return _Patterns(re.compile("|".join(fixed), re.DOTALL) if fixed else None, tuple(variable))

    conditions = []
    given = data.get("Condition") or {}
    for operator, keys in given.items() if isinstance(given, dict) else ():
        for key, values in keys.items() if isinstance(keys, dict) else ():
            conditions.append((operator, key.lower(), tuple(_texts(values))))
    return Statement(
        effect=effect,
        actions=patterns("Action", ignoring_case=True),
        not_actions=patterns("NotAction", ignoring_case=True),
        resources=patterns("Resource"),
        not_resources=patterns("NotResource"),
        conditions=tuple(conditions),
        variables=variables and any("${" in value for _, _, values in conditions for value in values),
        principal=data.get("Principal"),
        not_principal=data.get("NotPrincipal"),
    )


def _texts(value: object) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in listed if one is not None]


def _filled(text: str, facts: Facts) -> str | None:
    """With the request's values for `${…}`, `None` if it has none for one of them."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name, comma, default = (part.strip() for part in found.group(1).partition(","))
        if name in ("*", "?", "$"):
            return literal(name)
        values = facts.of(name.lower())
        if values is not None and len(values) == 1:
            return literal(values[0])
        if comma:
            return literal(default.strip("'"))
        missing = True
        return ""

    filled = _VARIABLE.sub(value, text)
    return None if missing else filled


Applies = Callable[[Statement], bool]


def first(policies: tuple[Policy, ...], effect: Effect, applies: Applies) -> bool:
    """Whether a statement of this effect applies."""
    return any(one.effect == effect and applies(one) for policy in policies for one in policy)
