"""Functions that note what they got, and sources mapped to them, for tests of triggers on the real embedded cloud."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, eventually
from skykite.model.invocation import Invocation


@dataclass
class Called:
    """A function of the test. `answer` says what it returns, or raises, given the event and how often it was called."""

    answer: Callable[[Any, int], Any] = lambda event, count: None
    events: list[Any] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Any, invocation: Invocation) -> Any:
        with self.lock:
            self.events.append(event)
            self.request_ids.append(invocation.request_id)
            self.times.append(time.monotonic())
            count = len(self.events)
        return self.answer(event, count)

    def wait(self, count: int, *, within: float = 10.0) -> list[Any]:
        """The events, once there are so many."""
        return eventually(lambda: len(self.events) >= count and list(self.events), within=within)

    @property
    def bodies(self) -> list[list[str]]:
        """Of the messages in each event."""
        return [[record["body"] for record in event["Records"]] for event in self.events]


def fail(message: str = "no") -> Any:
    raise RuntimeError(message)


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


SERVICES = ("sns.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com")


def make_function(cloud: RunningCloud, name: str, handler: Any, **options: Any) -> str:
    """Which services may invoke. Its ARN."""
    arn = cloud.function(name, handler, **options)
    for number, service in enumerate(SERVICES):
        cloud.client("lambda").add_permission(
            FunctionName=name, StatementId=f"s{number}", Action="lambda:InvokeFunction", Principal=service
        )
    return arn


def make_queue(cloud: RunningCloud, name: str, **attributes: Any) -> str:
    """To which services may send. Its URL."""
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": SERVICES},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn(name),
    }
    attributes = {"Policy": {"Statement": [allow]}, **attributes}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
    url: str = cloud.client("sqs").create_queue(QueueName=name, Attributes=texts)["QueueUrl"]
    return url


def map_queue(
    cloud: RunningCloud, name: str, called: Called, *, attributes: dict[str, Any] | None = None, **options: Any
) -> tuple[str, str]:
    """A queue and a function of that name, mapped. The queue's URL and the mapping's UUID."""
    url = make_queue(cloud, name, **(attributes or {}))
    function = cloud.function(name.replace(".", "-"), called)
    made = cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=queue_arn(name), FunctionName=function, **options
    )
    return url, made["UUID"]


def make_topic(cloud: RunningCloud, name: str, **attributes: str) -> str:
    """To which services may publish. Its ARN."""
    allow = {"Effect": "Allow", "Principal": {"Service": SERVICES}, "Action": "sns:Publish", "Resource": "*"}
    policy = json.dumps({"Statement": [allow]})
    arn: str = cloud.client("sns").create_topic(Name=name, Attributes={"Policy": policy, **attributes})["TopicArn"]
    return arn


def counts(cloud: RunningCloud, url: str) -> tuple[int, int]:
    """How many messages are visible, and how many are not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def receive(cloud: RunningCloud, url: str, *, within: float = 10.0) -> dict[str, Any]:
    """The next message of a queue, with everything about it; it is deleted."""
    sqs = cloud.client("sqs")

    def look() -> dict[str, Any] | None:
        got = sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], WaitTimeSeconds=1
        ).get("Messages")
        return got[0] if got else None

    message = eventually(look, within=within)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message
