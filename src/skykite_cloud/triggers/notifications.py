"""What buckets tell of their objects. MiniStack makes the events; here they leave in the order of the requests, before
the request that caused them is answered, and configurations that S3 refuses are refused. On the event loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from skykite_cloud.seams import when_imported
from skykite_cloud.triggers import queues
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.permissions import Permissions, is_missing
from skykite_cloud.triggers.queues import UndeliverableError

Record = dict[str, Any]

_OVERLAP = (
    "Configurations overlap. Configurations on the same bucket cannot share a common event type. : "
    "they have the same event and overlapping prefixes and suffixes"
)


class Notifications:
    """Installs itself in MiniStack's S3."""

    def __init__(self, engine: Engine, permissions: Permissions) -> None:
        self._engine = engine
        self._permissions = permissions

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
            refused = validate(configurations, *arguments, **options)
            return refused or self._refuse_destinations(s3, configurations, *arguments)

        def to_queue(arn: str, payload: Record, region: str, **options: Any) -> None:
            queues.send(arn, json.dumps(payload))

        def permitted(deliver: Callable[..., None]) -> Callable[..., None]:
            def deliver_permitted(arn: str, payload: Record, region: str, **options: Any) -> None:
                bucket = _bucket_of(payload)
                try:
                    self._permissions.of_service("s3.amazonaws.com", arn, f"arn:aws:s3:::{bucket}")
                    deliver(arn, _as_on_aws(payload), region, **options)
                except UndeliverableError as error:
                    self._engine.tell("delivery-failed", f"bucket `{bucket}` could not tell of an object: {error}")

            return deliver_permitted

        s3._fire_s3_event_async = fire_in_order
        s3._validate_notification_configs = validated
        s3._deliver_event_to_sqs = permitted(to_queue)
        s3._deliver_event_to_sns = permitted(to_topic)
        s3._deliver_event_to_lambda = permitted(to_function)

    def _refuse_destinations(
        self, s3: Any, configurations: Sequence[Record], region: str, bucket: str = "", skipped: bool = False
    ) -> Any:
        """S3 tries whether it may tell them, unless it was asked not to."""
        wrong = []
        for one in () if skipped else configurations:
            try:
                self._permissions.of_service("s3.amazonaws.com", one["arn"], f"arn:aws:s3:::{bucket}")
                missing = is_missing(one["arn"])
            except UndeliverableError:
                missing = True
            wrong += [one["arn"]] if missing else []
        if not wrong:
            return None
        return s3._invalid_notification_config(
            "Unable to validate the following destination configurations: " + ", ".join(wrong)
        )


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
    records = payload.get("Records")
    return str(records[0]["s3"]["bucket"]["name"] if records else payload.get("Bucket", ""))


def _as_on_aws(payload: Record) -> Record:
    """An object that is gone has no size and no tag."""
    for record in payload.get("Records") or ():
        if record.get("eventName") == "ObjectRemoved:Delete":
            shown = record["s3"]["object"]
            record["s3"]["object"] = {key: value for key, value in shown.items() if key not in ("size", "eTag")}
    return payload
