"""Queues as Lambda and other services use them: take messages, put them back, delete them, send. On the event loop.

MiniStack's own way to receive hands out at most ten messages, whatever it is asked for, and lets later messages of a
FIFO group overtake one that waits.
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import request_scope

Message = dict[str, Any]

SHORTEST_HOLD_S = 2.0
"""Whatever a visibility timeout says, what was just taken is not taken again at once."""
PAYLOAD_LIMIT = 6 * 1024 * 1024
_RECORD_OVERHEAD = 1024  # what an event says about a message besides its body


class UndeliverableError(Exception):
    """A message cannot be delivered, and would not be on AWS: `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages that are invisible now, by rights until `until`, and when the next of the others becomes visible.
    `full` says that there was one more, which was too large; `dead` is how many went to the dead-letter queue."""

    messages: list[Message]
    until: float
    next_visible: float | None
    full: bool
    dead: int


def find_queue(arn: str) -> dict[str, Any] | None:
    """MiniStack's record of the queue."""
    found: dict[str, Any] | None = _sqs()._queue_by_arn(arn)
    return found


def visibility_timeout(queue: dict[str, Any]) -> float:
    return float(queue["attributes"].get("VisibilityTimeout", "30"))


def take(queue: dict[str, Any], count: int, size: int, now: float) -> Taken:
    """Receive up to `count` messages with up to `size` bytes. What has been received too often goes to the dead-letter
    queue first."""
    _expire(queue, now)
    most = _most_receives(queue)
    before = len(queue["messages"])
    messages, next_visible, full, spent = _visible(queue, count, size, now, most)
    if spent:
        _sqs()._dlq_sweep(queue)
        messages, next_visible, full, _ = _visible(queue, count, size, now, None)
    dead = before - len(queue["messages"])
    until = now + visibility_timeout(queue)
    for message in messages:
        message["receipt_handle"] = str(uuid.uuid4())
        message["visible_at"] = max(until, now + SHORTEST_HOLD_S)
        message["receive_count"] += 1
        if message.get("first_receive_at") is None:
            message["first_receive_at"] = now
    return Taken(messages, until, next_visible, full, dead)


def _visible(
    queue: dict[str, Any], count: int, size: int, now: float, most: int | None
) -> tuple[list[Message], float | None, bool, bool]:
    """The messages to take, when the next of the others becomes visible, whether one was too large, and whether one
    has been received too often. A long queue is not read to its end."""
    found: list[Message] = []
    next_visible: float | None = None
    closed: set[str | None] = set()  # groups with a message that waits: what is behind it waits as well
    fifo = queue["is_fifo"]
    for message in queue["messages"]:
        _sqs()._ensure_msg_fields(message)
        group = message.get("group_id")
        if message["visible_at"] > now:
            if fifo:
                closed.add(group)
            if next_visible is None or message["visible_at"] < next_visible:
                next_visible = message["visible_at"]
            continue
        if most is not None and message["receive_count"] >= most:
            return [], None, False, True
        if fifo and group in closed:
            continue
        if len(found) >= count:
            break  # more is there, which the caller will come for
        length = size_of(message)
        if length > size:
            return found, next_visible, True, False
        size -= length
        found.append(message)
    return found, next_visible, False, False


def _expire(queue: dict[str, Any], now: float) -> None:
    """Forget what is older than the queue keeps. The oldest message is the first."""
    for first in queue["messages"][:1]:
        kept = float(queue["attributes"].get("MessageRetentionPeriod", "345600"))
        if first.get("enqueued_at", first.get("sent_at", now)) <= now - kept:
            _sqs()._expire_retained(queue)


def _most_receives(queue: dict[str, Any]) -> int | None:
    """After how many a message goes to the dead-letter queue, if there is one."""
    policy = queue["attributes"].get("RedrivePolicy")
    if not policy:
        return None
    redrive = json.loads(policy)
    return int(redrive["maxReceiveCount"]) if find_queue(redrive["deadLetterTargetArn"]) is not None else None


def size_of(message: Message) -> int:
    """About how much of an event it takes."""
    return len(message["body"].encode()) + _RECORD_OVERHEAD


def delete(queue: dict[str, Any], messages: Collection[Message]) -> None:
    """Those that are still there. They are near the front, and what is behind them is not looked at."""
    wanted = {id(message) for message in messages}
    listed, position = queue["messages"], 0
    while wanted and position < len(listed):
        if id(listed[position]) in wanted:
            wanted.discard(id(listed.pop(position)))
        else:
            position += 1


def untake(messages: Collection[Message], now: float) -> None:
    """As if they had not been received."""
    for message in messages:
        message["receive_count"] -= 1
        message["visible_at"] = now
        message["receipt_handle"] = None
        if not message["receive_count"]:
            message["first_receive_at"] = None


def hide(messages: Collection[Message], until: float, *, unless_changed_from: float | None = None) -> None:
    """Keep what was taken invisible until then; not what somebody has given another visibility timeout meanwhile."""
    for message in messages:
        if unless_changed_from in (None, message["visible_at"]):
            message["visible_at"] = until


def send(
    arn: str,
    body: str,
    *,
    attributes: dict[str, Any] | None = None,
    group: str | None = None,
    deduplication: str | None = None,
) -> None:
    """As a service sends. Raises `UndeliverableError`."""
    sqs = _sqs()
    queue = find_queue(arn)
    if queue is None:
        raise UndeliverableError(
            "AWS.SimpleQueueService.NonExistentQueue", f"The specified queue {arn} does not exist."
        )
    data: dict[str, Any] = {"QueueUrl": queue["url"], "MessageBody": body, "MessageAttributes": attributes or {}}
    if group is not None:
        data["MessageGroupId"] = group
    if deduplication is not None:
        data["MessageDeduplicationId"] = deduplication
    _, _, _, region, account, _ = arn.split(":", 5)
    with request_scope(account, region):
        try:
            sqs._act_send_message(data, queue["url"])
        except sqs._Err as error:
            raise UndeliverableError(error.code, error.message) from error


def text(value: str) -> dict[str, str]:
    """A message attribute."""
    return {"DataType": "String", "StringValue": value}


def number(value: float) -> dict[str, str]:
    return {"DataType": "Number", "StringValue": str(value)}


def event_record(message: Message, queue_arn: str, region: str) -> dict[str, Any]:
    """A message as a function gets it."""
    system = message.get("sys") or {}
    attributes: dict[str, str] = {
        "ApproximateReceiveCount": str(message["receive_count"]),
        "SentTimestamp": system.get("SentTimestamp") or str(int(message["sent_at"] * 1000)),
        "SenderId": system.get("SenderId") or queue_arn.split(":")[4],
        "ApproximateFirstReceiveTimestamp": str(int(message["first_receive_at"] * 1000)),
    }
    optional: dict[str, Any] = {
        "SequenceNumber": message.get("seq"),
        "MessageGroupId": message.get("group_id"),
        "MessageDeduplicationId": message.get("dedup_id"),
        "AWSTraceHeader": system.get("AWSTraceHeader"),
        "DeadLetterQueueSourceArn": system.get("DeadLetterQueueSourceArn"),
    }
    attributes |= {name: str(value) for name, value in optional.items() if value}
    given = message.get("message_attributes") or {}
    record = {
        "messageId": message["id"],
        "receiptHandle": message["receipt_handle"],
        "body": message["body"],
        "attributes": attributes,
        "messageAttributes": {name: _attribute(value) for name, value in given.items()},
        "md5OfBody": message["md5_body"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    if given:
        record["md5OfMessageAttributes"] = message.get("md5_attrs") or _sqs()._md5_msg_attrs(given)
    return record


def _attribute(given: dict[str, Any]) -> dict[str, Any]:
    value = {name[0].lower() + name[1:]: one for name, one in given.items() if one not in (None, "")}
    return {**value, "stringListValues": [], "binaryListValues": [], "dataType": given.get("DataType", "String")}


def _sqs() -> Any:
    return importlib.import_module("ministack.services.sqs")
