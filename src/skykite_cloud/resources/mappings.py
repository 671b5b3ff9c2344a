"""AWS::Lambda::EventSourceMapping, made through Lambda's own operations: what they refuse, CloudFormation refuses."""

from __future__ import annotations

import json
from typing import Any

from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, TypeRules, names

MAPPING = "AWS::Lambda::EventSourceMapping"
Attributes = dict[str, Any]

_SERVED = ("sqs", "kinesis", "dynamodb")
# What an update that leaves a property out sets it to; those that depend on the source are absent here.
_UNSET: dict[str, Any] = {
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "Enabled": True,
    "FilterCriteria": {"Filters": []},
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "ScalingConfig": {},
    "TumblingWindowInSeconds": 0,
}
_NUMBERS = names(
    "BatchSize MaximumBatchingWindowInSeconds MaximumRecordAgeInSeconds MaximumRetryAttempts ParallelizationFactor "
    "StartingPositionTimestamp TumblingWindowInSeconds"
)


def check_source(properties: Properties) -> None:
    """Queues and streams that exist are read here; Kafka, MQ and DocumentDB are not."""
    arn = str(properties.get("EventSourceArn") or "")
    service = f"{arn}:::".split(":")[2]
    if service not in _SERVED:
        raise PropertyError(
            f"The embedded cloud does not support {arn or 'this source'} as EventSourceArn of {MAPPING}"
        )
    if not _exists(service, arn):
        raise PropertyError(
            f"Error occurred while {'ReceiveMessage' if service == 'sqs' else 'DescribeStream'}. "
            f"The event source {arn} does not exist"
        )


def _exists(service: str, arn: str) -> bool:
    from ministack.services import dynamodb, kinesis, sqs

    tail = arn.rpartition(":")[2]
    if service == "sqs":
        return tail in sqs._queue_name_to_url
    if service == "kinesis":
        return tail.removeprefix("stream/").partition("/")[0] in kinesis._streams
    table = dynamodb._tables.get(arn.split(":table/")[-1].partition("/")[0])
    return table is not None and bool(table.get("LatestStreamArn"))


def _create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import lambda_svc

    made = _answer("CreateEventSourceMapping", lambda_svc._create_esm(_members(properties)))
    return made["UUID"], _attributes(made["UUID"])


def _update(uuid: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import lambda_svc

    given = _members(new)
    for name in old:
        if name not in new and name in _UNSET:
            given[name] = _UNSET[name]
    if "BatchSize" in old and "BatchSize" not in new:
        given["BatchSize"] = 10 if ":sqs:" in new["EventSourceArn"] else 100
    for name in ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp"):
        given.pop(name, None)
    tags = given.pop("Tags", {})
    _answer("UpdateEventSourceMapping", lambda_svc._update_esm(uuid, given))
    lambda_svc._esms[uuid]["Tags"] = tags
    return uuid, _attributes(uuid)


def _delete(uuid: str, properties: Properties) -> None:
    from ministack.services import lambda_svc

    lambda_svc._delete_esm(uuid)


def _members(properties: Properties) -> Properties:
    """As Lambda's API spells them."""
    given = {name: int(value) if name in _NUMBERS else value for name, value in properties.items()}
    given["Tags"] = {str(tag["Key"]): str(tag["Value"]) for tag in properties.get("Tags") or ()}
    if "Enabled" in given:
        given["Enabled"] = str(given["Enabled"]).lower() != "false"
    if "BisectBatchOnFunctionError" in given:
        given["BisectBatchOnFunctionError"] = str(given["BisectBatchOnFunctionError"]).lower() == "true"
    if "KmsKeyArn" in given:
        given["KMSKeyArn"] = given.pop("KmsKeyArn")
    return given


def _answer(what: str, answer: tuple[int, Any, Any]) -> dict[str, Any]:
    status, _, body = answer
    said: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise PropertyError(str(said.get("message") or said.get("Message") or f"{what} failed: {said}"))
    return said


def _attributes(uuid: str) -> Attributes:
    from ministack.core.responses import get_account_id, get_region

    arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:event-source-mapping:{uuid}"
    return {"Id": uuid, "EventSourceMappingArn": arn}


HANDLERS: dict[str, Handlers] = {MAPPING: {"create": _create, "update": _update, "delete": _delete}}
REPLACING = {MAPPING: ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp")}
RULES = {
    MAPPING: TypeRules(
        consumed=names(
            "BatchSize BisectBatchOnFunctionError DestinationConfig Enabled EventSourceArn FilterCriteria FunctionName "
            "FunctionResponseTypes KmsKeyArn MaximumBatchingWindowInSeconds MaximumRecordAgeInSeconds "
            "MaximumRetryAttempts ParallelizationFactor ScalingConfig StartingPosition StartingPositionTimestamp Tags "
            "TumblingWindowInSeconds"
        ),
        before=(check_source,),
    )
}
