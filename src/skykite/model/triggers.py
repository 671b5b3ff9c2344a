"""Name what caused an invocation, for people: `sqs Orders`, `s3 uploads`, `rule nightly`. Pure.

An event that a service sends says so itself; the shapes are in
https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from skykite.model.invocation import Trigger


class _Topic(msgspec.Struct):
    TopicArn: str = ""


class _Bucket(msgspec.Struct):
    name: str = ""


class _S3(msgspec.Struct):
    bucket: _Bucket = msgspec.field(default_factory=_Bucket)


class _Record(msgspec.Struct):
    event_source: str = msgspec.field(default="", name="eventSource")
    event_source_sns: str = msgspec.field(default="", name="EventSource")  # SNS alone writes it so
    event_source_arn: str = msgspec.field(default="", name="eventSourceARN")
    sns: _Topic = msgspec.field(default_factory=_Topic, name="Sns")
    s3: _S3 = msgspec.field(default_factory=_S3)


class _Event(msgspec.Struct):
    records: list[_Record] = msgspec.field(default_factory=list, name="Records")
    source: str = ""
    detail_type: str = msgspec.field(default="", name="detail-type")
    resources: list[str] = msgspec.field(default_factory=list)
    route_key: str = msgspec.field(default="", name="routeKey")
    http_method: str = msgspec.field(default="", name="httpMethod")
    path: str = ""
    request_type: str = msgspec.field(default="", name="RequestType")
    logical_resource_id: str = msgspec.field(default="", name="LogicalResourceId")
    trigger_source: str = msgspec.field(default="", name="triggerSource")


_DECODE: Final = msgspec.json.Decoder(_Event).decode


def trigger_of(payload: bytes, *, invoked: bool, names: Mapping[str, str]) -> Trigger:
    """What to call the cause of an invocation. `invoked` says that somebody called Lambda's Invoke with this payload,
    so its shape proves nothing. `names` says what to call a resource of that physical name."""
    found = _trigger_of(payload, invoked, names)
    if found.label.isprintable():
        return found
    # Whoever sends a request or an event chooses this text, and it is shown in a terminal.
    label = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in found.label)
    return Trigger(kind=found.kind, label=label)


def _trigger_of(payload: bytes, invoked: bool, names: Mapping[str, str]) -> Trigger:
    if invoked:
        return Trigger(kind="invoke")
    try:
        event = _DECODE(payload)
    except (msgspec.MsgspecError, RecursionError):
        return Trigger(kind="event")
    if event.records:
        return Trigger(kind="event", label=_record_label(event.records[0], names))
    if event.detail_type:
        return Trigger(kind="event", label=_rule_label(event, names))
    if event.route_key:
        return Trigger(kind="http", label=event.route_key)
    if event.http_method:
        return Trigger(kind="http", label=f"{event.http_method} {event.path}")
    if event.logical_resource_id:
        return Trigger(kind="event", label=f"cloudformation {event.request_type} {event.logical_resource_id}")
    return Trigger(kind="event", label=event.trigger_source)


def _record_label(record: _Record, names: Mapping[str, str]) -> str:
    service, name = _source(record)
    return f"{service} {names.get(name, name)}" if name else service


def _source(record: _Record) -> tuple[str, str]:
    """The service and the physical name of what sent a record."""
    arn = record.event_source_arn
    match record.event_source or record.event_source_sns:
        case "aws:sqs":
            return "sqs", arn.rsplit(":", 1)[-1]
        case "aws:sns":
            return "sns", record.sns.TopicArn.rsplit(":", 1)[-1]
        case "aws:s3":
            return "s3", record.s3.bucket.name
        case "aws:dynamodb":  # …:table/Notes/stream/2026-01-01T00:00:00.000
            return "dynamodb", arn.partition("table/")[2].partition("/")[0]
        case "aws:kinesis":
            return "kinesis", arn.rsplit("/", 1)[-1]
        case source:
            return source.removeprefix("aws:"), ""


def _rule_label(event: _Event, names: Mapping[str, str]) -> str:
    for kind in ("rule", "schedule"):
        if event.resources and f":{kind}/" in event.resources[0]:
            name = event.resources[0].rsplit("/", 1)[-1]
            return f"{kind} {names.get(name, name)}"
    return f"events {event.detail_type}"
