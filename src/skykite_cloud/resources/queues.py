"""AWS::SQS::*: dead-letter queues that exist, deduplication where it has a meaning, policies for queues that exist."""

from __future__ import annotations

import json
from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError, TypeRules, names

_FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")


def check_queue(properties: Properties) -> None:
    """What SQS refuses of a queue's attributes, and MiniStack lets through."""
    fifo = str(properties.get("FifoQueue")).lower() == "true"
    for name in _FIFO_ONLY:
        if not fifo and properties.get(name) not in (None, False, "false"):
            raise PropertyError(f"You can specify the {name} only when FifoQueue is set to true.")
    redrive: Any = properties.get("RedrivePolicy")
    if isinstance(redrive, str):
        redrive = json.loads(redrive)
    if isinstance(redrive, dict) and redrive.get("deadLetterTargetArn"):
        _find_dead_letter_queue(str(redrive["deadLetterTargetArn"]), redrive)


def _find_dead_letter_queue(arn: str, redrive: Properties) -> None:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import sqs

    *_, region, account, name = f":::{arn}".rsplit(":", 3)
    here = (region, account) == (get_region(), get_account_id())
    if not here or name not in sqs._queue_name_to_url:
        raise PropertyError(
            f"Value {json.dumps(redrive)} for parameter RedrivePolicy is invalid. "
            "Reason: Dead letter target does not exist."
        )


def find_queues(properties: Properties) -> None:
    """A policy is for queues that exist."""
    from ministack.services import sqs

    for url in properties["Queues"]:
        if url not in sqs._queues:
            raise PropertyError(f"The specified queue does not exist: {url}")


RULES = {
    "AWS::SQS::Queue": TypeRules(
        consumed=names(
            "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit "
            "KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod QueueName "
            "ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy SqsManagedSseEnabled Tags "
            "VisibilityTimeout"
        ),
        before=(check_queue,),
    ),
    "AWS::SQS::QueuePolicy": TypeRules(consumed=names("PolicyDocument Queues"), before=(find_queues,)),
}
