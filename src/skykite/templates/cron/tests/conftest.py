"""Lets the handlers run in a test: the table's name is where a deployed function finds it, the table is in memory."""

import json
import os

import pytest

os.environ["KITE_RESOURCE_Ticks"] = json.dumps({"type": "Table", "name": "ticks-in-tests", "arn": ""})
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from functions import ticks  # it reads the variables above


class MemoryTable:
    """The part of a DynamoDB table that the handlers use."""

    def __init__(self):
        self.items = {}

    def put_item(self, *, Item):
        self.items[Item["time"]] = Item

    def query(self, *, KeyConditionExpression, ScanIndexForward, Limit):
        assert not ScanIndexForward
        return {"Items": [self.items[time] for time in sorted(self.items, reverse=True)][:Limit]}


@pytest.fixture(autouse=True)
def table(monkeypatch):
    memory = MemoryTable()
    monkeypatch.setattr(ticks, "table", memory)
    return memory
