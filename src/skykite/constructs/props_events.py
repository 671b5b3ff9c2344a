"""The props of `Queue`, `Topic` and `EventBus`, as types for editors. Units and limits are AWS's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

from skykite.constructs.props import Consumer, FunctionDefaults

if TYPE_CHECKING:
    from aws_cdk import Duration, RemovalPolicy
    from aws_cdk import aws_events as events
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_sqs as sqs

    from skykite.constructs.event_bus import EventBus
    from skykite.constructs.queue import Queue
    from skykite.constructs.topic import Topic

Pattern = Mapping[str, Any]
AnyQueue = Union["Queue", "sqs.IQueue"]
AnyTopic = Union["Topic", "sns.ITopic"]
AnyEventBus = Union["EventBus", "events.IEventBus"]


class QueueConsumerProps(TypedDict, total=False):
    """What works a queue off, and how it gets its messages."""

    function: Consumer
    batch_size: int  # messages a batch, 1–10,000, FIFO and without a window 1–10; default 10
    max_batching_window: int | Duration  # seconds to wait for a full batch, 0–300
    report_batch_item_failures: bool  # default True: only messages the function names come again
    max_concurrency: int  # batches at a time, 2–1000
    filters: Sequence[Pattern]


class DeadLetterQueueProps(TypedDict, total=False):
    """Where messages go that failed too often."""

    queue: AnyQueue  # default: one of its own
    max_receive_count: int  # how often a message is tried; default 3
    retention_period: int | Duration  # of its own queue, seconds; default 14 days


class QueueProps(TypedDict, total=False):
    """What a `Queue` takes."""

    consumer: Consumer | QueueConsumerProps
    defaults: FunctionDefaults
    fifo: bool
    content_based_deduplication: bool
    deduplication_scope: Literal["queue", "message_group"]
    fifo_throughput_limit: Literal["per_queue", "per_message_group_id"]
    visibility_timeout: int | Duration  # seconds, 0–43,200; default 6 × the consumer's timeout
    retention_period: int | Duration  # seconds, 60–1,209,600; default 4 days
    delay: int | Duration  # seconds before a message is seen, 0–900
    dead_letter_queue: bool | DeadLetterQueueProps | AnyQueue
    encryption_key: kms.IKey  # default: SQS's own keys
    name: str
    removal_policy: Literal["retain", "destroy"] | RemovalPolicy
    existing: str | sqs.IQueue


class SubscriberProps(TypedDict, total=False):
    """What gets a topic's messages, and which of them."""

    function: Consumer
    queue: AnyQueue
    filter_policy: Pattern
    filter_scope: Literal["message_attributes", "message_body"]  # default "message_attributes"
    dead_letter_queue: bool | AnyQueue
    raw_message_delivery: bool  # queues only: the message without SNS's envelope


Subscriber = Union[Consumer, "Queue", "sqs.IQueue", SubscriberProps]


class TopicProps(TypedDict, total=False):
    """What a `Topic` takes."""

    subscribers: Mapping[str, Subscriber]
    defaults: FunctionDefaults
    fifo: bool
    content_based_deduplication: bool
    display_name: str
    encryption_key: kms.IKey  # default: none
    name: str
    existing: str | sns.ITopic


class TargetProps(TypedDict, total=False):
    """What gets a rule's events, and what happens when it cannot be reached."""

    function: Consumer
    queue: AnyQueue
    topic: AnyTopic
    event_bus: AnyEventBus
    retry_attempts: int  # 0–185; default 185
    max_event_age: int | Duration  # seconds, 60–86,400; default 24 h
    dead_letter_queue: bool | AnyQueue
    input: object  # instead of the event: what JSON can say, or an `aws_events.RuleTargetInput`
    message_group_id: str  # FIFO queues


Target = Union["Queue", "sqs.IQueue", "Topic", "sns.ITopic", "EventBus", "events.IEventBus", Consumer, TargetProps]


class RuleProps(TypedDict, total=False):
    """Which events go where."""

    pattern: Pattern
    targets: Mapping[str, Target]
    description: str
    enabled: bool  # default True


class ArchiveProps(TypedDict, total=False):
    """Which events of a bus are kept, and how long."""

    retention_period: int | Duration  # days; default: for good
    pattern: Pattern  # default: all


class EventBusProps(TypedDict, total=False):
    """What an `EventBus` takes."""

    rules: Mapping[str, RuleProps]
    defaults: FunctionDefaults
    archive: bool | ArchiveProps
    description: str
    encryption_key: kms.IKey  # default: EventBridge's own keys
    name: str
    removal_policy: Literal["retain", "destroy"] | RemovalPolicy
    existing: str | events.IEventBus
