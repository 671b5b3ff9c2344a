"""A clock that ticks every minute, and a page of its last ticks."""

import json
from datetime import datetime, timedelta

import boto3
from boto3.dynamodb.conditions import Key
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Ticks.name)

CLOCK = "every minute"
KEPT = timedelta(days=1)
PAGE = 10


def tick(event, context):
    """The schedule's job. A schedule may fire twice for one time: the second changes nothing."""
    time = datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
    table.put_item(Item={"clock": CLOCK, "time": time.isoformat(), "expires": int((time + KEPT).timestamp())})
    print(f"tick {time:%H:%M:%S}")


def browse(event, context):
    """`GET /`: the last ticks, the newest first."""
    page = table.query(KeyConditionExpression=Key("clock").eq(CLOCK), ScanIndexForward=False, Limit=PAGE)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"ticks": [item["time"] for item in page["Items"]]}),
    }
