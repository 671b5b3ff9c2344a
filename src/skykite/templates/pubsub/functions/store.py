"""What the functions keep of an order."""

import boto3
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Orders.name)


def create(order):
    table.put_item(Item={**order, "steps": {}})


def find(order):
    return table.get_item(Key={"id": order}).get("Item")


def note(order, step, result):
    """A message may come twice: noting the same again changes nothing."""
    table.update_item(
        Key={"id": order},
        UpdateExpression="SET steps.#step = :result",
        ExpressionAttributeNames={"#step": step},
        ExpressionAttributeValues={":result": result},
    )
