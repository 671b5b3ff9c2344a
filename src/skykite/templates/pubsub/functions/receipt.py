"""One of the subscribers of `OrderPlaced`."""

import json

from functions import store


def send(event, context):
    for record in event["Records"]:
        order = json.loads(record["Sns"]["Message"])
        store.note(order["id"], "receipt", "sent")
        print(f"receipt of order {order['id']}: sent")
