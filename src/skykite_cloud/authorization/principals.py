"""Who an access key stands for, and the policies that say what they may do, as IAM and STS have them at this moment.

MiniStack keeps users, roles and sessions; a document is parsed once, and looked up for every request, so that a change
takes effect with the next one. No I/O.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from skykite_cloud.authorization.conditions import Values
from skykite_cloud.authorization.decision import Principal
from skykite_cloud.authorization.policies import Policy, read_policy

Record = dict[str, Any]

_EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def find_principal(access_key_id: str, account: str) -> Principal | None:
    """Who holds a key that the guard has let in, `None` for the account itself."""
    sts, iam = _service("sts"), _service("iam")
    session = sts._sessions.get(access_key_id)
    if session is None:
        key = iam._access_keys.get_scoped(account, None, access_key_id) or {}
        return _user(iam, key.get("UserName", ""), account)
    arn = str(session.get("Arn", ""))
    if ":assumed-role/" in arn:
        return _role_session(iam, session, arn)
    if ":user/" in arn or session.get("PrincipalName"):
        return _user(iam, session.get("PrincipalName") or arn.rsplit("/", 1)[-1], account, session)
    if ":federated-user/" in arn:  # by the account, which may do everything
        limits = _limits_of(iam, session, account)
        return _principal(arn, account, None, (read_policy(_EVERYTHING),), None, limits, {})
    return None


def find_role(role_arn: str, session_name: str) -> Principal | None:
    """A role as a service of AWS uses it for somebody, `None` if there is no such role."""
    iam = _service("iam")
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    if iam._roles.get_scoped(account, None, name) is None:
        return None
    return _role_session(iam, {}, f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}")


def _role_session(iam: Any, session: Record, arn: str) -> Principal:
    account, name = arn.split(":")[4], arn.split("/")[1]
    role = iam._roles.get_scoped(account, None, name) or {}
    keys: dict[str, Values] = {"aws:userid": (str(session.get("UserId", "")),), "aws:principaltype": ("AssumedRole",)}
    keys |= _tags([*(role.get("Tags") or []), *(session.get("SessionTags") or [])])
    if "SourceFunctionArn" in session:
        keys["lambda:sourcefunctionarn"] = (session["SourceFunctionArn"],)
    if isinstance(session.get("IssuedAt"), (int, float)):
        keys["aws:tokenissuetime"] = _issued(session["IssuedAt"])
    return _principal(
        arn,
        account,
        role.get("Arn"),
        _documents(iam, role.get("InlinePolicies"), role.get("AttachedPolicies"), account),
        _boundary(iam, role, account),
        _limits_of(iam, session, account),
        keys,
    )


@lru_cache(maxsize=1024)
def _issued(at: float) -> Values:
    return (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),)


def _user(iam: Any, name: str, account: str, session: Record | None = None) -> Principal:
    user = iam._users.get_scoped(account, None, name) or {}
    inline = iam._user_inline_policies.get_scoped(account, None, name)
    policies = _documents(iam, inline, user.get("AttachedPolicies"), account)
    for (owner, group_name), group in iam._groups.to_dict().items():
        if owner == account and name in group.get("Users", ()):
            inline = iam._group_inline_policies.get_scoped(account, None, group_name)
            policies += _documents(iam, inline, group.get("AttachedPolicies"), account)
    keys: dict[str, Values] = {
        "aws:userid": (str(user.get("UserId", "")),),
        "aws:username": (name,),
        "aws:principaltype": ("User",),
    }
    return _principal(
        user.get("Arn") or f"arn:aws:iam::{account}:user/{name}",
        account,
        None,
        policies,
        _boundary(iam, user, account),
        _limits_of(iam, session or {}, account),
        keys | _tags(user.get("Tags") or []),
    )


def _principal(
    arn: str,
    account: str,
    role: str | None,
    policies: tuple[Policy, ...],
    boundary: tuple[Policy, ...] | None,
    session: tuple[Policy, ...] | None,
    keys: dict[str, Values],
) -> Principal:
    keys |= {"aws:principalarn": (role or arn,), "aws:principalaccount": (account,)}
    return Principal(
        arn=arn, account=account, role=role, policies=policies, boundary=boundary, session=session, keys=keys
    )


def _documents(iam: Any, inline: Record | None, attached: list[str] | None, account: str) -> tuple[Policy, ...]:
    found = [read_policy(document) for document in (inline or {}).values()]
    return (*found, *(_managed(iam, arn, account) for arn in attached or ()))


def _managed(iam: Any, arn: str, account: str) -> Policy:
    if arn.startswith("arn:aws:iam::aws:policy/"):
        policy = iam._lookup_policy(arn)
    else:
        policy = iam._policies.get_scoped(account, None, arn)
    version = ((policy or {}).get("Versions") or {}).get((policy or {}).get("DefaultVersionId", "v1")) or {}
    return read_policy(version.get("Document"))


def _boundary(iam: Any, owner: Record, account: str) -> tuple[Policy, ...] | None:
    arn = owner.get("PermissionsBoundary")
    if isinstance(arn, dict):
        arn = arn.get("PermissionsBoundaryArn")
    return (_managed(iam, arn, account),) if arn else None


def _limits_of(iam: Any, session: Record, account: str) -> tuple[Policy, ...] | None:
    passed = session.get("SessionPolicies")
    if passed is None:
        return None
    inline = (read_policy(passed["Policy"]),) if passed.get("Policy") else ()
    return (*inline, *(_managed(iam, arn, account) for arn in passed.get("PolicyArns") or ()))


def _tags(tags: list[Record]) -> dict[str, Values]:
    return {f"aws:principaltag/{tag['Key'].lower()}": (str(tag["Value"]),) for tag in tags}


def _service(name: str) -> Any:
    return importlib.import_module(f"ministack.services.{name}")
