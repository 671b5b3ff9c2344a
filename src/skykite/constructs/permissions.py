"""What a function may do: from the short forms of `permissions` to IAM statements.

In: a grantee and one permission. Out: statements on its role, by CDK's grant methods where they exist, because those
also grant the keys that encrypt a resource. I/O: none but questions to the CDK kernel.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, Final

from aws_cdk import aws_iam as iam

from skykite.constructs.links import has_attribute
from skykite.constructs.props import PropProblem, listed, shown

_ACTION: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9*?]+")

GRANTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    # what tells the resource apart, and CDK's grants that together mean “use it”
    ("table_arn", ("grant_read_write_data",)),
    ("queue_arn", ("grant_send_messages",)),
    ("topic_arn", ("grant_publish",)),
    ("bucket_arn", ("grant_read_write",)),
    ("event_bus_arn", ("grant_put_events_to",)),
    ("stream_arn", ("grant_write",)),
    ("state_machine_arn", ("grant_start_execution", "grant_read")),
    ("function_arn", ("grant_invoke",)),
    ("secret_arn", ("grant_read",)),
    ("parameter_arn", ("grant_read",)),
    ("key_arn", ("grant_encrypt_decrypt",)),
)


def check_permission(permission: Any) -> None:
    """Refuse what is no permission before anything is granted it. Raises PropProblem."""
    match permission:
        case str():
            _action(permission)
        case iam.PolicyStatement() | (_, str()):
            pass
        case _ if not hasattr(permission, "node"):
            raise _unknown(permission)


def grant(function: Any, permission: Any) -> None:
    """`function` is a Skykite `Function`. Raises PropProblem."""
    grant_to(function.cdk.function, permission)


def grant_to(grantee: Any, permission: Any) -> None:
    """`grantee` is an `aws_iam.IGrantable`. Raises PropProblem."""
    match permission:
        case str():
            _allow(grantee, iam.PolicyStatement(actions=[_action(permission)], resources=["*"]))
        case iam.PolicyStatement():
            _allow(grantee, permission)
        case (construct, str(method)):
            _grant_by_method(grantee, construct, method)
        case _ if hasattr(permission, "node"):
            _grant_use(grantee, permission)
        case _:
            raise _unknown(permission)


def _unknown(permission: Any) -> PropProblem:
    return PropProblem(
        "permission-unknown",
        f"has {shown(permission)} in `permissions`",
        hint='a permission is "*", "service:Action", a construct, (construct, "grant_read"), or a statement',
    )


def _allow(grantee: Any, statement: iam.PolicyStatement) -> None:
    if has_attribute(grantee, "add_to_role_policy"):
        grantee.add_to_role_policy(statement)
    else:
        grantee.grant_principal.add_to_principal_policy(statement)


def _action(text: str) -> str:
    if text == "*" or _ACTION.fullmatch(text):
        return text
    raise PropProblem(
        "permission-unknown",
        f"has `{text}` in `permissions`, which is not an IAM action",
        hint=f'write "{text}:*" for all of a service\'s actions'
        if re.fullmatch(r"[a-z0-9-]+", text)
        else 'write it as IAM does, for instance "s3:GetObject"',
        link="https://docs.aws.amazon.com/service-authorization/latest/reference/",
    )


def _grant_by_method(grantee: Any, construct: Any, method: str) -> None:
    target = construct
    if not has_attribute(target, method) and hasattr(type(target), "cdk_resource"):
        target = target.cdk_resource
    if not method.startswith("grant") or not has_attribute(target, method):
        known = sorted(name for name in dir(target) if name.startswith("grant"))
        near = difflib.get_close_matches(method, known, n=1, cutoff=0.8)
        path = construct.node.path if hasattr(construct, "node") else shown(construct)
        raise PropProblem(
            "permission-unknown",
            f"has `{method}` in `permissions`, which `{path}` does not offer",
            hint=f"did you mean `{near[0]}`?" if near else f"it offers {listed(known)}" if known else None,
        )
    getattr(target, method)(grantee)


def _grant_use(grantee: Any, construct: Any) -> None:
    own = getattr(type(construct), "grant_to", None)
    if callable(own):
        own(construct, grantee)
        return
    for attribute, methods in GRANTS:
        if has_attribute(construct, attribute):
            for method in methods:
                getattr(construct, method)(grantee)
            return
    if has_attribute(construct, "user_pool_arn"):
        _allow(grantee, iam.PolicyStatement(actions=["cognito-idp:*"], resources=[construct.user_pool_arn]))
        return
    known = sorted(name for name in dir(construct) if name.startswith("grant_"))
    raise PropProblem(
        "permission-unknown",
        f"has `{construct.node.path}`, a {type(construct).__name__}, in `permissions`; Skykite cannot tell what "
        "using it takes",
        hint=f'name what it may do: (construct, "{known[0]}")' if known else "give an `aws_iam.PolicyStatement`",
    )
