"""SQS, SNS, EventBridge, Kinesis and Data Firehose: the queue, topic, bus or stream that a request is about."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

from skykite_cloud.authorization.calls import (
    Check,
    Data,
    Request,
    UnclearCallError,
    items,
    named,
    one_of,
    pass_role,
    text,
)

_QUEUE = r"[A-Za-z0-9_-]{1,80}(?:\.fifo)?"
_QUEUE_URL = re.compile(rf"(?:https?://[^/?#]+/)?(?:(\d{{12}})/)?({_QUEUE})")
_TOPIC_ARN = re.compile(r"arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_NAME = r"[A-Za-z0-9_.-]{1,256}"
_BATCHES = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
}


def queue_checks(request: Request, operation: str, data: Mapping[str, Any]) -> list[Check]:
    """Raises `UnclearCallError`."""
    action = _BATCHES.get(f"sqs:{operation}", f"sqs:{operation}")
    url = text(data, "QueueUrl")
    if url and request.path != "/":
        raise UnclearCallError("the queue is named in the path and by `QueueUrl`")
    url = url or request.path.strip("/")
    if url:
        found = _QUEUE_URL.fullmatch(url)
        if found is None:
            raise UnclearCallError(f"`{url[:200]}` is not the URL of a queue")
        account = found.group(1) or request.account
        return [Check(action=action, resource=f"arn:aws:sqs:{request.region}:{account}:{found.group(2)}")]
    name = text(data, "QueueName")
    if name:
        return [Check(action=action, resource=named(request, name, "sqs", "", _QUEUE))]
    source = text(data, "SourceArn") or None
    return [Check(action=action, resource=request.arn("sqs", "") if operation == "ListQueues" else source)]


def topic_checks(request: Request, operation: str, data: Mapping[str, Any]) -> list[Check]:
    """Raises `UnclearCallError`."""
    action = _BATCHES.get(f"sns:{operation}", f"sns:{operation}")
    arn = one_of(data, "TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn")
    if not arn:
        name = text(data, "Name")
        if name and operation == "CreateTopic":
            return [Check(action=action, resource=named(request, name, "sns", "", _NAME))]
        return [Check(action=action, resource=text(data, "PhoneNumber") or "*")]
    topic = arn.rpartition(":")[0] if text(data, "SubscriptionArn") else arn
    if not _TOPIC_ARN.fullmatch(topic) and ":endpoint/" not in topic and ":app/" not in topic:
        raise UnclearCallError(f"`{arn[:200]}` is not the ARN of a topic")
    keys = {"sns:protocol": text(data, "Protocol"), "sns:endpoint": text(data, "Endpoint")}
    return [Check(action=action, resource=topic, lookup=lambda key: (keys[key],) if keys.get(key) else None)]


def bus_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """EventBridge. Each entry of PutEvents is for a bus of its own. Raises `UnclearCallError`."""
    if operation == "PutEvents":
        found = {}
        for entry in items(data, "Entries"):
            bus = _bus(request, text(entry, "EventBusName"))
            keys = {"events:source": text(entry, "Source"), "events:detail-type": text(entry, "DetailType")}
            asked = (bus, *keys.values())
            found[asked] = Check(
                action="events:PutEvents",
                resource=bus,
                lookup=lambda key, keys=keys: (keys[key],) if keys.get(key) else None,  # type: ignore[misc]
            )
        return list(found.values())
    action = f"events:{operation}"
    roles = [check for one in items(data, "Targets") for check in pass_role(one.get("RoleArn"), "events")]
    roles += pass_role(data.get("RoleArn"), "events")
    if operation.endswith("EventBus") and text(data, "Name"):
        return [Check(action=action, resource=_bus(request, text(data, "Name"))), *roles]
    rule = (text(data, "Rule") if "Rule" in data else text(data, "Name")) if "Archive" not in operation else ""
    if rule:
        bus = _bus(request, text(data, "EventBusName")).partition("event-bus/")[2]
        path = rule if bus == "default" else f"{bus}/{rule}"
        return [Check(action=action, resource=named(request, path, "events", "rule/", r"[A-Za-z0-9_./-]+")), *roles]
    if operation in ("ListRules", "PutPermission", "RemovePermission", "DescribeEventBus"):
        return [Check(action=action, resource=_bus(request, text(data, "EventBusName")))]
    return [Check(action=action, resource=text(data, "ResourceARN") or None), *roles]


def stream_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Kinesis. Raises `UnclearCallError`."""
    action = f"kinesis:{operation}"
    consumer = text(data, "ConsumerARN")
    if consumer:
        return [Check(action=action, resource=consumer)]
    given = [data[name] for name in ("StreamName", "StreamARN") if data.get(name)]
    streams = {named(request, one, "kinesis", "stream/", _NAME) for one in given if isinstance(one, str)}
    iterator = text(data, "ShardIterator")
    if iterator:  # which is what MiniStack goes by
        kinesis = importlib.import_module("ministack.services.kinesis")
        state = kinesis._shard_iterators.get(iterator)
        if state is not None:
            streams.add(named(request, state["stream"], "kinesis", "stream/", _NAME))
    if text(data, "ResourceARN"):
        streams.add(text(data, "ResourceARN"))
    if streams:
        return [Check(action=action, resource=stream) for stream in sorted(streams)]
    unnamed = ("ListStreams", "DescribeLimits", "DescribeAccountSettings", "UpdateAccountSettings")
    return [Check(action=action, resource="*" if operation in unnamed else None)]


def delivery_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Data Firehose. Raises `UnclearCallError`."""
    name = text(data, "DeliveryStreamName")
    stream = named(request, name, "firehose", "deliverystream/", _NAME) if name else "*"
    return [Check(action=f"firehose:{operation}", resource=stream)]


def _bus(request: Request, name: str) -> str:
    return named(request, name or "default", "events", "event-bus/", r"[A-Za-z0-9_./-]{1,256}")
