"""Whether services may deliver what they deliver, and roles read what they are to read. No I/O.

A topic needs the queue's policy, a rule the function's, a schedule its role, a mapping the function's role: what AWS
would not deliver is not delivered here. Nothing is asked where the owner wants no permissions (`kite dev --no-iam`).
"""

from __future__ import annotations

import importlib

from ministack.core.responses import get_account_id, get_region

from skykite_cloud.authorization.authorizer import judge
from skykite_cloud.authorization.calls import Check
from skykite_cloud.authorization.conditions import Values
from skykite_cloud.authorization.decision import allows_service
from skykite_cloud.authorization.principals import find_role
from skykite_cloud.authorization.resourcepolicies import policy_of
from skykite_cloud.triggers import queues
from skykite_cloud.triggers.invoking import find_function
from skykite_cloud.triggers.queues import UndeliverableError

_ACTIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
    "kinesis": "kinesis:PutRecord",
    "states": "states:StartExecution",
    "s3": "s3:PutObject",
}
_READING = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "kinesis": ("kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStream", "kinesis:ListShards"),
    "dynamodb": ("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"),
}
_STREAM_ACTIONS = {
    "kinesis": "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams",
    "dynamodb": "GetRecords, GetShardIterator, DescribeStream, and ListStreams",
}


class Permissions:
    """In the scope of the account and region that it is about."""

    def __init__(self, *, enforced: bool) -> None:
        self._enforced = enforced

    def of_service(self, service: str, target: str, source: str) -> None:
        """`sns.amazonaws.com` delivers to a queue or function, for a topic. Raises `UndeliverableError`."""
        action = _action(target)
        if not self._enforced or action is None or is_missing(target):
            return
        policy = policy_of(target)
        if policy is None or not allows_service(policy.policy, service, action, target, _Delivery(source)):
            raise UndeliverableError(
                "NO_PERMISSIONS", f"the policy of {target} does not let {service} perform {action} for {source}"
            )

    def of_role(self, role: str, session: str, target: str, *, action: str | None = None) -> None:
        """A role is used to deliver to a target. Raises `UndeliverableError`."""
        wanted = action or _action(target)
        if not self._enforced or wanted is None or is_missing(target):
            return
        if not _may(role, session, wanted, f"{target}/*" if wanted == "s3:PutObject" else target):
            raise UndeliverableError(
                "NO_PERMISSIONS", f"the role {role} is not allowed to perform {wanted} on {target}"
            )

    def reading_problem(self, role: str, session: str, source: str) -> str | None:
        """What Lambda says if a function's role may not read a source, `None` if it may."""
        kind = [*source.split(":"), "", "", ""][2]
        if not self._enforced or kind not in _READING:
            return None
        missing = [action for action in _READING[kind] if not _may(role, session, action, source)]
        if not missing:
            return None
        if kind == "sqs":
            operation = missing[0].partition(":")[2]
            return f"The provided execution role does not have permissions to call {operation} on SQS"
        return (
            f"Cannot access stream {source}. Please ensure the role can perform the {_STREAM_ACTIONS[kind]} Actions on "
            f"your stream in IAM. Missing: {', '.join(missing)}"
        )


class _Delivery:
    """Condition keys of a delivery."""

    def __init__(self, source: str) -> None:
        self._known: dict[str, Values] = {
            "aws:sourcearn": (source,),
            "aws:sourceaccount": (source.split(":")[4] or get_account_id(),),
            "aws:sourceowner": (source.split(":")[4] or get_account_id(),),
            "aws:securetransport": ("true",),
            "aws:principalisawsservice": ("true",),
            "aws:viaawsservice": ("false",),
            "aws:requestedregion": (get_region(),),
        }

    def of(self, key: str) -> Values | None:
        return self._known.get(key)


def is_missing(target: str) -> bool:
    """Whether a function, queue or topic is not there at all: then that is what is to be said, and not who may use
    it."""
    match [*target.split(":"), "", "", ""][2]:
        case "lambda":
            return find_function(target, (get_account_id(), get_region())) is None
        case "sqs":
            return queues.find_queue(target) is None
        case "sns":
            return importlib.import_module("ministack.services.sns")._topic_by_arn_any_scope(target) is None
    return False


def _action(target: str) -> str | None:
    return _ACTIONS.get([*target.split(":"), "", "", ""][2])


def _may(role: str, session: str, action: str, resource: str) -> bool:
    principal = find_role(role, session)
    if principal is None:
        return False
    return judge(principal, Check(action=action, resource=resource), region=get_region()) is None
