"""Lets the handlers run in a test: the table's name is where a deployed function finds it, the table is in memory."""

import json
import os

import pytest

os.environ["KITE_RESOURCE_Notes"] = json.dumps({"type": "Table", "name": "notes-in-tests", "arn": ""})
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from functions import notes  # it reads the variables above


class MemoryTable:
    """The part of a DynamoDB table that the handlers use."""

    def __init__(self):
        self.items = {}

    def put_item(self, *, Item):
        self.items[Item["id"]] = Item

    def get_item(self, *, Key):
        item = self.items.get(Key["id"])
        return {"Item": item} if item else {}

    def scan(self, *, Limit, ExclusiveStartKey=None):
        keys = list(self.items)
        start = keys.index(ExclusiveStartKey["id"]) + 1 if ExclusiveStartKey else 0
        page = keys[start : start + Limit]
        more = {"LastEvaluatedKey": {"id": page[-1]}} if keys[start + Limit :] else {}
        return {"Items": [self.items[key] for key in page], **more}


@pytest.fixture(autouse=True)
def table(monkeypatch):
    memory = MemoryTable()
    monkeypatch.setattr(notes, "table", memory)
    return memory
