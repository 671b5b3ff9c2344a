"""Lets the handlers run in a test: the names are where a deployed function finds them, table and topic in memory."""

import json
import os

import pytest

os.environ["KITE_RESOURCE_Orders"] = json.dumps({"type": "Table", "name": "orders-in-tests", "arn": ""})
os.environ["KITE_RESOURCE_OrderPlaced"] = json.dumps({"type": "Topic", "name": "placed", "arn": "arn:placed"})
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from functions import orders, store  # they read the variables above


class MemoryTable:
    """The part of a DynamoDB table that the handlers use."""

    def __init__(self):
        self.items = {}

    def put_item(self, *, Item):
        self.items[Item["id"]] = Item

    def get_item(self, *, Key):
        item = self.items.get(Key["id"])
        return {"Item": item} if item else {}

    def update_item(self, *, Key, UpdateExpression, ExpressionAttributeNames, ExpressionAttributeValues):
        assert UpdateExpression == "SET steps.#step = :result"
        steps = self.items[Key["id"]]["steps"]
        steps[ExpressionAttributeNames["#step"]] = ExpressionAttributeValues[":result"]


class MemoryTopic:
    """Keeps what is published."""

    def __init__(self):
        self.messages = []

    def publish(self, *, TopicArn, Message):
        assert TopicArn == "arn:placed"
        self.messages.append(Message)


@pytest.fixture(autouse=True)
def table(monkeypatch):
    memory = MemoryTable()
    monkeypatch.setattr(store, "table", memory)
    return memory


@pytest.fixture(autouse=True)
def topic(monkeypatch):
    memory = MemoryTopic()
    monkeypatch.setattr(orders, "sns", memory)
    return memory
