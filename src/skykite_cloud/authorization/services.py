"""What AWS's own services may do on somebody's behalf: deliver to a resource that trusts them, use a role that may.

Those parts of this cloud that act as services ask here. Nothing is remembered. No I/O.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope

from skykite_cloud.authorization.authorizer import judge
from skykite_cloud.authorization.calls import Check
from skykite_cloud.authorization.conditions import Values
from skykite_cloud.authorization.decision import allows_service
from skykite_cloud.authorization.principals import find_role
from skykite_cloud.authorization.resourcepolicies import policy_of
from skykite_cloud.seams import when_imported

Record = dict[str, Any]

_DELIVERING = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "kinesis": "kinesis:PutRecord",
    "states": "states:StartExecution",
    "events": "events:PutEvents",
}
_POLLING = {
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    "kinesis": ("GetRecords", "GetShardIterator", "DescribeStream"),
    "dynamodb": ("GetRecords", "GetShardIterator", "DescribeStream"),
}
_STREAM = (
    "Cannot access stream {arn}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, "
    "and ListStreams Actions on your stream in IAM."
)


class ServicePermissions:
    """`enforced` is whether anything is ever refused."""

    def __init__(self, *, enforced: bool) -> None:
        self._enforced = enforced

    def refuse_delivery(self, service: str, resource: str, source: str) -> str | None:
        """Why `sns`, `events` or `s3` may not deliver from `source` to a resource, by that resource's own policy. In
        the scope of an account and region, as what follows."""
        action = _DELIVERING.get(_service_of(resource))
        if not self._enforced or action is None:
            return None
        principal = f"{service}.amazonaws.com"
        account = (source.split(":") + [""] * 5)[4] or get_account_id()
        known: dict[str, Values] = {
            "aws:sourcearn": (source,),
            "aws:sourceaccount": (account,),
            "aws:sourceowner": (account,),
            "aws:principalservicename": (principal,),
            "aws:principalisawsservice": ("true",),
            "aws:securetransport": ("true",),
        }
        found = policy_of(resource)
        if found is not None and allows_service(found.policy, principal, action, resource, _Known(known)):
            return None
        return f"the policy of `{resource}` does not allow {principal} the action {action} for `{source}`"

    def refuse_use(self, role: str, resource: str, *, session: str) -> str | None:
        """Why a service that acts as this role may not deliver to a resource."""
        action = _DELIVERING.get(_service_of(resource))
        if not self._enforced or action is None or self._may(role, action, resource, session):
            return None
        return f"the role `{role}` does not allow the action {action} on `{resource}`"

    def install(self) -> None:
        """Ask a function's role before an event source mapping of it is made."""
        if self._enforced:
            when_imported("ministack.services.lambda_svc", self._ask_first)

    def _ask_first(self, lambda_svc: Any) -> None:
        create = lambda_svc._create_esm

        def create_esm(data: Record) -> Any:
            refused = self._refuse_mapping(lambda_svc, data)
            if refused is None:
                return create(data)
            return error_response_json("InvalidParameterValueException", refused, 400)

        lambda_svc._create_esm = create_esm

    def _refuse_mapping(self, lambda_svc: Any, data: Record) -> str | None:
        source, name = str(data.get("EventSourceArn") or ""), str(data.get("FunctionName") or "")
        function = lambda_svc._functions.get(lambda_svc._resolve_request_scoped_name(name))
        service = _service_of(source)
        if function is None or service not in _POLLING:
            return None  # which Lambda says itself
        role = str(function["config"].get("Role", ""))
        for operation in _POLLING[service]:
            if not self._may(role, f"{service}:{operation}", source, function["config"]["FunctionName"]):
                if service == "sqs":
                    return f"The function execution role does not have permissions to call {operation} on SQS"
                return _STREAM.format(arn=source)
        return None

    def _may(self, role: str, action: str, resource: str, session: str) -> bool:
        principal = find_role(role, session) if role.startswith("arn:") else None
        if principal is None:
            return False
        with request_scope(get_account_id(), get_region()):
            return judge(principal, Check(action=action, resource=resource), region=get_region()) is None


class _Known:
    def __init__(self, known: dict[str, Values]) -> None:
        self._known = known

    def of(self, key: str) -> Values | None:
        return self._known.get(key)


def _service_of(arn: str) -> str:
    return (arn.split(":") + [""] * 3)[2]
