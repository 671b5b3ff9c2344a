"""What can be said of a queue's order and of how its consumer gets messages, checked.

In: the props of a `Queue`. Out: keywords for CDK's queue and event source, or a PropProblem. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import aws_sqs as sqs

from skykite.constructs.patterns import read_filters
from skykite.constructs.props import PropProblem, check_choice, read_flag
from skykite.constructs.props_events import QueueConsumerProps
from skykite.constructs.quantities import read_count, read_seconds

CONSUMER_OPTIONS: Final = tuple(name for name in QueueConsumerProps.__annotations__ if name != "function")
_FIFO_PROPS: Final = ("content_based_deduplication", "deduplication_scope", "fifo_throughput_limit")
_SCOPES: Final = {"queue": sqs.DeduplicationScope.QUEUE, "message_group": sqs.DeduplicationScope.MESSAGE_GROUP}
_LIMITS: Final = {
    "per_queue": sqs.FifoThroughputLimit.PER_QUEUE,
    "per_message_group_id": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
}


def read_fifo(given: Mapping[str, Any], *, fifo: bool) -> dict[str, Any]:
    """What CDK's queue takes. Raises PropProblem."""
    for name in _FIFO_PROPS:
        if given.get(name) is not None and not fifo:
            raise PropProblem("prop-contradiction", f"has {name}, and is not FIFO", hint="add fifo=True")
    deduplication = given.get("content_based_deduplication")
    scope, limit = given.get("deduplication_scope"), given.get("fifo_throughput_limit")
    if scope is not None:
        check_choice("deduplication_scope", scope, tuple(_SCOPES))
    if limit is not None:
        check_choice("fifo_throughput_limit", limit, tuple(_LIMITS))
    if limit == "per_message_group_id" and scope != "message_group":
        raise PropProblem(
            "prop-contradiction",
            "has fifo_throughput_limit=`per_message_group_id`, which SQS takes only for the deduplication scope "
            "`message_group`",
            hint='add deduplication_scope="message_group"',
        )
    return {
        "content_based_deduplication": read_flag("content_based_deduplication", deduplication, default=False) or None,
        "deduplication_scope": _SCOPES[scope] if scope is not None else None,
        "fifo_throughput_limit": _LIMITS[limit] if limit is not None else None,
    }


def read_source(options: Mapping[str, Any], *, fifo: bool) -> dict[str, Any]:
    """What `SqsEventSource` takes, the window in seconds. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    size = read_count('consumer["batch_size"]', options.get("batch_size"), 1, 10 if fifo else 10_000, service="Lambda")
    window = read_seconds(
        'consumer["max_batching_window"]', options.get("max_batching_window"), 0, 300, service="Lambda"
    )
    if fifo and window:
        raise PropProblem(
            "prop-contradiction",
            "is FIFO and has a max_batching_window, which Lambda does not wait for there",
            hint="leave it out",
        )
    if size is not None and size > 10 and not window:
        raise PropProblem(
            "prop-contradiction",
            f"has batches of {size} messages and no time to collect them",
            hint='add "max_batching_window": 1 or more seconds; SQS itself gives 10 messages at a time',
        )
    report = read_flag(
        'consumer["report_batch_item_failures"]', options.get("report_batch_item_failures"), default=True
    )
    return {
        "batch_size": size,
        "window": window,
        "report_batch_item_failures": report,
        "max_concurrency": read_count(
            'consumer["max_concurrency"]', options.get("max_concurrency"), 2, 1000, service="Lambda"
        ),
        "filters": read_filters('consumer["filters"]', options.get("filters")),
    }
