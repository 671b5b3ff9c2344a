"""Reads the table's stream, and tells the bus who joined."""

import json

import boto3
from skykite_lambda import resource

events = boto3.client("events")
AT_ONCE = 10  # entries that EventBridge takes in one call


def publish(event, context):
    """Each record is a new item. If this raises, the same batch comes again: an event may be put twice."""
    entries = [
        {
            "EventBusName": resource.Bus.name,
            "Source": "club",
            "DetailType": "MemberJoined",
            "Detail": json.dumps({"id": image["id"]["S"], "name": image["name"]["S"]}),
        }
        for image in (record["dynamodb"]["NewImage"] for record in event["Records"])
    ]
    for start in range(0, len(entries), AT_ONCE):
        answer = events.put_events(Entries=entries[start : start + AT_ONCE])
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"EventBridge did not take {answer['FailedEntryCount']} events")
    print(f"{len(entries)} joined")
