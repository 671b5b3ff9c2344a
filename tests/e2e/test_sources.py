"""Streams, tables, buckets and schedules under `kite dev --local`, and the same under `--bridge`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.http import fetch
from kit.kite import Dev, dev
from kit.stacks import write_project

APP = """\
from skykite import Api, App, Bucket, KinesisStream, Queue, Stack, Table


def main(app: App) -> None:
    stack = Stack(app, "Shop")
    lost = Queue(stack, "Lost", consumer="functions/shop.lost")
    clicks = KinesisStream(
        stack,
        "Clicks",
        shards=1,
        consumers={
            "some": {"function": "functions/shop.some", "filters": [{"data": {"n": [{"numeric": [">", 1]}]}}]},
            "bad": {"function": "functions/shop.bad", "batch_size": 1, "retry_attempts": 0, "on_failure": lost},
        },
    )
    rows = Table(
        stack,
        "Rows",
        fields={"id": "string"},
        primary_index={"partition_key": "id"},
        consumers={"new": {"function": "functions/shop.new", "filters": [{"eventName": ["INSERT"]}]}},
    )
    gone = Queue(stack, "Gone", consumer="functions/shop.gone")
    photos = Bucket(
        stack,
        "Photos",
        versioned=True,
        notifications={
            "made": {"function": "functions/shop.made", "filters": [{"prefix": "in/"}, {"suffix": ".jpg"}]},
            "gone": {"queue": gone, "events": ["object_removed"]},
        },
    )
    photos.get_function("made").add_link(photos)  # it is told of the bucket that it writes to
    Api(stack, "Api", routes={"POST /{n}": {"handler": "functions/send.send", "link": [clicks, rows, photos]}})
"""
FUNCTIONS = {
    "functions/shop.py": """\
import base64
import json

import boto3
from skykite_lambda import resource


def said(*what):
    print(json.dumps(what))


def data(event):
    return [json.loads(base64.b64decode(record["kinesis"]["data"]))["n"] for record in event["Records"]]


def some(event, context):
    for n in data(event):
        said("some", n)


def bad(event, context):
    if data(event) == [3]:
        raise ValueError("no threes")


def lost(event, context):
    for record in event["Records"]:
        said("lost", json.loads(record["body"])["KinesisBatchInfo"]["batchSize"])


def new(event, context):
    for record in event["Records"]:
        said(record["eventName"], record["dynamodb"]["NewImage"]["id"]["S"])


def made(event, context):
    for record in event["Records"]:
        key = record["s3"]["object"]["key"]
        boto3.client("s3").put_object(Bucket=resource.Photos.name, Key=key.replace("in/", "out/"), Body=b"done")
        said("made", key)


def gone(event, context):
    for record in event["Records"]:
        for told in json.loads(record["body"]).get("Records", ()):  # the first message is S3's test event
            said("gone", told["s3"]["object"]["key"])
""",
    "functions/send.py": """\
import json

import boto3
from skykite_lambda import resource


def send(event, context):
    n = event["pathParameters"]["n"]
    boto3.client("kinesis").put_record(
        StreamName=resource.Clicks.name, PartitionKey=n, Data=json.dumps({"n": int(n)}).encode()
    )
    table = boto3.resource("dynamodb").Table(resource.Rows.name)
    table.put_item(Item={"id": n})
    table.put_item(Item={"id": n, "more": True})
    s3 = boto3.client("s3")
    for key in (f"in/{n}.jpg", f"in/{n}.png"):
        s3.put_object(Bucket=resource.Photos.name, Key=key, Body=b"x")
    s3.delete_object(Bucket=resource.Photos.name, Key=f"in/{n}.png")
""",
}


async def hear(session: Dev, expected: set[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What the functions said, once all of `expected` is among it."""
    heard: list[tuple[Any, ...]] = []
    while not expected <= set(heard):
        event = await session.event("invocation.log")
        heard += [tuple(json.loads(line)) for line in event["text"].splitlines() if line.startswith("[")]
    return heard


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", [("--port", "0"), ("--bridge",)], ids=["local", "bridge"])
async def test_what_happens_reaches_each_that_asked_for_it_and_nobody_else(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    project = write_project(tmp_path, {"stacks/app.py": APP, **FUNCTIONS})
    async with dev(project, "--stage", "alice", *mode) as session:
        url = (await session.ready())["endpoints"][0]["url"]
        for n in (1, 2, 3):
            answer = await fetch("POST", f"{url}/{n}")
            assert answer.status == 200, answer.text
        expected: set[tuple[Any, ...]] = {("some", 2), ("some", 3), ("lost", 1)}
        for n in (1, 2, 3):
            expected |= {("INSERT", f"{n}"), ("made", f"in/{n}.jpg"), ("gone", f"in/{n}.png")}
        heard = await hear(session, expected)
        assert sorted(heard, key=repr) == sorted(expected, key=repr), "each once"
        triggers = {event["function"]: event["trigger"]["label"] for event in session.events if "trigger" in event}
        assert triggers["Shop/Photos/made"] == "s3 Shop/Photos"
        assert triggers["Shop/Clicks/some"] == "kinesis Shop/Clicks"
        assert triggers["Shop/Rows/new"] == "dynamodb Shop/Rows"


CRONS = """\
from skykite import App, Cron, Stack


def main(app: App) -> None:
    stack = Stack(app, "Shop")
    for id, event in (("Plain", None), ("Paid", {"at": "<aws.scheduler.scheduled-time>"})):
        job = f"functions/shop.{id.lower()}"
        Cron(stack, id, schedule="cron(* * ? * * *)", timezone="Asia/Tokyo", job=job, event=event)
    Cron(stack, "Resting", schedule="cron(* * * * ? *)", job="functions/shop.resting", enabled=False)
"""
JOBS = """\
import json


def plain(event, context):
    print(json.dumps(["plain", event["detail-type"], event["time"][-4:]]))


def paid(event, context):
    print(json.dumps(["paid", event["at"][-4:]]))


def resting(event, context):
    print(json.dumps(["resting"]))
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", [("--port", "0"), ("--bridge",)], ids=["local", "bridge"])
async def test_schedules_run_by_their_own_clock(tmp_path: Path, mode: tuple[str, ...]) -> None:
    project = write_project(tmp_path, {"stacks/app.py": CRONS, "functions/shop.py": JOBS})
    async with dev(project, "--stage", "alice", *mode) as session:
        await session.ready()
        heard = await hear(session, {("plain", "Scheduled Event", ":00Z"), ("paid", ":00Z")})
        assert ("resting",) not in heard
        labels = {event["function"]: event["trigger"]["label"] for event in session.events if "trigger" in event}
        assert labels["Shop/Plain/Job"] == "schedule Shop/Plain"
