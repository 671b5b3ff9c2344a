"""One of the subscribers of `OrderPlaced`."""

import json

from functions import store


def reserve(event, context):
    for record in event["Records"]:
        order = json.loads(record["Sns"]["Message"])
        store.note(order["id"], "stock", "reserved")
        print(f"stock of order {order['id']}: reserved")
