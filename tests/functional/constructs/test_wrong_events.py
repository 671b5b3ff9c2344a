"""Whatever is wrong with a queue, a topic or a bus fails when it is made and names the construct and the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.stacks import build_source, error_text, write_project
from skykite.errors import SkykiteError

PROGRAM = """\
from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from skykite import Api, EventBus, Function, Queue, Stack, Topic


def main(app):
    stack = Stack(app, "Shop")
    other = Stack(app, "Other")
    work = Function(stack, "Work", "functions/shop.work", timeout=60)
    fifo, plain = Queue(stack, "Fifo", fifo=True), Queue(stack, "Plain", name="plain")
    far = Queue(other, "Far")
    ordered, topic = Topic(stack, "Ordered", fifo=True), Topic(stack, "Topic")
    {line}
"""
LINE = 13

QUEUES = {
    "unknown prop": 'Queue(stack, "Q", consumers="functions/shop.work")',
    "consumer is nothing": 'Queue(stack, "Q", consumer=5)',
    "consumer misspelt": 'Queue(stack, "Q", consumer="functions/shop.wrok")',
    "unknown option": 'Queue(stack, "Q", consumer={"function": "functions/shop.work", "batchsize": 5})',
    "option beside a handler": 'Queue(stack, "Q", consumer={"handler": "functions/shop.work", "batch_size": 5})',
    "no function": 'Queue(stack, "Q", consumer={"batch_size": 5})',
    "two consumers": 'Queue(stack, "Q", consumer=work).add_consumer("functions/shop.mail")',
    "batch too large": 'Queue(stack, "Q", consumer={"function": work, "batch_size": 20000})',
    "batch too large for fifo": 'Queue(stack, "Q", fifo=True, consumer={"function": work, "batch_size": 11})',
    "large batch without time": 'Queue(stack, "Q", consumer={"function": work, "batch_size": 11})',
    "window too long": 'Queue(stack, "Q", consumer={"function": work, "max_batching_window": 301})',
    "window of a fifo queue": 'Queue(stack, "Q", fifo=True, consumer={"function": work, "max_batching_window": 1})',
    "window in parts of a second": 'Queue(stack, "Q", consumer={"function": work, '
    '"max_batching_window": Duration.millis(1500)})',
    "concurrency of one": 'Queue(stack, "Q", consumer={"function": work, "max_concurrency": 1})',
    "report is a string": 'Queue(stack, "Q", consumer={"function": work, "report_batch_item_failures": "yes"})',
    "filters are one pattern": 'Queue(stack, "Q", consumer={"function": work, "filters": {"body": ["a"]}})',
    "six filters": 'Queue(stack, "Q", consumer={"function": work, "filters": [{"body": ["a"]}] * 6})',
    "filter without a list": 'Queue(stack, "Q", consumer={"function": work, "filters": [{"body": {"kind": "a"}}]})',
    "hidden for less than the consumer takes": 'Queue(stack, "Q", consumer=work, visibility_timeout=30)',
    "cdk queue that hides for too short": 'Queue(stack, "Q", existing=sqs.Queue(stack, "C"), consumer=work)',
    "visibility too long": 'Queue(stack, "Q", visibility_timeout=Duration.days(1))',
    "retention too short": 'Queue(stack, "Q", retention_period=59)',
    "delay is a float": 'Queue(stack, "Q", delay=1.5)',
    "fifo is a string": 'Queue(stack, "Q", fifo="yes")',
    "deduplication without fifo": 'Queue(stack, "Q", content_based_deduplication=True)',
    "deduplication scope": 'Queue(stack, "Q", fifo=True, deduplication_scope="messageGroup")',
    "throughput limit without scope": 'Queue(stack, "Q", fifo=True, fifo_throughput_limit="per_message_group_id")',
    "dead letters are no queue": 'Queue(stack, "Q", dead_letter_queue="functions/shop.work")',
    "dead letters of another kind": 'Queue(stack, "Q", dead_letter_queue=fifo)',
    "dead letters never": 'Queue(stack, "Q", dead_letter_queue={"max_receive_count": 0})',
    "retention of another's queue": 'Queue(stack, "Q", dead_letter_queue={"queue": plain, "retention_period": 60})',
    "name taken": 'Queue(stack, "Q", name="plain")',
    "name": 'Queue(stack, "Q", name="my queue")',
    "key": 'Queue(stack, "Q", encryption_key="alias/mine")',
    "removal policy": 'Queue(stack, "Q", removal_policy="keep")',
    "existing of another service": 'Queue(stack, "Q", existing="arn:aws:sns:eu-west-1:111111111111:orders")',
    "existing of another region": 'Queue(stack, "Q", existing="arn:aws:sqs:us-east-1:111111111111:orders")',
    "existing is a name": 'Queue(stack, "Q", existing="orders")',
    "existing is ours": 'Queue(stack, "Q", existing=plain)',
    "existing is changed": 'Queue(stack, "Q", existing="arn:aws:sqs:eu-west-1:111111111111:orders", fifo=True)',
    "no consumer to get": "plain.get_function()",
    "handler for a queue and a route": 'Queue(stack, "Q", consumer="functions/shop.work"); '
    'Api(stack, "Api", routes={"GET /": work})',
    "handler for a queue and a topic": 'Queue(stack, "Q", consumer=work); '
    'Topic(stack, "T", subscribers={"again": "functions/shop.work"})',
}
TOPICS = {
    "topic: unknown prop": 'Topic(stack, "T", subscriber={})',
    "topic: subscribers are a list": 'Topic(stack, "T", subscribers=["functions/shop.mail"])',
    "topic: subscriber is nothing": 'Topic(stack, "T", subscribers={"mail": None})',
    "topic: subscriber misspelt": 'Topic(stack, "T", subscribers={"mail": "functions/shop.male"})',
    "topic: name": 'Topic(stack, "T", subscribers={"my mail": "functions/shop.mail"})',
    "topic: reserved name": 'Topic(stack, "T", subscribers={"Resource": "functions/shop.mail"})',
    "topic: name taken later": 'Topic(stack, "T", subscribers={"mail": work})'
    '.add_subscribers({"mail": "functions/shop.mail"})',
    "topic: name twice": 'Topic(stack, "T", subscribers={"mail": "functions/shop.mail", "mail": plain})',
    "topic: subscriber twice": 'Topic(stack, "T", subscribers={"mail": plain, "more": plain})',
    "topic: function and queue": 'Topic(stack, "T", subscribers={"mail": {"function": work, "queue": plain}})',
    "topic: neither function nor queue": 'Topic(stack, "T", subscribers={"mail": {"filter_policy": {"a": ["b"]}}})',
    "topic: queue is a handler": 'Topic(stack, "T", subscribers={"mail": {"queue": "functions/shop.mail"}})',
    "topic: filter scope alone": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, '
    '"filter_scope": "message_body"}})',
    "topic: filter scope": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, "filter_policy": {"a": ["b"]}, '
    '"filter_scope": "MessageBody"}})',
    "topic: filter inside attributes": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, '
    '"filter_policy": {"order": {"kind": ["a"]}}}})',
    "topic: filter with six keys": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, '
    '"filter_policy": {key: ["a"] for key in "abcdef"}}})',
    "topic: filter with too many combinations": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, '
    '"filter_policy": {"a": list("0123456789"), "b": list("0123456789ABCDEF")}}})',
    "topic: filter with an unknown comparison": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, '
    '"filter_policy": {"a": [{"prefixes": "b"}]}}})',
    "topic: raw message for a function": 'Topic(stack, "T", subscribers={"mail": {"function": "functions/shop.mail", '
    '"raw_message_delivery": True}})',
    "topic: function on fifo": 'Topic(stack, "T", fifo=True, subscribers={"mail": "functions/shop.mail"})',
    "topic: fifo queue on no fifo": 'Topic(stack, "T", subscribers={"mail": fifo})',
    "topic: fifo dead letters": 'Topic(stack, "T", subscribers={"mail": {"queue": plain, "dead_letter_queue": fifo}})',
    "topic: deduplication without fifo": 'Topic(stack, "T", content_based_deduplication=True)',
    "topic: display name": 'Topic(stack, "T", display_name="x" * 101)',
    "topic: existing and new": 'Topic(stack, "T", existing="arn:aws:sns:eu-west-1:111111111111:t", name="t")',
    "topic: no such function": 'topic.get_function("mail")',
    "topic: of several": 'Topic(\n        stack,\n        "T",\n        subscribers={\n            "work": work,\n'
    '            "mail": "functions/shop.male",\n        },\n    )',
}
BUSES = {
    "bus: unknown prop": 'EventBus(stack, "B", rule={})',
    "bus: rule is a handler": 'EventBus(stack, "B", rules={"r": "functions/shop.mail"})',
    "bus: no pattern": 'EventBus(stack, "B", rules={"r": {"targets": {"mail": "functions/shop.mail"}}})',
    "bus: no targets": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}}})',
    "bus: unknown key of a rule": 'EventBus(stack, "B", rules={"r": {"patern": {}, "targets": {}}})',
    "bus: unknown key of a pattern": 'EventBus(stack, "B", rules={"r": {"pattern": {"detailtype": ["a"]}, '
    '"targets": {"mail": "functions/shop.mail"}}})',
    "bus: pattern without a list": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": "shop"}, '
    '"targets": {"mail": "functions/shop.mail"}}})',
    "bus: empty pattern": 'EventBus(stack, "B", rules={"r": {"pattern": {}, '
    '"targets": {"mail": "functions/shop.mail"}}})',
    "bus: six targets": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {f"t{n}": work for n in range(6)}}})',
    "bus: target is nothing": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": 5}}})',
    "bus: target misspelt": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": "functions/shop.male"}}})',
    "bus: queue is a topic": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": {"queue": topic}}}})',
    "bus: retries": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": {"function": "functions/shop.mail", "retry_attempts": 186}}}})',
    "bus: age": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": {"function": "functions/shop.mail", "max_event_age": 59}}}})',
    "bus: fifo dead letters": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": {"function": "functions/shop.mail", "dead_letter_queue": fifo}}}})',
    "bus: input that JSON cannot say": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"mail": {"function": "functions/shop.mail", "input": {1, 2}}}}})',
    "bus: fifo queue without a group": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"all": fifo}}})',
    "bus: fifo queue that wants ids": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"all": {"queue": fifo, "message_group_id": "g"}}}})',
    "bus: group of no fifo queue": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"all": {"queue": plain, "message_group_id": "g"}}}})',
    "bus: fifo topic": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"all": ordered}}})',
    "bus: input for a bus": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"all": {"event_bus": EventBus(stack, "A"), "input": 1}}}})',
    "bus: queues of two stacks": 'EventBus(stack, "B", rules={"r": {"pattern": {"source": ["shop"]}, '
    '"targets": {"far": far, "near": plain}}})',
    "bus: name": 'EventBus(stack, "B", name="default")',
    "bus: archive": 'EventBus(stack, "B", archive={"days": 5})',
    "bus: archive days": 'EventBus(stack, "B", archive={"retention_period": 0})',
    "bus: existing": 'EventBus(stack, "B", existing="main")',
    "bus: no such function": 'EventBus(stack, "B").get_function("r", "mail")',
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    code = "def work(event, context): ...\ndef mail(event, context): ...\n"
    return write_project(tmp_path, {"functions/shop.py": code})


def test_wrong_props_are_explained(project: Path, snapshot: SnapshotAssertion) -> None:
    said = []
    for name, line in (QUEUES | TOPICS | BUSES).items():
        with pytest.raises(SkykiteError) as raised:
            build_source(project, PROGRAM.format(line=line))
        shown = {"topic: of several": LINE + 5}.get(name, LINE)
        assert f"stacks/app.py:{shown}" in (raised.value.context or ""), name
        said.append(f"--- {name}\n{error_text(raised.value)}")
    assert "\n\n".join(said).replace(str(project), "PROJECT") == snapshot
