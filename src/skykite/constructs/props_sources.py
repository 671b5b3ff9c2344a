"""The props of `Cron`, `Bucket`, `KinesisStream` and of what consumes streams, as types for editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

from skykite.constructs.props import Consumer, FunctionDefaults

if TYPE_CHECKING:
    from aws_cdk import Duration, RemovalPolicy, aws_kinesis, aws_kms, aws_s3
    from constructs import IConstruct


class CronProps(TypedDict, total=False):
    """What a `Cron` takes."""

    schedule: str
    job: Consumer
    event: Mapping[str, Any]
    timezone: str  # default UTC
    enabled: bool  # default True
    retry_attempts: int  # 0–185; default 185
    max_event_age: int | Duration  # seconds, 60–86400; default one day
    dead_letter_queue: IConstruct
    description: str


class StreamConsumerProps(TypedDict, total=False):
    """One consumer of a stream; Lambda's event source mapping in its own words."""

    function: Consumer
    batch_size: int  # records, 1–10000; default 100
    max_batching_window: int | Duration  # seconds, 0–300; default 0
    starting_position: Literal["latest", "trim_horizon"] | datetime  # default "latest"; a time: of Kinesis alone
    filters: Sequence[Mapping[str, Any]]
    bisect_batch_on_error: bool  # default False
    report_batch_item_failures: bool  # default True
    retry_attempts: int  # 0–10000; default until the record expires
    max_record_age: int | Duration  # seconds, 60–604800; default until the record expires
    on_failure: IConstruct  # a queue, a topic or a bucket
    parallelization_factor: int  # batches per shard at once, 1–10; default 1
    tumbling_window: int | Duration  # seconds, 0–900
    enabled: bool  # default True


StreamConsumer = Consumer | StreamConsumerProps


class KinesisStreamProps(TypedDict, total=False):
    """What a `KinesisStream` takes."""

    consumers: Mapping[str, StreamConsumer]
    defaults: FunctionDefaults
    name: str  # default: made by CloudFormation
    shards: int  # without it: on demand
    retention_period: int | Duration  # seconds, one day (default) to 365 days
    encryption_key: aws_kms.IKey  # default: the key AWS keeps for Kinesis
    removal_policy: Literal["retain", "destroy"] | RemovalPolicy
    existing: str | aws_kinesis.IStream


BucketEvent = Literal[
    "object_created",
    "object_created_put",
    "object_created_post",
    "object_created_copy",
    "object_created_complete_multipart_upload",
    "object_removed",
    "object_removed_delete",
    "object_removed_delete_marker_created",
    "object_restore",
    "object_restore_post",
    "object_restore_completed",
    "object_restore_delete",
    "object_tagging",
    "object_tagging_put",
    "object_tagging_delete",
    "object_acl_put",
    "lifecycle_expiration",
    "lifecycle_expiration_delete",
    "lifecycle_expiration_delete_marker_created",
    "lifecycle_transition",
    "intelligent_tiering",
    "reduced_redundancy_lost_object",
    "replication",
    "replication_operation_failed_replication",
    "replication_operation_missed_threshold",
    "replication_operation_not_tracked",
    "replication_operation_replicated_after_threshold",
]


class NotificationFilter(TypedDict, total=False):
    """Keys of objects that are notified of: how they begin, how they end."""

    prefix: str
    suffix: str


class NotificationProps(TypedDict, total=False):
    """One notification: to a function, a queue or a topic."""

    function: Consumer
    queue: IConstruct
    topic: IConstruct
    events: Sequence[BucketEvent]  # default ["object_created"]
    filters: Sequence[NotificationFilter]  # each is one rule


Notification = Union[Consumer, "IConstruct", NotificationProps]


class BucketCorsRule(TypedDict, total=False):
    """Who in a browser may do what. S3's words."""

    allowed_origins: Sequence[str]
    allowed_methods: Sequence[Literal["GET", "PUT", "POST", "DELETE", "HEAD"]]
    allowed_headers: Sequence[str]
    exposed_headers: Sequence[str]
    max_age: int | Duration  # seconds


class LifecycleRule(TypedDict, total=False):
    """What becomes of objects as they age, in days."""

    prefix: str
    expire_after: int | Duration
    expire_noncurrent_after: int | Duration
    abort_incomplete_upload_after: int | Duration
    transitions: Mapping[
        Literal["standard_ia", "onezone_ia", "intelligent_tiering", "glacier_ir", "glacier", "deep_archive"],
        int | Duration,
    ]
    enabled: bool  # default True


class BucketProps(TypedDict, total=False):
    """What a `Bucket` takes."""

    notifications: Mapping[str, Notification]
    defaults: FunctionDefaults
    name: str  # default: made by CloudFormation
    cors: bool | Sequence[BucketCorsRule]  # default False
    versioned: bool  # default False
    lifecycle: Sequence[LifecycleRule]
    encryption_key: aws_kms.IKey  # default: S3's own keys
    removal_policy: Literal["retain", "destroy"] | RemovalPolicy
    existing: str | aws_s3.IBucket
