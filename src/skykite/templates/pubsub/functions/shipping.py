"""One of the subscribers of `OrderPlaced`."""

import json

from functions import store


def plan(event, context):
    for record in event["Records"]:
        order = json.loads(record["Sns"]["Message"])
        store.note(order["id"], "shipping", "planned")
        print(f"shipping of order {order['id']}: planned")
