"""Names that are taken: a resource never takes the place of one that is there, which MiniStack lets it do.

An explicit name that is taken fails the resource, as on AWS. A generated one, which MiniStack derives from stack and
logical id alone, is drawn again: else what a deleted stack left behind would be overwritten by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError

_DRAWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """How a type is named: the property, where its names are looked up, and what a generated one looks like."""

    key: str
    taken: Callable[[str], bool]
    longest: int
    lowercase: bool = False


def avoid_taken(type_name: str, logical_id: str, properties: Properties, stack_name: str) -> None:
    """Before something new is made. Raises `PropertyError`."""
    named = _NAMED.get(type_name)
    if named is None:
        return
    name = properties.get(named.key)
    if name:
        if named.taken(name):
            raise PropertyError(f"Resource of type '{type_name}' with identifier '{name}' already exists.")
        return
    from ministack.services.cloudformation import provisioners

    for _ in range(_DRAWS):
        drawn = provisioners._physical_name(stack_name, logical_id, lowercase=named.lowercase, max_len=named.longest)
        if not named.taken(drawn):
            return
        provisioners._NAME_SEED.set(provisioners.new_uuid()[:8])


def _queue_taken(name: str) -> bool:
    from ministack.services import sqs

    return name in sqs._queue_name_to_url or f"{name}.fifo" in sqs._queue_name_to_url


def _topic_taken(name: str) -> bool:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import sns

    arn = f"arn:aws:sns:{get_region()}:{get_account_id()}:{name}"
    return arn in sns._topics or f"{arn}.fifo" in sns._topics


def _in_store(service: str, store: str) -> Callable[[str], bool]:
    def taken(name: str) -> bool:
        from importlib import import_module

        found: Any = getattr(import_module(f"ministack.services.{service}"), store)
        return name in found

    return taken


_NAMED = {
    "AWS::SQS::Queue": Named(key="QueueName", taken=_queue_taken, longest=80),
    "AWS::SNS::Topic": Named(key="TopicName", taken=_topic_taken, longest=256),
    "AWS::DynamoDB::Table": Named(key="TableName", taken=_in_store("dynamodb", "_tables"), longest=255),
    "AWS::DynamoDB::GlobalTable": Named(key="TableName", taken=_in_store("dynamodb", "_tables"), longest=255),
    "AWS::Kinesis::Stream": Named(key="Name", taken=_in_store("kinesis", "_streams"), longest=128, lowercase=True),
    "AWS::SecretsManager::Secret": Named(key="Name", taken=_in_store("secretsmanager", "_secrets"), longest=512),
    "AWS::Lambda::Function": Named(key="FunctionName", taken=_in_store("lambda_svc", "_functions"), longest=64),
}
