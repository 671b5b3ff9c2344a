"""Lets the handlers run in a test: the names are where a deployed function finds them, bucket and table in memory."""

import io
import json
import os

import pytest

os.environ["KITE_RESOURCE_Files"] = json.dumps({"type": "Bucket", "name": "files-in-tests", "arn": ""})
os.environ["KITE_RESOURCE_Pictures"] = json.dumps({"type": "Table", "name": "pictures-in-tests", "arn": ""})
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from functions import store  # it reads the variables above


class MemoryBucket:
    """The part of S3 that the handlers use."""

    def __init__(self):
        self.objects = {}

    def generate_presigned_url(self, operation, *, Params, ExpiresIn):
        return f"https://{Params['Bucket']}/{Params['Key']}?{operation}"

    def put_object(self, *, Bucket, Key, Body, ContentType):
        self.objects[Key] = Body

    def get_object(self, *, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[Key])}


class MemoryTable:
    """The part of a DynamoDB table that the handlers use."""

    def __init__(self):
        self.items = {}

    def put_item(self, *, Item):
        self.items[Item["id"]] = Item

    def get_item(self, *, Key):
        item = self.items.get(Key["id"])
        return {"Item": dict(item)} if item else {}


@pytest.fixture(autouse=True)
def bucket(monkeypatch):
    memory = MemoryBucket()
    monkeypatch.setattr(store, "s3", memory)
    return memory


@pytest.fixture(autouse=True)
def table(monkeypatch):
    memory = MemoryTable()
    monkeypatch.setattr(store, "table", memory)
    return memory
