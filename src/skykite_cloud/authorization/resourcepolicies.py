"""The policies that resources carry themselves, as the services keep them. No I/O."""

from __future__ import annotations

import importlib
from typing import Any

from skykite_cloud.authorization.decision import ResourcePolicy
from skykite_cloud.authorization.policies import read_policy
from skykite_cloud.seams import imported

_LOOKUPS = {
    "sqs": ("sqs", "queue_policy_for_arn"),
    "sns": ("sns", "topic_policy_for_arn"),
    "s3": ("s3", "bucket_policy_for_arn"),
    "lambda": ("lambda_svc", "function_policy_for_arn"),
    "secretsmanager": ("secretsmanager", "secret_policy_for_arn"),
    "kms": ("kms", "key_policy_for_arn"),
    "kinesis": ("kinesis", "stream_policy_for_arn"),
}
_DYNAMODB_PARTS = 6


def policy_of(resource: str | None) -> ResourcePolicy | None:
    """The policy of the resource with this ARN, if it has one. In the scope of its account and region."""
    parts = (resource or "").split(":")
    if len(parts) < _DYNAMODB_PARTS or resource is None:
        return None
    service = parts[2]
    if service in _LOOKUPS:
        name, lookup = _LOOKUPS[service]
        module = imported(f"ministack.services.{name}")
        found = getattr(module, lookup)(resource) if module is not None else None
        document = found[0] if found else None
    elif service in ("dynamodb", "events"):
        document = _dynamodb(resource) if service == "dynamodb" else _bus(resource)
    else:
        return None
    policy = read_policy(document)
    return ResourcePolicy(policy=policy, required=service == "kms") if policy else None


def tags_of(resource: str) -> dict[str, str]:
    """The tags of a resource, where the service tells them."""
    tagging = importlib.import_module("ministack.services.tagging")
    return dict(tagging.resource_tags(resource) or {})


def _dynamodb(resource: str) -> Any:
    module: Any = imported("ministack.services.dynamodb")
    if module is None:
        return None
    policies = getattr(module, "_resource_policies", None)
    found = policies.get(resource.partition("/index/")[0]) if policies is not None else None
    return found.get("Policy") if isinstance(found, dict) and "Policy" in found else found


def _bus(resource: str) -> Any:
    module: Any = imported("ministack.services.eventbridge")
    name = resource.partition(":event-bus/")[2]
    bus = module._event_buses.get(name) if module is not None and name else None
    return (bus or {}).get("Policy")
