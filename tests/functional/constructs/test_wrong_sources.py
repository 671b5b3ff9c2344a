"""Whatever is wrong with what a stream or a bucket is given fails when it is made, with the user's line."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.stacks import build_source, error_text, write_project
from skykite.errors import SkykiteError

PROGRAM = """\
from datetime import datetime
from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from skykite import Bucket, Function, KinesisStream, Queue, Stack, Table, Topic

KEYS = {{"fields": {{"id": "string"}}, "primary_index": {{"partition_key": "id"}}}}


def main(app):
    stack = Stack(app, "NotesStack")
    shared = Function(stack, "Shared", "functions/notes.get")
    {line}
"""
LINE = 12

STREAMS = {
    "unknown prop": 'KinesisStream(stack, "K", shard=1)',
    "no shards": 'KinesisStream(stack, "K", shards=0)',
    "retention too short": 'KinesisStream(stack, "K", retention_period=3600)',
    "retention of half hours": 'KinesisStream(stack, "K", retention_period=Duration.minutes(1470))',
    "encryption by a name": 'KinesisStream(stack, "K", encryption_key="alias/mine")',
    "name": 'KinesisStream(stack, "K", name="all clicks")',
    "consumers as a list": 'KinesisStream(stack, "K", consumers=["functions/notes.get"])',
    "consumer's name": 'KinesisStream(stack, "K", consumers={"my consumer": "functions/notes.get"})',
    "consumer without a function": 'KinesisStream(stack, "K", consumers={"a": {"batch_size": 5}})',
    "consumer's option misspelt": 'KinesisStream(stack, "K", consumers={"a": {"function": "functions/notes.get", '
    '"batchsize": 5}})',
    "consumer's options among the function's": 'KinesisStream(stack, "K", consumers={"a": '
    '{"handler": "functions/notes.get", "batch_size": 5}})',
    "consumer that is nothing": 'KinesisStream(stack, "K", consumers={"a": None})',
    "batch too large": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, "batch_size": 10001}})',
    "window too long": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, "max_batching_window": 301}})',
    "starting position": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, '
    '"starting_position": "newest"}})',
    "starting at a time without zone": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, '
    '"starting_position": datetime(2026, 11, 1)}})',
    "filter that is no list": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, '
    '"filters": {"data": {"x": [1]}}}})',
    "filter without a list inside": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, '
    '"filters": [{"data": {"kind": "click"}}]}})',
    "on_failure to a function": 'KinesisStream(stack, "K", consumers={"a": {"function": shared, '
    '"on_failure": shared}})',
    "one function twice": 'KinesisStream(stack, "K", consumers={"a": shared, "b": shared})',
    "one handler for batches and requests": '__import__("skykite").Api(stack, "Api", routes={"GET /": '
    '"functions/notes.create"}); KinesisStream(stack, "K", consumers={"a": "functions/notes.create"})',
    "existing of another service": 'KinesisStream(stack, "K", existing="arn:aws:sqs:eu-west-1:123456789012:clicks")',
    "existing in another region": 'KinesisStream(stack, "K", '
    'existing="arn:aws:kinesis:us-east-1:123456789012:stream/clicks")',
    "existing and configured": 'KinesisStream(stack, "K", shards=1, '
    'existing="arn:aws:kinesis:eu-west-1:123456789012:stream/clicks")',
    "existing object of another kind": 'KinesisStream(stack, "K", existing=sqs.Queue(stack, "Q"))',
    "no scope": 'KinesisStream("stack", "K")',
}
TABLES = {
    "table: stream off": 'Table(stack, "T", **KEYS, stream=False, consumers={"a": shared})',
    "table: consumers later, and no stream": 'Table(stack, "T", **KEYS).add_consumers({"a": shared})',
    "table: existing without stream": 'Table(stack, "T", consumers={"a": shared}, '
    'existing="arn:aws:dynamodb:eu-west-1:123456789012:table/Notes")',
    "table: starting at a time": 'Table(stack, "T", **KEYS, consumers={"a": {"function": shared, '
    '"starting_position": datetime(2026, 11, 1)}})',
    "table: existing and configured": 'Table(stack, "T", **KEYS, '
    'existing="arn:aws:dynamodb:eu-west-1:123456789012:table/Notes")',
    "table: unknown default": 'Table(stack, "T", **KEYS, defaults={"functions": {}})',
}
BUCKETS = {
    "bucket: unknown prop": 'Bucket(stack, "B", notification={})',
    "bucket: name in capitals": 'Bucket(stack, "B", name="Photos")',
    "bucket: name S3 reserves": 'Bucket(stack, "B", name="xn--photos")',
    "bucket: name with dots in a row": 'Bucket(stack, "B", name="my..photos")',
    "bucket: name that is taken": 'Bucket(stack, "A", name="photos"), Bucket(stack, "B", name="photos")',
    "bucket: name from another app's": 'Bucket(stack, "B", existing="photos")',
    "bucket: existing and configured": 'Bucket(stack, "B", existing="arn:aws:s3:::photos", versioned=True)',
    "bucket: versioned": 'Bucket(stack, "B", versioned="yes")',
    "bucket: event": 'Bucket(stack, "B", notifications={"made": {"function": shared, "events": ["created"]}})',
    "bucket: event by S3's name": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"events": ["s3:ObjectCreated:*"]}})',
    "bucket: no events": 'Bucket(stack, "B", notifications={"made": {"function": shared, "events": []}})',
    "bucket: events as one string": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"events": "object_created"}})',
    "bucket: events that include each other": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"events": ["object_created", "object_created_put"]}})',
    "bucket: filter that is a dict": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"filters": {"prefix": "a/"}}})',
    "bucket: filter of another kind": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"filters": [{"extension": ".jpg"}]}})',
    "bucket: two prefixes": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"filters": [{"prefix": "a/"}, {"prefix": "b/"}]}})',
    "bucket: empty suffix": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"filters": [{"suffix": ""}]}})',
    "bucket: function and queue": 'Bucket(stack, "B", notifications={"made": {"function": shared, '
    '"queue": Queue(stack, "Q")}})',
    "bucket: nobody told": 'Bucket(stack, "B", notifications={"made": {"events": ["object_created"]}})',
    "bucket: queue that is none": 'Bucket(stack, "B", notifications={"made": {"queue": shared}})',
    "bucket: topic that is none": 'Bucket(stack, "B", notifications={"made": {"topic": Queue(stack, "Q")}})',
    "bucket: FIFO queue": 'Bucket(stack, "B", notifications={"made": Queue(stack, "Q", fifo=True)})',
    "bucket: FIFO topic": 'Bucket(stack, "B", notifications={"made": {"topic": Topic(stack, "T", fifo=True)}})',
    "bucket: overlap": 'Bucket(stack, "B", notifications={"all": "functions/notes.get", "put": '
    '{"function": shared, "events": ["object_created_put"]}})',
    "bucket: overlap of prefixes": 'Bucket(\n        stack,\n        "B",\n        notifications={\n'
    '            "photos": {"function": shared, "filters": [{"prefix": "photos/"}]},\n'
    '            "new": {"function": shared, "filters": [{"prefix": "photos/new/"}]},\n        },\n    )',
    "bucket: handler gone": 'Bucket(stack, "B", notifications={"made": {"function": "functions/notes.gets"}})',
    "bucket: lifecycle as a dict": 'Bucket(stack, "B", lifecycle={"expire_after": 1})',
    "bucket: lifecycle of nothing": 'Bucket(stack, "B", lifecycle=[{"prefix": "tmp/"}])',
    "bucket: lifecycle of versions that are not kept": 'Bucket(stack, "B", lifecycle=[{"expire_noncurrent_after": 1}])',
    "bucket: lifecycle to warmer classes": 'Bucket(stack, "B", lifecycle=[{"transitions": {"glacier": 30, '
    '"standard_ia": 60}}])',
    "bucket: lifecycle that expires first": 'Bucket(stack, "B", lifecycle=[{"expire_after": 30, '
    '"transitions": {"glacier": 60}}])',
    "bucket: lifecycle too early": 'Bucket(stack, "B", lifecycle=[{"transitions": {"standard_ia": 7}}])',
    "bucket: storage class": 'Bucket(stack, "B", lifecycle=[{"transitions": {"ice": 30}}])',
    "bucket: cors origin": 'Bucket(stack, "B", cors=[{"allowed_origins": ["example.com"], '
    '"allowed_methods": ["GET"]}])',
    "bucket: cors without methods": 'Bucket(stack, "B", cors=[{"allowed_origins": ["*"]}])',
    "bucket: cors method": 'Bucket(stack, "B", cors=[{"allowed_origins": ["*"], "allowed_methods": ["PATCH"]}])',
    "bucket: cors in the words of an Api": 'Bucket(stack, "B", cors={"allow_origins": ["*"]})',
}
SHOWN = {"bucket: overlap of prefixes": 17}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def test_wrong_sources_are_explained(project: Path, snapshot: SnapshotAssertion) -> None:
    said = []
    for name, line in (STREAMS | TABLES | BUCKETS).items():
        with pytest.raises(SkykiteError) as raised:
            build_source(project, PROGRAM.format(line=line))
        assert raised.value.code != "cdk-error", name
        assert f"stacks/app.py:{SHOWN.get(name, LINE)}" in (raised.value.context or ""), name
        said.append(f"--- {name}\n{error_text(raised.value)}")
    assert "\n\n".join(said).replace(str(project), "PROJECT") == snapshot
