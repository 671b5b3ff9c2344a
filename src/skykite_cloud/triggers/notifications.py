"""What buckets tell of their objects. MiniStack makes the events; here they leave in the order of the requests, before
the request that caused them is answered, and configurations that S3 refuses are refused. On the event loop.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

from skykite_cloud.seams import when_imported
from skykite_cloud.triggers import queues
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.queues import UndeliverableError

Record = dict[str, Any]

_OVERLAP = (
    "Configurations overlap. Configurations on the same bucket cannot share a common event type. : "
    "they have the same event and overlapping prefixes and suffixes"
)


class Notifications:
    """Installs itself in MiniStack's S3."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def install(self) -> None:
        when_imported("ministack.services.s3", self._replace)

    def _replace(self, s3: Any) -> None:
        fire, validate = s3._fire_s3_event, s3._validate_notification_configs
        to_topic, to_function = s3._deliver_event_to_sns, s3._deliver_event_to_lambda

        def fire_in_order(bucket: str, key: str, event: str, *arguments: Any, **options: Any) -> None:
            if bucket in s3._bucket_notifications:
                options = {**options, "sequencer": s3._next_event_sequencer(event)}
                self._engine.on_loop(partial(fire, bucket, key, event, *arguments, **options))

        def validated(configurations: Sequence[Record], *arguments: Any, **options: Any) -> Any:
            if overlap(configurations):
                return s3._invalid_notification_config(_OVERLAP)
            return validate(configurations, *arguments, **options)

        def deliver_to_queue(arn: str, payload: Record, region: str, bucket_name: str = "") -> None:
            if self._refused(arn, bucket_name):
                return
            try:
                queues.send(arn, json.dumps(_as_on_aws(payload)))
            except UndeliverableError as error:
                self._engine.tell("delivery-failed", f"bucket `{bucket_name}` could not notify a queue: {error}")

        def deliver_to_topic(arn: str, payload: Record, *rest: Any, **options: Any) -> None:
            if not self._refused(arn, _bucket_of(payload)):
                to_topic(arn, _as_on_aws(payload), *rest, **options)

        def deliver_to_function(arn: str, payload: Record, *rest: Any) -> None:
            if not self._refused(arn, _bucket_of(payload)):
                to_function(arn, _as_on_aws(payload), *rest)

        s3._fire_s3_event_async = fire_in_order
        s3._validate_notification_configs = validated
        s3._deliver_event_to_sqs = deliver_to_queue
        s3._deliver_event_to_sns = deliver_to_topic
        s3._deliver_event_to_lambda = deliver_to_function

    def _refused(self, arn: str, bucket: str) -> bool:
        refused = self._engine.permissions.refuse_delivery("s3", arn, f"arn:aws:s3:::{bucket}")
        if refused is not None:
            self._engine.tell("delivery-failed", f"bucket `{bucket}` could not tell of an object: {refused}")
        return refused is not None


def overlap(configurations: Sequence[Record]) -> bool:
    """Whether two of them could get the same event."""
    return any(
        any(_covers(a, b) or _covers(b, a) for a in one["events"] for b in other["events"])
        and _starts_alike(one["filter_prefix"] or "", other["filter_prefix"] or "")
        and _starts_alike((one["filter_suffix"] or "")[::-1], (other["filter_suffix"] or "")[::-1])
        for one, other in combinations(configurations, 2)
    )


def _covers(pattern: str, event: str) -> bool:
    return pattern == event or (pattern.endswith("*") and event.startswith(pattern[:-1]))


def _starts_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _bucket_of(payload: Record) -> str:
    records = payload.get("Records") or [{}]
    return str((records[0].get("s3") or {}).get("bucket", {}).get("name") or payload.get("Bucket") or "")


def _as_on_aws(payload: Record) -> Record:
    """An object that is gone has no size and no tag."""
    for record in payload.get("Records") or ():
        if record.get("eventName") == "ObjectRemoved:Delete":
            shown = record["s3"]["object"]
            record["s3"]["object"] = {key: value for key, value in shown.items() if key not in ("size", "eTag")}
    return payload
