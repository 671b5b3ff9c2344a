"""Whether a principal may do something, from all the policies that have a say in it. Pure.

Within one account: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from skykite_cloud.authorization.conditions import Values
from skykite_cloud.authorization.policies import Facts, Policy, Statement, first

Kind = Literal["identity-based policy", "resource-based policy", "permissions boundary", "session policy"]
Trust = Literal["itself", "role", "account"]

_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks. `arn` is the session's or the user's; `role` that of the session's role. `boundary` and `session` are
    `None` where nothing limits. `keys` are the condition keys that describe it, in lower case."""

    arn: str
    account: str
    role: str | None
    policies: tuple[Policy, ...]
    boundary: tuple[Policy, ...] | None
    session: tuple[Policy, ...] | None
    keys: Mapping[str, Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """`required`: it has to allow what an identity-based policy allows, as a key's has."""

    policy: Policy
    required: bool = False


@dataclass(frozen=True, slots=True)
class Denial:
    """`kind` is what denied, or had nothing to allow it."""

    kind: Kind
    explicit: bool


def decide(
    principal: Principal, action: str, resource: str | None, facts: Facts, policy: ResourcePolicy | None
) -> Denial | None:
    """`None` if it is allowed."""

    def applies(statement: Statement) -> bool:
        return statement.applies(action, resource, facts)

    layers: tuple[tuple[Kind, tuple[Policy, ...] | None], ...] = (
        ("identity-based policy", principal.policies),
        ("permissions boundary", principal.boundary),
        ("session policy", principal.session),
    )
    for kind, policies in layers:
        if policies and first(policies, "Deny", applies):
            return Denial(kind, explicit=True)
    trusted: set[Trust] = set()
    for statement in policy.policy if policy else ():
        named = _trust(statement, principal)
        if named and applies(statement):
            if statement.effect == "Deny":
                return Denial("resource-based policy", explicit=True)
            trusted.add(named)
    if "itself" in trusted:
        return None  # nothing limits what a resource grants to this very session
    own = first(principal.policies, "Allow", applies)
    if policy and policy.required and not trusted:
        return Denial("resource-based policy", explicit=False)
    if not own and "role" not in trusted:
        return Denial("identity-based policy", explicit=False)
    for kind, policies in layers[1:]:
        if policies is not None and not first(policies, "Allow", applies):
            return Denial(kind, explicit=False)
    return None


def allows_service(policy: Policy, service: str, action: str, resource: str, facts: Facts) -> bool:
    """Whether a resource's policy lets a service of AWS, `sns.amazonaws.com`, do something with it."""

    def concerns(statement: Statement) -> bool:
        given = statement.principal
        if given == "*" or (isinstance(given, dict) and "*" in _listed(given.get("AWS"))):
            return statement.applies(action, resource, facts)
        services = _listed(given.get("Service")) if isinstance(given, dict) else []
        return service in services and statement.applies(action, resource, facts)

    return first((policy,), "Allow", concerns) and not first((policy,), "Deny", concerns)


def _trust(statement: Statement, principal: Principal) -> Trust | None:
    """How a statement of a resource's policy names the principal, if it does."""
    if statement.not_principal is not None:
        return None if _named(statement.not_principal, principal) else "account"
    return _named(statement.principal, principal)


def _named(given: Any, principal: Principal) -> Trust | None:
    names = ["*"] if given == "*" else _listed(given.get("AWS")) if isinstance(given, dict) else []
    if principal.arn in names:
        return "itself"
    if "*" in names or (principal.role is not None and principal.role in names):
        return "role"
    accounts = (found.group(1) for name in names if (found := _ACCOUNT.fullmatch(name)))
    return "account" if principal.account in accounts else None


def _listed(value: object) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]
