"""What Lambda refuses of an event source mapping, and what it keeps. MiniStack checks little and drops the rest.

`install` puts itself before Lambda's API; CloudFormation may ask `refuse` and `settings` as well. No I/O.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

from skykite_cloud.seams import when_imported
from skykite_cloud.triggers import queues
from skykite_cloud.triggers.filters import pattern_error
from skykite_cloud.triggers.invoking import find_function
from skykite_cloud.triggers.permissions import Permissions

Settings = dict[str, Any]

_KEPT = (
    "AmazonManagedKafkaEventSourceConfig",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "FilterCriteria",
    "KMSKeyArn",
    "LoggingConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "MetricsConfig",
    "ParallelizationFactor",
    "ScalingConfig",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
)
_STREAM_DEFAULTS = {
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "TumblingWindowInSeconds": 0,
}
_STREAMS_ONLY = (*_STREAM_DEFAULTS, "StartingPosition", "StartingPositionTimestamp")
_RANGES = {
    "MaximumBatchingWindowInSeconds": (0, 300),
    "MaximumRecordAgeInSeconds": (-1, 604800),
    "MaximumRetryAttempts": (-1, 10000),
    "ParallelizationFactor": (1, 10),
    "TumblingWindowInSeconds": (0, 900),
}
_SHORTEST_AGE_S = 60
_FIFO_BATCH = 10


class MappingRefusedError(ValueError):
    """The text is Lambda's, or says what it means."""


def source_kind(arn: str) -> str:
    """`sqs`, `kinesis` or `dynamodb`."""
    return [*arn.split(":"), "", "", ""][2]


def settings(given: Settings) -> Settings:
    """What is kept of the given properties beside what MiniStack keeps: with Lambda's defaults for the source."""
    found = {name: given[name] for name in _KEPT if given.get(name) is not None}
    if source_kind(str(given.get("EventSourceArn", ""))) != "sqs":
        found = {**_STREAM_DEFAULTS, **found}
        found["BatchSize"] = int(given.get("BatchSize") or 100)
    return found


def refuse(given: Settings) -> None:
    """Raise `MappingRefusedError` for a mapping with these properties, complete or as it would be after a change."""
    arn = str(given.get("EventSourceArn", ""))
    kind = source_kind(arn)
    fifo = kind == "sqs" and arn.endswith(".fifo")
    size, window = int(given.get("BatchSize") or 10), int(given.get("MaximumBatchingWindowInSeconds") or 0)
    _in_range("BatchSize", size, 1, 10000)
    for name, (least, most) in _RANGES.items():
        if given.get(name) is not None:
            _in_range(name, int(given[name]), least, most)
    if fifo and size > _FIFO_BATCH:
        raise MappingRefusedError(f"The maximum batch size for FIFO queues is {_FIFO_BATCH}; it is {size}")
    if fifo and window:
        raise MappingRefusedError("Batching window is not supported for FIFO queues")
    if kind == "sqs":
        if size > _FIFO_BATCH and not window:
            raise MappingRefusedError(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
        for name in _STREAMS_ONLY:
            if given.get(name) not in (None, _STREAM_DEFAULTS.get(name)):
                raise MappingRefusedError(f"Unsupported {name} for the event source type SQS")
    else:
        _refuse_stream(kind, given)
    for one in (given.get("FilterCriteria") or {}).get("Filters") or ():
        reason = pattern_error(str(one.get("Pattern") or ""))
        if reason is not None:
            raise MappingRefusedError(f"Invalid filter pattern definition. {reason}")
    if kind == "sqs":
        _refuse_short_visibility(arn, str(given.get("FunctionName") or given.get("FunctionArn") or ""))


def _refuse_stream(kind: str, given: Settings) -> None:
    position = given.get("StartingPosition")
    allowed = ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP") if kind == "kinesis" else ("TRIM_HORIZON", "LATEST")
    if position not in allowed:
        raise MappingRefusedError(
            f"1 validation error detected: Value '{position}' at 'startingPosition' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        )
    if position == "AT_TIMESTAMP" and given.get("StartingPositionTimestamp") is None:
        raise MappingRefusedError("StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP")
    age = given.get("MaximumRecordAgeInSeconds")
    if age is not None and -1 < int(age) < _SHORTEST_AGE_S:
        raise MappingRefusedError(f"MaximumRecordAgeInSeconds must be -1 or at least {_SHORTEST_AGE_S}; it is {age}")


def _refuse_short_visibility(arn: str, function_name: str) -> None:
    queue = queues.find_queue(arn)
    function = find_function(function_name, (get_account_id(), get_region()))
    if queue is None or function is None:
        return
    visibility = int(queues.visibility_timeout(queue))
    if visibility < function.timeout_s:
        raise MappingRefusedError(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: "
            f"{function.timeout_s} seconds"
        )


def _in_range(name: str, value: int, least: int, most: int) -> None:
    if value < least or value > most:
        bound = f"greater than or equal to {least}" if value < least else f"less than or equal to {most}"
        raise MappingRefusedError(
            f"1 validation error detected: Value '{value}' at '{name[0].lower()}{name[1:]}' failed to satisfy "
            f"constraint: Member must have value {bound}"
        )


def install(permissions: Permissions) -> None:
    when_imported("ministack.services.lambda_svc", lambda lambda_svc: _check_first(lambda_svc, permissions))


def _check_first(lambda_svc: Any, permissions: Permissions) -> None:
    create, update = lambda_svc._create_esm, lambda_svc._update_esm

    def create_esm(data: Settings) -> Any:
        try:
            refuse(data)
            _refuse_twice(lambda_svc, data)
            _refuse_unreadable(permissions, data)
        except MappingRefusedError as refused:
            return _refusal(str(refused))
        kept = settings(data)
        # The position is found when the mapping is made, for which MiniStack has to know it.
        return _with(lambda_svc, create({**data, **kept}), kept)

    def update_esm(esm_id: str, data: Settings) -> Any:
        mapping = lambda_svc._esms.get(esm_id)
        if mapping is None:
            return update(esm_id, data)
        kept = {name: data[name] for name in _KEPT if name in data}
        try:
            refuse({**mapping, "FunctionName": mapping["FunctionArn"], **data})
        except MappingRefusedError as refused:
            return _refusal(str(refused))
        return _with(lambda_svc, update(esm_id, data), kept, esm_id)

    lambda_svc._create_esm, lambda_svc._update_esm = create_esm, update_esm


def _with(lambda_svc: Any, answer: Any, kept: Settings, esm_id: str | None = None) -> Any:
    """The answer, with what was kept besides."""
    status, _, body = answer
    if status >= 400:
        return answer
    mapping = lambda_svc._esms[esm_id or json.loads(body)["UUID"]]
    mapping.update(kept)
    return json_response(lambda_svc._esm_response(mapping), status)


def _refuse_unreadable(permissions: Permissions, data: Settings) -> None:
    function = find_function(str(data.get("FunctionName") or ""), (get_account_id(), get_region()))
    if function is None:
        return
    role = str(function.config.get("Role", ""))
    problem = permissions.reading_problem(role, function.name, str(data.get("EventSourceArn", "")))
    if problem is not None:
        raise MappingRefusedError(problem)


def _refuse_twice(lambda_svc: Any, data: Settings) -> None:
    function = find_function(str(data.get("FunctionName") or ""), (get_account_id(), get_region()))
    for mapping in lambda_svc._esms.values():
        if (
            function is not None
            and mapping["EventSourceArn"] == data.get("EventSourceArn")
            and mapping["FunctionArn"] == function.arn
        ):
            raise MappingRefusedError(
                f'The event source arn (" {mapping["EventSourceArn"]} ") and function (" {function.name} ") '
                f"provided mapping already exists. Please update or delete the existing mapping with "
                f"UUID {mapping['UUID']}"
            )


def _refusal(message: str) -> Any:
    code = "ResourceConflictException" if "already exists" in message else "InvalidParameterValueException"
    code = "ValidationException" if message.startswith("1 validation") else code
    return error_response_json(code, message, 409 if code.startswith("ResourceConflict") else 400)
