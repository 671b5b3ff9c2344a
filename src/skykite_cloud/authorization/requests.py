"""From a request to its checks: whose protocol it has to be in, and which service's rules say what it is about.

Services that are not known here in detail are judged by the action alone, with no resource. In: a `Request`. Out: what
has to be allowed; nothing where AWS asks for no permission, or where somebody else asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.iam_actions import SERVICE_TO_IAM_NAMESPACE, unsigned_operations

from skykite_cloud.authorization import configuration, messages, routes, tables
from skykite_cloud.authorization.calls import (
    Check,
    Data,
    Request,
    UnclearCallError,
    json_object,
    json_operation,
    pass_role,
    query_operation,
    text,
)
from skykite_cloud.authorization.objects import object_checks

Derive = Callable[[Request, str, Data], list[Check]]

_FREE = {"sts:GetCallerIdentity", "sts:GetSessionToken", "sts:GetAccessKeyInfo"}
_ASKED_ELSEWHERE = {  # `skykite_cloud.assumerole`, and who signs in with another provider's token
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
}
_CBOR = re.compile(r"/service/[A-Za-z0-9]+/operation/([A-Za-z0-9]+)")


def checks_of(request: Request) -> list[Check]:
    """Raises `UnclearCallError`."""
    service = request.service
    if service == "s3":
        return object_checks(request)
    if service in _JSON:
        prefix, derive = _JSON[service]
        if "x-amz-target" not in request.headers and service in _QUERY:
            operation, parameters = query_operation(request)
            return derive(request, operation, dict(parameters))
        operation, data = json_operation(request, prefix)
        if operation in unsigned_operations(service):
            return []
        return derive(request, operation, data)
    if service in _REST:
        return _REST[service](request)
    namespace = SERVICE_TO_IAM_NAMESPACE.get(service, service)
    if service in _QUERY:
        operation, parameters = query_operation(request)
        action = f"{namespace}:{operation}"
        if action in _FREE | _ASKED_ELSEWHERE:
            return []
        return _QUERY[service](request, operation, parameters)
    return _of_any(request, namespace)


def _of_any(request: Request, namespace: str) -> list[Check]:
    cbor = _CBOR.fullmatch(request.path)
    if cbor and request.method == "POST" and not request.query and "x-amz-target" not in request.headers:
        return [Check(action=f"{namespace}:{cbor.group(1)}")]
    if "x-amz-target" in request.headers:
        operation, _ = json_operation(request, request.headers["x-amz-target"].rpartition(".")[0])
        return [Check(action=f"{namespace}:{operation}")]
    if request.path == "/":
        operation, _ = query_operation(request)
        return [Check(action=f"{namespace}:{operation}")]
    return routes.other_checks(request, namespace)


def _log_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """CloudWatch Logs. Policies name a group with or without what is in it."""
    group = text(data, "logGroupName")
    given = text(data, "logGroupIdentifier") or text(data, "resourceArn")
    if group and given:
        raise UnclearCallError("two log groups are named")
    if given.startswith("arn:"):
        arn = given.removesuffix(":*")
    elif group or given:
        arn = request.arn("logs", f"log-group:{group or given}")
    else:
        everything = operation in ("DescribeLogGroups", "DescribeQueries", "DescribeResourcePolicies")
        return [Check(action=f"logs:{operation}", resource="*" if everything else None)]
    stream = text(data, "logStreamName")
    inside = f"{arn}:log-stream:{stream}"
    return [Check(action=f"logs:{operation}", resource=inside, spellings=() if stream else (arn,))]


def _machine_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Step Functions."""
    names = ("stateMachineArn", "executionArn", "activityArn", "resourceArn", "mapRunArn", "stateMachineAliasArn")
    given = [arn for name in names if (arn := text(data, name))]
    if len(given) > 1:
        raise UnclearCallError("two resources are named")
    action = f"states:{operation}"
    if given:
        return [Check(action=action, resource=given[0]), *pass_role(data.get("roleArn"), "states")]
    if operation == "CreateStateMachine":
        machine = request.arn("states", f"stateMachine:{text(data, 'name')}")
        return [Check(action=action, resource=machine), *pass_role(data.get("roleArn"), "states")]
    listing = operation.startswith(("List", "SendTask", "ValidateStateMachine"))
    return [Check(action=action, resource="*" if listing else None)]


def _pool_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Cognito's user pools."""
    pool = text(data, "UserPoolId")
    if not pool:
        arn = text(data, "ResourceArn")
        unnamed = operation in ("ListUserPools", "CreateUserPool")
        return [Check(action=f"cognito-idp:{operation}", resource="*" if unnamed else arn or None)]
    return [Check(action=f"cognito-idp:{operation}", resource=request.arn("cognito-idp", f"userpool/{pool}"))]


def _account_checks(request: Request, operation: str, data: Mapping[str, Any]) -> list[Check]:
    """IAM itself."""
    account = f"arn:aws:iam::{request.account}"
    kinds = {"RoleName": "role", "UserName": "user", "GroupName": "group", "InstanceProfileName": "instance-profile"}
    given = [f"{account}:{kind}/{data[name]}" for name, kind in kinds.items() if data.get(name)]
    if not given and data.get("PolicyArn"):
        given = [str(data["PolicyArn"])]
    if not given and data.get("PolicyName"):
        given = [f"{account}:policy/{data['PolicyName']}"]
    listing = operation.startswith(("List", "Get"))
    return [Check(action=f"iam:{operation}", resource=one) for one in given] or [
        Check(action=f"iam:{operation}", resource="*" if listing else None)
    ]


def _stack_checks(request: Request, operation: str, data: Mapping[str, Any]) -> list[Check]:
    """CloudFormation."""
    name = str(data.get("StackName") or "")
    stack = name if name.startswith("arn:") else request.arn("cloudformation", f"stack/{name}/*") if name else None
    return [
        Check(action=f"cloudformation:{operation}", resource=stack),
        *pass_role(data.get("RoleARN"), "cloudformation"),
    ]


def _any_query(namespace: str) -> Derive:
    def derive(request: Request, operation: str, data: Data) -> list[Check]:
        return [Check(action=f"{namespace}:{operation}")]

    return derive


def _mail_checks(request: Request) -> list[Check]:
    """SES, by its forms or its REST API."""
    if request.path == "/":
        operation, _ = query_operation(request)
        return [Check(action=f"ses:{operation}")]
    json_object(request.body)
    return routes.other_checks(request, "ses")


_JSON: dict[str, tuple[str, Derive]] = {
    "dynamodb": ("DynamoDB_20120810", tables.table_checks),
    "dynamodbstreams": ("DynamoDBStreams_20120810", tables.stream_checks),
    "sqs": ("AmazonSQS", messages.queue_checks),
    "events": ("AWSEvents", messages.bus_checks),
    "kinesis": ("Kinesis_20131202", messages.stream_checks),
    "firehose": ("Firehose_20150804", messages.delivery_checks),
    "ssm": ("AmazonSSM", configuration.parameter_checks),
    "secretsmanager": ("secretsmanager", configuration.secret_checks),
    "kms": ("TrentService", configuration.key_checks),
    "logs": ("Logs_20140328", _log_checks),
    "states": ("AWSStepFunctions", _machine_checks),
    "cognito-idp": ("AWSCognitoIdentityProviderService", _pool_checks),
}
_QUERY: dict[str, Derive] = {
    "sqs": messages.queue_checks,
    "sns": messages.topic_checks,
    "iam": _account_checks,
    "sts": _any_query("sts"),
    "cloudformation": _stack_checks,
    "ec2": _any_query("ec2"),
    "autoscaling": _any_query("autoscaling"),
    "rds": _any_query("rds"),
    "elasticache": _any_query("elasticache"),
    "elasticloadbalancing": _any_query("elasticloadbalancing"),
}
_REST: dict[str, Callable[[Request], list[Check]]] = {
    "lambda": routes.function_checks,
    "scheduler": routes.schedule_checks,
    "apigateway": routes.api_checks,
    "ses": _mail_checks,
}
