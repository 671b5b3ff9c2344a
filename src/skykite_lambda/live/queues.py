"""Messages that a live function failed on come back after the time their queue was given by the user.

While a function is live its queues hide messages for as long as a stub may take, since Lambda refuses a mapping
otherwise. So the stub itself says when those that failed are to be seen again.
In: an event and its outcome. Out: requests to SQS, as far as the function's role allows them.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html
"""

from __future__ import annotations

import json
from typing import Any, Dict, List

from ..wire.outcomes import Outcome, Raised
from .cloud import Cloud
from .http import Origin, request
from .network import Garbled, Unreachable
from .sigv4 import NoCredentials

_BATCH = 10
_WITHIN_S = 3.0
_LIMIT = 256 * 1024


def failed_records(event: Any, outcome: Outcome) -> List[Dict[str, Any]]:
    """The records of an event of SQS that Lambda will not delete."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list) or not all(_is_message(record) for record in records):
        return []
    if isinstance(outcome, Raised):
        return records
    if b"batchItemFailures" not in outcome.payload:
        return []
    try:
        named = {failure["itemIdentifier"] for failure in json.loads(outcome.payload)["batchItemFailures"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [record for record in records if record.get("messageId") in named]


def give_back(cloud: Cloud, records: List[Dict[str, Any]], seconds: int) -> None:
    """Have them seen again in `seconds`. Raises Unreachable, Garbled, NoCredentials, or OSError for a refusal."""
    by_queue: Dict[str, List[Dict[str, Any]]] = {}
    for record in records:
        by_queue.setdefault(record["eventSourceARN"], []).append(record)
    deadline = cloud.clock.elapsed() + _WITHIN_S
    for arn, messages in by_queue.items():
        for start in range(0, len(messages), _BATCH):
            _change(cloud, arn, messages[start : start + _BATCH], seconds, deadline)


def _change(cloud: Cloud, arn: str, messages: List[Dict[str, Any]], seconds: int, deadline: float) -> None:
    account, name = arn.split(":")[4:6]
    origin = Origin(cloud.settings.host_of("sqs"))
    entries = [
        {"Id": str(number), "ReceiptHandle": message["receiptHandle"], "VisibilityTimeout": seconds}
        for number, message in enumerate(messages)
    ]
    body = json.dumps({"QueueUrl": f"https://{origin.host}/{account}/{name}", "Entries": entries}).encode()
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "AmazonSQS.ChangeMessageVisibilityBatch",
    }
    signed = cloud.signer.sign("sqs", "POST", origin.host, "/", headers, body)
    answer = request(cloud.network, "POST", origin, "/", headers=signed, body=body, deadline=deadline, limit=_LIMIT)
    if answer.status != 200:
        raise OSError(f"SQS answers {answer.status}: {answer.body[:300].decode('utf-8', 'replace')}")


def _is_message(record: Any) -> bool:
    """Of a queue, as Lambda writes it. Whoever invokes the function may write anything."""
    if not isinstance(record, dict) or record.get("eventSource") != "aws:sqs":
        return False
    texts = [record.get(name) for name in ("receiptHandle", "messageId", "eventSourceARN")]
    return all(isinstance(text, str) for text in texts) and record["eventSourceARN"].count(":") == 5


PASSING = (Unreachable, Garbled, NoCredentials, OSError)
"""What `give_back` may fail with; the messages then come back later."""
