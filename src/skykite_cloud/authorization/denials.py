"""What AWS answers to what is not allowed: the words, and how each protocol wraps them."""

from __future__ import annotations

from collections.abc import Mapping

from ministack.core.iam_actions import access_denied_response
from ministack.core.responses import fix_error_content_type

from skykite_cloud.authorization.decision import Denial

Answer = tuple[int, str, bytes]
"""Status, content type and body."""


def denial_message(principal_arn: str, action: str, resource: str | None, denial: Denial) -> str:
    """In AWS's words. Some services spell actions in their own way."""
    service, _, name = action.partition(":")
    spelled = {"sqs": f"sqs:{name.lower()}", "sns": f"SNS:{name}"}.get(service, action)
    where = f'"{resource}"' if service == "s3" and resource != "*" else resource
    on = f" on resource: {where}" if where is not None else ""
    article = "an" if denial.kind.startswith("identity") else "a"
    because = (
        f"with an explicit deny in {article} {denial.kind}"
        if denial.explicit
        else f"because no {denial.kind} allows the {spelled} action"
    )
    return f"User: {principal_arn} is not authorized to perform: {spelled}{on} {because}"


def denied(service: str, message: str, headers: Mapping[str, str], request_id: str) -> tuple[Answer, dict[str, str]]:
    """The answer, and its headers beside the content type."""
    code = "AuthorizationError" if service == "sns" else "AccessDenied"
    status, given, body = access_denied_response(
        service, "", "", request_id, error_code=code, message=message, headers=dict(headers)
    )
    if headers.get("x-amz-target") and service != "sqs":
        status = 400
    fix_error_content_type(service, status, given)
    more = {name: value for name, value in given.items() if name.lower() not in ("content-type", "content-length")}
    return (status, given.get("Content-Type", "application/json"), body), more | {"x-amzn-requestid": request_id}
