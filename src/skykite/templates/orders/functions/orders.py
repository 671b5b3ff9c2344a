"""The front door: an order is kept and put into the queue; whoever ordered does not wait for the rest."""

import base64
import json
import uuid

import boto3
from skykite_lambda import resource

from functions import store

sqs = boto3.client("sqs")


def place(event, context):
    """`POST /orders` with `{"item": "kite", "card": "4242"}`."""
    try:
        body = read_json(event)
    except ValueError:
        return answer(400, {"message": "the body is not JSON"})
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("item", "card")):
        return answer(400, {"message": "an order has an `item` and a `card`"})
    order = {"id": str(uuid.uuid4()), "item": body["item"], "card": body["card"], "status": "placed"}
    store.save(order)
    sqs.send_message(QueueUrl=resource.Work.url, MessageBody=json.dumps(order))
    return answer(202, order)


def get(event, context):
    """`GET /orders/{id}`: the order, `placed`, `paid` or `failed`."""
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
        "body": json.dumps(document),
    }
