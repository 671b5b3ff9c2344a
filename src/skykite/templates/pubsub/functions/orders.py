"""The front door: an order is kept, and everybody who subscribed hears of it."""

import base64
import json
import uuid

import boto3
from skykite_lambda import resource

from functions import store

sns = boto3.client("sns")


def place(event, context):
    """`POST /orders` with `{"item": "kite", "quantity": 2}`."""
    try:
        body = read_json(event)
    except ValueError:
        return answer(400, {"message": "the body is not JSON"})
    item = body.get("item") if isinstance(body, dict) else None
    quantity = body.get("quantity", 1) if isinstance(body, dict) else None
    if not isinstance(item, str) or not item or type(quantity) is not int or quantity < 1:
        return answer(400, {"message": "an order has an `item`, and a `quantity` of 1 or more"})
    order = {"id": str(uuid.uuid4()), "item": item, "quantity": quantity}
    store.create(order)
    sns.publish(TopicArn=resource.OrderPlaced.arn, Message=json.dumps(order))
    print(f"order {order['id']} placed")
    return answer(202, order)


def get(event, context):
    """`GET /orders/{id}`: the order, and which of the subscribers are done with it."""
    wanted = event["pathParameters"]["id"]
    order = store.find(wanted)
    if order is None:
        return answer(404, {"message": f"there is no order `{wanted}`"})
    return answer(200, order)


def read_json(event):
    """API Gateway sends bodies it takes for binary, such as form data, as base64."""
    body = event.get("body") or ""
    return json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)


def answer(status, document):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(document, default=int),  # DynamoDB's numbers are Decimals
    }
