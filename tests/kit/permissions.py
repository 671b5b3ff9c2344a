"""Roles with policies in the embedded cloud, made as an app makes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy

Statement = dict[str, Any]


def make_role(cloud: RunningCloud, *statements: Statement, boundary: list[Statement] | None = None) -> str:
    """A role that Lambda may use, made by CloudFormation. Returns its ARN."""
    name = f"role-{uuid.uuid4().hex[:12]}"
    properties: dict[str, Any] = {
        "RoleName": name,
        "AssumeRolePolicyDocument": document(
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ),
    }
    if statements:
        properties["Policies"] = [{"PolicyName": "all", "PolicyDocument": document(*statements)}]
    deploy(cloud, name, {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}})
    if boundary is not None:
        iam = cloud.client("iam")
        policy = iam.create_policy(PolicyName=f"{name}-b", PolicyDocument=json.dumps(document(*boundary)))["Policy"]
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=policy["Arn"])
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def document(*statements: Statement) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def refused(call: Callable[[], Any]) -> ClientError:
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value


def code(call: Callable[[], Any]) -> str:
    found: str = refused(call).response["Error"]["Code"]
    return found


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"
