import json

import pytest
from functions import orders, receipt, shipping, stock


def place(body):
    return orders.place({"body": body}, None)


def read(response):
    return json.loads(response["body"])


def test_an_order_goes_to_everybody_who_subscribed(topic):
    placed = place('{"item": "kite", "quantity": 2}')
    assert placed["statusCode"] == 202

    for subscriber in (receipt.send, stock.reserve, shipping.plan):
        subscriber({"Records": [{"Sns": {"Message": message}} for message in topic.messages]}, None)

    order = read(orders.get({"pathParameters": {"id": read(placed)["id"]}}, None))
    assert order["item"] == "kite"
    assert order["steps"] == {"receipt": "sent", "stock": "reserved", "shipping": "planned"}


@pytest.mark.parametrize("body", [None, "{", "[]", "{}", '{"item": ""}', '{"item": "kite", "quantity": 0}'])
def test_what_is_no_order_is_a_400_and_nobody_hears_of_it(body, topic, table):
    assert place(body)["statusCode"] == 400
    assert topic.messages == []
    assert table.items == {}


def test_an_order_that_is_not_there_is_a_404():
    assert orders.get({"pathParameters": {"id": "nope"}}, None)["statusCode"] == 404
