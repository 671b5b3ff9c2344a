"""Works off the queue that the bus fills."""

import json

import boto3
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Members.name)


def send(event, context):
    for record in event["Records"]:
        member = json.loads(record["body"])["detail"]
        table.update_item(
            Key={"id": member["id"]},
            UpdateExpression="SET welcomed = :yes",
            ExpressionAttributeValues={":yes": True},
        )
        print(f"welcome, {member['name']}!")
