"""sts:AssumeRole asks the role's trust policy, and the caller's own policies where trust goes to a whole account.

MiniStack hands out credentials of any role, even of one that does not exist, unless it enforces all permissions. What
a session policy takes away is MiniStack's to keep; it is checked here for what STS refuses.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id

from skykite_cloud.seams import when_imported

Handle = Callable[..., Awaitable[Any]]
Parameters = dict[str, Any]

_ACTION = "sts:AssumeRole"
_ACCOUNT = re.compile(r"\d{12}|arn:aws[a-z-]*:iam::\d{12}:root")
_SHORTEST_S, _DEFAULT_LONGEST_S = 900, 3600


def install() -> None:
    """Ask before MiniStack answers."""
    when_imported("ministack.services.sts", _ask_first)


def _ask_first(sts: Any) -> None:
    handle: Handle = sts.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: Parameters) -> Any:
        parameters = _parameters(headers, body, query)
        if sts._p(parameters, "Action") == "AssumeRole":
            refused = _refuse(sts, parameters, extract_access_key_id(headers, query))
            if refused is not None:
                return refused
        return await handle(method, path, headers, body, query)

    sts.handle_request = handle_request


def _parameters(headers: dict[str, str], body: bytes, query: Parameters) -> Parameters:
    target = headers.get("x-amz-target", "")
    if target:
        try:
            return {**json.loads(body or b"{}"), "Action": target.rpartition(".")[2]}
        except ValueError:
            return {}
    return {**query, **parse_qs(body.decode(errors="replace"))}


def _refuse(sts: Any, parameters: Parameters, access_key_id: str) -> Any:
    """STS's answer, `None` if the role may be assumed."""
    arn = sts._p(parameters, "RoleArn")
    _, malformed = sts._assumed_role_arn(arn, sts._p(parameters, "RoleSessionName"))
    if malformed:
        return None  # MiniStack says so itself
    account = arn.split(":")[4]
    tags, malformed = sts._session_tags(parameters)
    if malformed:
        return malformed
    _, malformed = sts._session_policies(parameters, account)
    if malformed:
        return malformed
    iam = importlib.import_module("ministack.services.iam")
    role = iam._roles.get_scoped(account, None, arn.rsplit("/", 1)[-1])
    caller = _caller(access_key_id)
    if role is None or not _may(caller, role, arn, sts, parameters, tags):
        message = f"User: {caller.arn} is not authorized to perform: {_ACTION} on resource: {arn}"
        return sts._error(403, "AccessDenied", message, ns="sts")
    longest = int(role.get("MaxSessionDuration") or _DEFAULT_LONGEST_S)
    seconds = int(sts._p(parameters, "DurationSeconds") or _SHORTEST_S)
    if not _SHORTEST_S <= seconds <= longest:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return sts._error(400, "ValidationError", message, ns="sts")
    return None


def _caller(access_key_id: str) -> Any:
    """MiniStack's `PrincipalInfo` of a key that the guard has let in."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    return evaluator.resolve_principal(access_key_id, get_account_id())


def _may(caller: Any, role: Any, arn: str, sts: Any, parameters: Parameters, tags: Any) -> bool:
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    context = evaluator.EvalContext(
        principal_arn=caller.arn,
        principal_type=caller.type,
        principal_account=caller.account,
        action=_ACTION,
        resource_arn=arn,
        region=get_region(),
        secure_transport=True,
        service_context={
            "sts:externalid": sts._p(parameters, "ExternalId", None),
            "sts:rolesessionname": sts._p(parameters, "RoleSessionName", None),
        },
        request_tags={tag["Key"]: tag["Value"] for tag in tags},
        tag_keys=[tag["Key"] for tag in tags],
        principal_keys=caller.keys,
    )
    trust = role.get("AssumeRolePolicyDocument", "{}")
    if not evaluator.evaluate_trust_policy(_of_callers(trust), caller.arn, context):
        return False
    if caller.policies is None:
        return True
    own = evaluator.evaluate(context, caller.policies, *caller.limits).decision
    if own != "ImplicitDeny":
        return bool(own == "Allow")
    limited = any(caller.limits)
    named = evaluator.evaluate_trust_policy(_of_callers(trust, accounts=False), caller.arn, context)
    return bool(named) and not limited


def _of_callers(trust: Any, *, accounts: bool = True) -> dict[str, Any]:
    """The statements about people and roles: MiniStack takes a service's principal for the account's root. Without
    those that trust an account as a whole, which leave it to the account's policies."""
    document = json.loads(trust) if isinstance(trust, str) else trust
    statements = document.get("Statement", [])
    kept = []
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal")
        if isinstance(principal, dict):
            named = principal.get("AWS", [])
            listed = [named] if isinstance(named, str) else named
            if not accounts and statement.get("Effect") == "Allow":
                listed = [one for one in listed if not _ACCOUNT.fullmatch(one)]
            principal = {"AWS": listed}
        kept.append({**statement, "Principal": principal})
    return {"Statement": kept}
