"""Who may assume the roles of a stage's functions: the developer, named so that IAM recognizes them.

In: what STS says of the caller. Out: a statement of a trust policy. Pure.

The principal is the account, narrowed to one identity by `aws:PrincipalArn`: STS names the session of a role without
the role's path (`assumed-role/Admin/alice`), and IAM takes no wildcard in a principal.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

from __future__ import annotations

from typing import Any, Final

from skykite.aws import Identity

TRUST_SID: Final = "SkykiteLive"
_ACTIONS: Final = ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession")
"""The others are asked for when the developer's own session carries a source identity or tags that are passed on."""


def trust_statement(identity: Identity) -> dict[str, Any]:
    """Lets that identity, and nobody else of its account, assume the role."""
    arns = principal_arns(identity)
    return {
        "Sid": TRUST_SID,
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{identity.partition}:iam::{identity.account}:root"},
        "Action": list(_ACTIONS),
        "Condition": {"ArnLike": {"aws:PrincipalArn": arns[0] if len(arns) == 1 else arns}},
    }


def principal_arns(identity: Identity) -> list[str]:
    """What `aws:PrincipalArn` may be for it: of a role's session, the role, whatever its path."""
    _, _, service, _, account, resource = identity.arn.split(":", 5)
    kind, _, rest = resource.partition("/")
    if service == "sts" and kind == "assumed-role":
        role = rest.rpartition("/")[0] or rest
        base = f"arn:{identity.partition}:iam::{account}:role"
        return [f"{base}/{role}", f"{base}/*/{role}"]
    return [identity.arn]
