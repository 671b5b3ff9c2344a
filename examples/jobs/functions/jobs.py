"""Jobs come in by HTTP, wait in a queue, and are done by another function."""

import json
import uuid

import boto3
from skykite_lambda import resource

queue = boto3.client("sqs")


def submit(event, context):
    """`POST /jobs` with any text: puts it into the queue and says under which id."""
    job = {"id": str(uuid.uuid4()), "text": event.get("body") or ""}
    queue.send_message(QueueUrl=resource.Jobs.url, MessageBody=json.dumps(job))
    print(f"queued {job['id']}")
    return {
        "statusCode": 202,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"id": job["id"]}),
    }


def work(event, context):
    """Does the jobs of one batch. If it raises, the queue gives all of them to it again."""
    for record in event["Records"]:
        job = json.loads(record["body"])
        print(f"did {job['id']}: {len(job['text'].split())} words")
