"""Judges each signed request that is not the owner's, and tells the owner once of what was denied.

In: a request as it is going to reach MiniStack, and the key it was signed with. Out: nothing, or the answer to give.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ministack.app
from ministack.core.iam_actions import request_tag_context
from ministack.core.responses import request_scope

from skykite_cloud.authorization.calls import Check, Request, UnclearCallError, refuse_shape
from skykite_cloud.authorization.conditions import Values
from skykite_cloud.authorization.decision import Denial, Principal, decide
from skykite_cloud.authorization.denials import Answer, denial_message, denied
from skykite_cloud.authorization.principals import find_principal
from skykite_cloud.authorization.requests import checks_of
from skykite_cloud.authorization.resourcepolicies import policy_of, tags_of

Say = Callable[[dict[str, Any]], None]

_MOST_TOLD = 1000
_UNCLEAR = "The embedded cloud cannot tell what this request asks for, and refuses it"

logger = logging.getLogger("skykite.authorization")


@dataclass(frozen=True, slots=True)
class Refusal:
    """`headers` are those of the answer beside its content type."""

    answer: Answer
    headers: dict[str, str]


class Authorizer:
    """`say` tells the owner. Nothing is remembered of policies: a change of one counts from the next request on."""

    def __init__(self, *, say: Say) -> None:
        self._say = say
        self._told: set[tuple[str, str, str | None]] = set()

    def authorize(self, request: Request, access_key_id: str, header_names: list[str]) -> Refusal | None:
        """`None` if all that the request asks for is allowed."""
        with request_scope(request.account, request.region):
            principal = find_principal(access_key_id, request.account)
            if principal is None:
                return None
            try:
                refuse_shape(request, header_names)
                checks = checks_of(request)
            except UnclearCallError as error:
                logger.warning("%s: refused %s %s: %s", principal.arn, request.method, request.path[:200], error)
                return _refusal(request, f"{_UNCLEAR}: {error}")
            for check in checks:
                denial = judge(principal, check, region=request.region, request=request)
                if denial is not None:
                    return self._deny(request, principal, check, denial)
        return None

    def forget_told(self) -> None:
        """Tell of the same denials again: something was deployed."""
        self._told.clear()

    def _deny(self, request: Request, principal: Principal, check: Check, denial: Denial) -> Refusal:
        message = denial_message(principal.arn, check.action, check.resource, denial)
        told = (principal.arn, check.action, check.resource)
        if told not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(told)
            logger.warning("%s", message)
            self._say(
                {
                    "event": "denied",
                    "principal": principal.arn,
                    "action": check.action,
                    "resource": check.resource,
                    "by": denial.kind,
                    "explicit": denial.explicit,
                }
            )
        return _refusal(request, message)


def judge(principal: Principal, check: Check, *, region: str, request: Request | None = None) -> Denial | None:
    """`None` if it is allowed. In the scope of the account and region."""
    facts = _Facts(principal, check, region, request)
    policy = policy_of(check.resource)
    resources = (check.resource, *check.spellings)
    found = [decide(principal, check.action, resource, facts, policy) for resource in resources]
    for denial in found:
        if denial is not None and denial.explicit:
            return denial
    return None if None in found else found[0]


def _refusal(request: Request, message: str) -> Refusal:
    answer, headers = denied(request.service, message, request.headers, str(uuid.uuid4()))
    return Refusal(answer, headers)


class _Facts:
    """Condition keys: of the caller, of the request, of the resource. What is costly is found out when it is asked."""

    def __init__(self, principal: Principal, check: Check, region: str, request: Request | None) -> None:
        self._principal = principal
        self._check = check
        self._region = region
        self._request = request

    def of(self, key: str) -> Values | None:
        known = self._principal.keys.get(key)
        if known is not None:
            return known
        plain = _GLOBAL.get(key)
        if plain is not None:
            return (plain(),)
        if key == "aws:requestedregion":
            return (self._region,)
        if key in ("aws:resourceaccount", "s3:resourceaccount"):
            owner = (self._check.resource or "").split(":")[4:5]
            return (owner[0] if owner and owner[0] else self._principal.account,)
        if key.startswith("aws:resourcetag/") and self._check.resource:
            tags = {name.lower(): value for name, value in tags_of(self._check.resource).items()}
            value = tags.get(key.partition("/")[2])
            return None if value is None else (value,)
        if key.startswith("aws:requesttag/") or key == "aws:tagkeys":
            return self._requested_tags(key)
        return self._check.lookup(key)

    def _requested_tags(self, key: str) -> Values | None:
        request = self._request
        if request is None:
            return None
        parameters = ministack.app._routing_params(
            request.method, request.path, dict(request.headers), request.body, dict(request.query)
        )
        found = request_tag_context(request.service, self._check.action, request.body, parameters)
        value = next((value for name, value in found.items() if name.lower() == key), None)
        if value is None:
            return None
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


_GLOBAL: dict[str, Callable[[], str]] = {
    "aws:securetransport": lambda: "true",  # as it is where AWS answers
    "aws:sourceip": lambda: "127.0.0.1",
    "aws:viaawsservice": lambda: "false",
    "aws:principalisawsservice": lambda: "false",
    "aws:currenttime": lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "aws:epochtime": lambda: str(int(time.time())),
}
