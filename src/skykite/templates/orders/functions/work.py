"""Works off the queue. What fails comes again alone, and after the second time goes to the queue of the failed."""

import json

from functions import store


class DeclinedError(Exception):
    """The bank does not want to."""


def charge(event, context):
    """The consumer of `Work`: a batch of orders, of which some may fail."""
    failures = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        try:
            pay(order)
        except DeclinedError as error:
            print(f"order {order['id']} is not paid: {error}")
            failures.append({"itemIdentifier": record["messageId"]})
        else:
            store.save({**order, "status": "paid"})
            print(f"order {order['id']} is paid")
    return {"batchItemFailures": failures}


def give_up(event, context):
    """The consumer of `Failed`."""
    for record in event["Records"]:
        order = json.loads(record["body"])
        store.save({**order, "status": "failed"})
        print(f"order {order['id']} failed for good")


def pay(order):
    """Where a payment provider would be asked."""
    if order["card"] == "declined":
        raise DeclinedError("the card was declined")
