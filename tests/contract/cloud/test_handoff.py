"""Whatever invokes a function in the embedded cloud reaches Skykite, and gets what Lambda would give."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, empty_zip, eventually
from kit.triggers import make_function
from skykite.model.invocation import Invocation, Trigger


def test_an_invoke_passes_the_bytes_of_both_sides_untouched(cloud: RunningCloud) -> None:
    cloud.function("verbatim", lambda event, _: b'{"b":  1.0, "a": 1e3, "\\u00e9": "\xc3\xa9"}')
    sent = b'{ "z": 1.0,   "big": 12345678901234567890 }'

    answer = cloud.client("lambda").invoke(FunctionName="verbatim", Payload=sent, LogType="Tail")

    assert answer["Payload"].read() == b'{"b":  1.0, "a": 1e3, "\\u00e9": "\xc3\xa9"}'
    assert cloud.functions.invocations[-1].payload == sent
    assert cloud.functions.invocations[-1].trigger == Trigger(kind="invoke")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert base64.b64decode(answer["LogResult"]) == b"said something\n"
    assert "FunctionError" not in answer


def test_what_is_no_json_passes_untouched_too(cloud: RunningCloud) -> None:
    """As a function that streams sends it, or one that returns bytes."""
    sent = [b"one\ntwo\n", b"", b"\xff\x00", b"[" * 100_000]
    cloud.function("streaming", lambda event, _: sent[event])
    for number, each in enumerate(sent):
        answer = cloud.client("lambda").invoke(FunctionName="streaming", Payload=str(number).encode())
        assert (answer["StatusCode"], answer["Payload"].read()) == (200, each)
        assert "FunctionError" not in answer


def test_an_error_comes_back_as_lambdas_error_document(cloud: RunningCloud) -> None:
    def failing(event: Any, _: Invocation) -> Any:
        raise KeyError("no such note")

    cloud.function("failing", failing)

    answer = cloud.client("lambda").invoke(FunctionName="failing", Payload=b"{}")

    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {
        "errorMessage": "'no such note'",
        "errorType": "KeyError",
        "requestId": cloud.functions.invocations[-1].request_id,
        "stackTrace": ['  File "functions/a.py", line 1, in handler\n'],
    }


def test_an_asynchronous_invoke_answers_at_once_and_is_retried_when_it_fails(cloud: RunningCloud) -> None:
    calls: list[Any] = []

    def flaky(event: Any, _: Invocation) -> Any:
        calls.append(event)
        if len(calls) == 1:
            raise RuntimeError("once")

    cloud.function("flaky", flaky)

    answer = cloud.client("lambda").invoke(FunctionName="flaky", InvocationType="Event", Payload=b'{"n": 1}')

    assert answer["StatusCode"] == 202
    assert eventually(lambda: len(calls) == 2)
    assert calls == [{"n": 1}, {"n": 1}]


def test_the_client_context_reaches_the_function(cloud: RunningCloud) -> None:
    cloud.function("context", lambda event, _: None)
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()

    cloud.client("lambda").invoke(FunctionName="context", ClientContext=context)

    assert cloud.functions.invocations[-1].client_context == b'{"custom": {"k": "v"}}'


def test_a_function_may_invoke_another_while_it_is_invoked(cloud: RunningCloud) -> None:
    cloud.function("inner", lambda event, _: {"got": event})

    def outer(event: Any, _: Invocation) -> Any:
        answer = cloud.client("lambda").invoke(FunctionName="inner", Payload=json.dumps(event).encode())
        return {"inner": json.loads(answer["Payload"].read())}

    cloud.function("outer", outer)

    answer = cloud.client("lambda").invoke(FunctionName="outer", Payload=b'{"n": 1}')

    assert json.loads(answer["Payload"].read()) == {"inner": {"got": {"n": 1}}}


def test_invocations_run_at_the_same_time(cloud: RunningCloud) -> None:
    together = threading.Barrier(8, timeout=20)  # breaks unless all eight are inside at once
    cloud.function("crowd", lambda event, _: together.wait() >= 0)
    answers: list[bytes] = []

    def call() -> None:
        answers.append(cloud.client("lambda").invoke(FunctionName="crowd")["Payload"].read())

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert answers == [b"true"] * 8


def test_a_thousand_invocations_may_run_at_once_whatever_the_machine(cloud: RunningCloud) -> None:
    assert cloud.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1000


def test_a_message_in_a_queue_reaches_the_function_and_leaves_the_queue(cloud: RunningCloud) -> None:
    arn = cloud.function("worker", lambda event, _: None)
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
    cloud.client("lambda").create_event_source_mapping(EventSourceArn=source, FunctionName=arn, BatchSize=1)

    sqs.send_message(QueueUrl=url, MessageBody="hello")

    invocation = eventually(lambda: _of(cloud, "worker"))
    assert invocation.trigger == Trigger(kind="event", label="sqs orders")
    record = json.loads(invocation.payload)["Records"][0]
    assert (record["body"], record["eventSourceARN"]) == ("hello", source)
    assert eventually(lambda: _count(sqs, url) == 0)


def test_a_message_on_a_topic_reaches_the_function(cloud: RunningCloud) -> None:
    arn = make_function(cloud, "listener", lambda event, _: None)
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)

    sns.publish(TopicArn=topic, Message="hello")

    invocation = eventually(lambda: _of(cloud, "listener"))
    assert invocation.trigger == Trigger(kind="event", label="sns news")
    assert json.loads(invocation.payload)["Records"][0]["Sns"]["Message"] == "hello"


def test_an_object_in_a_bucket_reaches_the_function(cloud: RunningCloud) -> None:
    arn = make_function(cloud, "resize", lambda event, _: None)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="uploads", CreateBucketConfiguration={"LocationConstraint": REGION})
    wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="uploads", NotificationConfiguration=wanted)

    s3.put_object(Bucket="uploads", Key="a.png", Body=b"x")

    assert eventually(lambda: _of(cloud, "resize")).trigger == Trigger(kind="event", label="s3 uploads")


def test_a_function_nobody_runs_says_what_is_missing(cloud: RunningCloud) -> None:
    cloud.function("absent", None)

    answer = cloud.client("lambda").invoke(FunctionName="absent")

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {
        "errorMessage": "function absent runs on the developer's machine, and no kite dev that has it is connected",
        "errorType": "Skykite.NotRunning",
    }


def test_a_function_of_its_own_runs_in_the_cloud_without_the_hosts_environment(cloud: RunningCloud) -> None:
    source = "import json, os\ndef handler(event, context):\n    return dict(os.environ)\n"
    cloud.function("own", None, Handler="index.handler", Code={"ZipFile": empty_zip(index__py=source)})

    answer = cloud.client("lambda").invoke(FunctionName="own")

    environment = json.loads(answer["Payload"].read())
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["AWS_ENDPOINT_URL"] == cloud.address.url
    assert not {"USER", "LOGNAME", "SHELL", "PWD", "VIRTUAL_ENV", "AWS_PROFILE"} & environment.keys()
    assert str(cloud.directory) in environment["HOME"]
    identity = cloud.client(
        "sts",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
    ).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/any/own"


def test_a_payload_over_the_limit_is_refused_as_lambda_does(cloud: RunningCloud) -> None:
    cloud.function("large", lambda event, _: None)
    client = cloud.client("lambda")

    with pytest.raises(
        ClientError, match="Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    ):
        client.invoke(FunctionName="large", Payload=b'"' + b"x" * (6 * 1024 * 1024) + b'"')


def _of(cloud: RunningCloud, function: str) -> Invocation | None:
    return next((one for one in cloud.functions.invocations if one.function == function), None)


def _count(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in attributes.values())


@pytest.mark.parametrize("runtime", ["java21", "ruby3.3", "dotnet8"])
def test_what_nobody_here_can_run_fails_and_says_so(cloud: RunningCloud, runtime: str) -> None:
    """MiniStack answers a made-up response of status 200."""
    name = runtime.replace(".", "-")
    cloud.function(name, None, Runtime=runtime, Handler="a.b")

    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {
        "errorType": "Skykite.RuntimeUnsupported",
        "errorMessage": f"the embedded cloud cannot run {name}: it has Python, Node and `provided` runtimes, and no "
        f"{runtime}",
    }
