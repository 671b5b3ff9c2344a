"""What Lambda tells of records of a stream that it gives up: to a queue, a topic, or, with the records, a bucket."""

from __future__ import annotations

import importlib
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope

from skykite_cloud.triggers.destinations import send_text, timestamp
from skykite_cloud.triggers.invoking import Ended, Function, Scope
from skykite_cloud.triggers.queues import UndeliverableError
from skykite_cloud.triggers.streams import Raw, Source

EXHAUSTED, TOO_OLD = "RetryAttemptsExhausted", "RecordAgeExceeded"


def failure_record(
    source: Source,
    arn: str,
    shard: str,
    records: list[Raw],
    function: Function,
    condition: str,
    attempts: int,
    request_id: str,
    ended: Ended | None,
) -> Raw:
    """AWS's document."""
    response: Raw = {"statusCode": 200, "executedVersion": function.version}
    if ended is not None and ended.failed:
        response["functionError"] = ended.function_error or "Unhandled"
    first, last = records[0], records[-1]
    document: Raw = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": function.arn,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "responseContext": response,
        "version": "1.0",
        "timestamp": timestamp(),
        source.info_key: {
            "shardId": shard,
            "startSequenceNumber": source.sequence(first),
            "endSequenceNumber": source.sequence(last),
            "approximateArrivalOfFirstRecord": timestamp(source.arrival(first)),
            "approximateArrivalOfLastRecord": timestamp(source.arrival(last)),
            "batchSize": len(records),
            "streamArn": arn,
        },
    }
    if not attempts:
        del document["responseContext"]
    return document


def send_failure(target: str, document: Raw, event: Raw, mapping_id: str, scope: Scope, source: Source) -> str | None:
    """Why it could not be sent, `None` if it was."""
    try:
        with request_scope(*scope):
            if target.startswith("arn:aws:s3:::"):
                _put_object(
                    target.rpartition(":")[2], document, event, mapping_id, document[source.info_key]["shardId"]
                )
            else:
                send_text(target, json.dumps(document), {})
    except UndeliverableError as error:
        return str(error)
    return None


def _put_object(bucket: str, document: Raw, event: Raw, mapping_id: str, shard: str) -> None:
    now = datetime.fromtimestamp(time.time(), UTC)
    key = f"aws/lambda/{mapping_id}/{shard}/{now:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    body = json.dumps({**document, "payload": json.dumps(event)}).encode()
    s3: Any = importlib.import_module("ministack.services.s3")
    answer = s3._put_object(bucket, key, body, {})
    if answer[0] >= 400:
        raise UndeliverableError("NoSuchBucket", f"{bucket} takes no object")
