"""Queues, topics and event buses under `kite dev --local`, and the same under `--bridge`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.http import fetch
from kit.kite import Dev, dev
from kit.stacks import write_project

APP = """\
from skykite import Api, App, EventBus, Queue, Stack, Topic


def main(app: App) -> None:
    stack = Stack(app, "Shop")
    stock = Queue(stack, "Stock", fifo=True, content_based_deduplication=True, consumer="functions/shop.stock")
    orders = Queue(
        stack,
        "Orders",
        consumer={
            "function": {"handler": "functions/shop.orders", "timeout": 2},
            "filters": [{"body": {"kind": ["goods"]}}],
        },
        visibility_timeout=2,
        dead_letter_queue={"max_receive_count": 1},
    )
    orders.dead_letter_queue.add_consumer("functions/shop.mourn")
    ordered = Topic(stack, "Ordered", fifo=True, content_based_deduplication=True, subscribers={"stock": stock})
    placed = Topic(
        stack,
        "Placed",
        subscribers={
            "receipt": {"function": "functions/shop.receipt", "filter_policy": {"kind": ["goods"]}},
            "orders": {"queue": orders, "raw_message_delivery": True},
        },
    )
    audit = EventBus(
        stack,
        "Audit",
        rules={"all": {"pattern": {"source": [{"prefix": "sh"}]}, "targets": {"log": "functions/shop.log"}}},
    )
    bus = EventBus(
        stack,
        "Bus",
        archive=True,
        rules={
            "placed": {
                "pattern": {"source": ["shop"], "detail_type": ["Placed"], "detail": {"n": [{"numeric": [">", 0]}]}},
                "targets": {
                    "mail": {"function": "functions/shop.mail", "dead_letter_queue": True, "retry_attempts": 2},
                    "orders": {"queue": orders, "input": {"kind": "goods", "n": "bus"}},
                    "audit": audit,
                    "stock": {"queue": stock, "message_group_id": "bus"},
                },
            },
        },
    )
    links = [orders, placed, ordered, bus]
    Api(stack, "Api", routes={"POST /{to}": {"handler": "functions/send.send", "link": links}})
"""
FUNCTIONS = {
    "functions/shop.py": """\
import json


def said(*what):
    print(json.dumps(what))


def stock(event, context):
    for record in event["Records"]:
        said("stock", record["attributes"]["MessageGroupId"])


def orders(event, context):
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        said("orders", body["n"])
        if body.get("fail"):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def mourn(event, context):
    for record in event["Records"]:
        said("mourn", json.loads(record["body"])["n"])


def receipt(event, context):
    said("receipt", json.loads(event["Records"][0]["Sns"]["Message"])["n"])


def mail(event, context):
    said("mail", event["detail"]["n"])


def log(event, context):
    said("log", event["detail-type"])
""",
    "functions/send.py": """\
import json

import boto3
from skykite_lambda import resource


def send(event, context):
    to, body = event["pathParameters"]["to"], event["body"]
    kind = {"kind": {"DataType": "String", "StringValue": json.loads(body).get("kind", "none")}}
    if to == "queue":
        boto3.client("sqs").send_message(QueueUrl=resource.Orders.url, MessageBody=body)
    elif to == "topic":
        boto3.client("sns").publish(TopicArn=resource.Placed.arn, Message=body, MessageAttributes=kind)
    elif to == "ordered":
        boto3.client("sns").publish(TopicArn=resource.Ordered.arn, Message=body, MessageGroupId="topic")
    else:
        entry = {"EventBusName": resource.Bus.name, "Source": "shop", "DetailType": "Placed", "Detail": body}
        boto3.client("events").put_events(Entries=[entry])
""",
}


async def hear(session: Dev, expected: set[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What the functions said, once all of `expected` is among it."""
    heard: list[tuple[Any, ...]] = []
    while not expected <= set(heard):
        event = await session.event("invocation.log")
        heard += [tuple(json.loads(line)) for line in event["text"].splitlines()]
    return heard


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "mode", [("--port", "0"), pytest.param(("--bridge",), marks=pytest.mark.slow)], ids=["local", "bridge"]
)
async def test_what_is_sent_reaches_each_that_is_to_get_it_and_nobody_else(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    project = write_project(tmp_path, {"stacks/app.py": APP, **FUNCTIONS})
    async with dev(project, "--stage", "alice", *mode) as session:
        url = (await session.ready())["endpoints"][0]["url"]

        async def send(to: str, **body: Any) -> None:
            headers = {"content-type": "application/json"}
            answer = await fetch("POST", f"{url}/{to}", headers=headers, body=json.dumps(body).encode())
            assert answer.status == 200, answer.text

        await send("queue", kind="other", n="filtered")
        await send("queue", kind="goods", n="queue")
        await send("topic", kind="other", n="unfit")
        await send("topic", kind="goods", n="topic")
        await send("ordered", n="ordered")
        await send("bus", n=0)
        await send("bus", n=5)
        await send("queue", kind="goods", n="poison", fail=True)
        heard = await hear(
            session,
            {
                ("orders", "queue"),
                ("orders", "topic"),
                ("receipt", "topic"),
                ("stock", "topic"),
                ("mail", 5),
                ("log", "Placed"),
                ("orders", "bus"),
                ("stock", "bus"),
                ("orders", "poison"),
                ("mourn", "poison"),
            },
        )
        assert len(heard) == 10, heard
