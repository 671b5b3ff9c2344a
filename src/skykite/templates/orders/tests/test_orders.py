import json

import pytest
from functions import orders, work


def place(item, card):
    return read(orders.place({"body": json.dumps({"item": item, "card": card})}, None))


def status(order):
    return read(orders.get({"pathParameters": {"id": order["id"]}}, None))["status"]


def read(response):
    return json.loads(response["body"])


def test_of_a_batch_only_what_failed_comes_again(queue):
    paid, declined = place("kite", "4242"), place("string", "declined")

    assert work.charge(queue.event, None) == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}

    assert status(paid) == "paid"
    assert status(declined) == "placed"


def test_what_failed_for_good_says_so(queue):
    order = place("kite", "declined")

    work.give_up(queue.event, None)

    assert status(order) == "failed"


@pytest.mark.parametrize("body", [None, "{", "[]", "{}", '{"item": "kite"}', '{"item": 1, "card": "4242"}'])
def test_what_is_no_order_is_a_400_and_not_queued(body, queue):
    assert orders.place({"body": body}, None)["statusCode"] == 400
    assert queue.bodies == []


def test_an_order_that_is_not_there_is_a_404():
    assert orders.get({"pathParameters": {"id": "nope"}}, None)["statusCode"] == 404
