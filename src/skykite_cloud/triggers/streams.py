"""Streams as Lambda reads them: shards of records in order, of Kinesis or of a table. Reads MiniStack's records as they
are; positions are sequence numbers, since records expire and indexes shift.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from skykite_cloud.seams import imported

if TYPE_CHECKING:
    from skykite_cloud.triggers.invoking import Scope

Raw = dict[str, Any]
_TABLE_SHARD = "shardId-00000000000000000000-00000000"


class Source(Protocol):
    """One stream."""

    @property
    def info_key(self) -> str:
        """Under which a record of a failure tells of the batch."""

    def shards(self) -> Mapping[str, Sequence[Raw]] | None:
        """Records by shard, oldest first; `None` if there is no such stream."""

    def sequence(self, record: Raw) -> str: ...

    def partition(self, record: Raw) -> str: ...

    def arrival(self, record: Raw) -> float:
        """Seconds since the epoch."""

    def size(self, record: Raw) -> int: ...

    def event_record(self, shard: str, record: Raw, role: str) -> Raw:
        """As a function gets it."""

    def filtered(self, event_record: Raw) -> tuple[Raw, str | None, str]:
        """What a filter sees, and the key and text of the data in it."""


@dataclass(frozen=True, slots=True)
class KinesisSource:
    """A data stream, or a consumer of one."""

    scope: Scope
    arn: str
    info_key: str = "KinesisBatchInfo"

    def shards(self) -> Mapping[str, Sequence[Raw]] | None:
        kinesis = imported("ministack.services.kinesis")
        name = self.arn.rpartition(":stream/")[2].partition("/")[0]
        stream = kinesis._streams.get_scoped(*self.scope, name) if kinesis else None
        if not stream:
            return None
        return {shard: found["records"] for shard, found in stream["shards"].items()}

    def sequence(self, record: Raw) -> str:
        return str(record["SequenceNumber"])

    def partition(self, record: Raw) -> str:
        return str(record["PartitionKey"])

    def arrival(self, record: Raw) -> float:
        return float(record["ApproximateArrivalTimestamp"])

    def size(self, record: Raw) -> int:
        return len(record["Data"]) + 512

    def event_record(self, shard: str, record: Raw, role: str) -> Raw:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": _base64(record["Data"]),
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role,
            "awsRegion": self.scope[1],
            "eventSourceARN": self.arn,
        }

    def filtered(self, event_record: Raw) -> tuple[Raw, str | None, str]:
        inner = event_record["kinesis"]
        seen = {**{key: value for key, value in event_record.items() if key != "kinesis"}, **inner}
        return seen, "data", base64.b64decode(inner["data"]).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table's stream. It has one shard here."""

    scope: Scope
    arn: str
    info_key: str = "DDBStreamBatchInfo"

    def shards(self) -> Mapping[str, Sequence[Raw]] | None:
        dynamodb = imported("ministack.services.dynamodb")
        name = self.arn.partition(":table/")[2].partition("/stream/")[0]
        table = dynamodb._tables.get_scoped(*self.scope, name) if dynamodb else None
        if not dynamodb or not table or table.get("LatestStreamArn") != self.arn:
            return None
        account, region = self.scope
        return {_TABLE_SHARD: dynamodb.stream_live_records(name, account_id=account, region=region)}

    def sequence(self, record: Raw) -> str:
        return str(record["dynamodb"]["SequenceNumber"])

    def partition(self, record: Raw) -> str:
        return json.dumps(record["dynamodb"].get("Keys"), sort_keys=True, default=str)

    def arrival(self, record: Raw) -> float:
        return float(record["dynamodb"].get("ApproximateCreationDateTime") or 0)

    def size(self, record: Raw) -> int:
        return len(json.dumps(record, default=str))

    def event_record(self, shard: str, record: Raw, role: str) -> Raw:
        return record

    def filtered(self, event_record: Raw) -> tuple[Raw, str | None, str]:
        return event_record, None, ""


def source_of(arn: str, scope: Scope) -> Source | None:
    match [*arn.split(":"), "", "", ""][2]:
        case "kinesis":
            return KinesisSource(scope, arn)
        case "dynamodb":
            return TableSource(scope, arn)
    return None


def after(source: Source, records: Sequence[Raw], checkpoint: str) -> Sequence[Raw]:
    """The records behind a position."""
    return records[bisect_right(records, checkpoint, key=source.sequence) :]


def start_of(source: Source, records: Sequence[Raw], position: str, timestamp: float | None) -> str:
    """The checkpoint for a starting position: everything behind it is to be read."""
    if position == "LATEST":
        return source.sequence(records[-1]) if records else ""
    if position == "AT_TIMESTAMP" and timestamp is not None:
        earlier = [record for record in records if source.arrival(record) < timestamp]
        return source.sequence(earlier[-1]) if earlier else ""
    return ""


def seconds(timestamp: Any) -> float | None:
    """A timestamp as APIs and templates give it."""
    if timestamp is None or isinstance(timestamp, int | float):
        return timestamp
    try:
        return float(timestamp)
    except ValueError:
        return datetime.fromisoformat(str(timestamp)).timestamp()


def _base64(data: Any) -> str:
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    text = str(data)
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return base64.b64encode(text.encode()).decode()
    return text
