"""What the functions keep of an order."""

import boto3
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Orders.name)


def save(order):
    table.put_item(Item=order)


def find(order):
    return table.get_item(Key={"id": order}).get("Item")
