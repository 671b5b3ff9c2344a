"""Lets the handlers run in a test: the names are where a deployed function finds them, table and bus in memory."""

import json
import os

import pytest

os.environ["KITE_RESOURCE_Members"] = json.dumps({"type": "Table", "name": "members-in-tests", "arn": ""})
os.environ["KITE_RESOURCE_Bus"] = json.dumps({"type": "EventBus", "name": "bus-in-tests", "arn": ""})
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from functions import changes, members, welcome  # they read the variables above


class MemoryTable:
    """The part of a DynamoDB table that the handlers use."""

    def __init__(self):
        self.items = {}

    def put_item(self, *, Item):
        self.items[Item["id"]] = Item

    def get_item(self, *, Key):
        item = self.items.get(Key["id"])
        return {"Item": item} if item else {}

    def update_item(self, *, Key, UpdateExpression, ExpressionAttributeValues):
        assert UpdateExpression == "SET welcomed = :yes"
        self.items[Key["id"]]["welcomed"] = ExpressionAttributeValues[":yes"]


class MemoryBus:
    """Keeps the events, and can fail."""

    def __init__(self):
        self.entries = []
        self.failing = 0

    def put_events(self, *, Entries):
        assert len(Entries) <= 10
        self.entries += Entries
        return {"FailedEntryCount": self.failing}


@pytest.fixture(autouse=True)
def table(monkeypatch):
    memory = MemoryTable()
    monkeypatch.setattr(members, "table", memory)
    monkeypatch.setattr(welcome, "table", memory)
    return memory


@pytest.fixture(autouse=True)
def bus(monkeypatch):
    memory = MemoryBus()
    monkeypatch.setattr(changes, "events", memory)
    return memory
