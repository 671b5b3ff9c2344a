"""Lets the handlers run in a test: the names are where a deployed function finds them, table and queue in memory."""

import json
import os

import pytest

os.environ["KITE_RESOURCE_Orders"] = json.dumps({"type": "Table", "name": "orders-in-tests", "arn": ""})
os.environ["KITE_RESOURCE_Work"] = json.dumps({"type": "Queue", "name": "work", "arn": "", "url": "url:work"})
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


class MemoryQueue:
    """Keeps what is sent, and hands it out as Lambda does."""

    def __init__(self):
        self.bodies = []

    def send_message(self, *, QueueUrl, MessageBody):
        assert QueueUrl == "url:work"
        self.bodies.append(MessageBody)

    @property
    def event(self):
        records = [{"messageId": f"message-{number}", "body": body} for number, body in enumerate(self.bodies)]
        return {"Records": records}


@pytest.fixture(autouse=True)
def table(monkeypatch):
    memory = MemoryTable()
    monkeypatch.setattr(store, "table", memory)
    return memory


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    memory = MemoryQueue()
    monkeypatch.setattr(orders, "sqs", memory)
    return memory
