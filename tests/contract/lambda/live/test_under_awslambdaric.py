"""The stub's zip, unpacked, under AWS's own runtime: what Lambda is told for events of AWS's own shapes."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kit.appsync import Aws, running_aws
from kit.dev_session import Function, echo, serving
from kit.lambda_service import LambdaService, aws_runtime
from skykite.model.stub_package import HANDLER, build_stub_package
from skykite_lambda.wire import InvocationHead, Raised

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has wheels for Linux only")

HTTP_API = {
    "version": "2.0",
    "routeKey": "GET /notes/{id}",
    "rawPath": "/notes/1",
    "rawQueryString": "a=b",
    "headers": {"accept": "*/*", "host": "abc.execute-api.eu-central-1.amazonaws.com"},
    "requestContext": {
        "accountId": "000000000000",
        "apiId": "abc",
        "domainName": "abc.execute-api.eu-central-1.amazonaws.com",
        "http": {
            "method": "GET",
            "path": "/notes/1",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "curl",
        },
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "GET /notes/{id}",
        "stage": "$default",
        "timeEpoch": 1795817760000,
    },
    "pathParameters": {"id": "1"},
    "isBase64Encoded": False,
}
REST_API = {
    "resource": "/notes/{id}",
    "path": "/notes/1",
    "httpMethod": "GET",
    "headers": {"Accept": "*/*"},
    "multiValueHeaders": {"Accept": ["*/*"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": {"id": "1"},
    "stageVariables": None,
    "requestContext": {
        "resourceId": "x",
        "resourcePath": "/notes/{id}",
        "httpMethod": "GET",
        "stage": "prod",
        "apiId": "abc",
    },
    "body": None,
    "isBase64Encoded": False,
}
LOAD_BALANCER = {
    "requestContext": {
        "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/x/y"}
    },
    "httpMethod": "GET",
    "path": "/notes/1",
    "queryStringParameters": {},
    "headers": {"accept": "*/*"},
    "body": "",
    "isBase64Encoded": False,
}
FUNCTION_URL = {
    **HTTP_API,
    "routeKey": "$default",
    "requestContext": {**HTTP_API["requestContext"], "domainName": "abc.lambda-url.eu-central-1.on.aws"},  # type: ignore[dict-item]
}
HTTP = {
    "HTTP API": HTTP_API,
    "REST API": REST_API,
    "HTTP API, format 1.0": {"version": "1.0", **REST_API},
    "function URL": FUNCTION_URL,
    "load balancer": LOAD_BALANCER,
}
QUEUE = {
    "Records": [
        {
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
            "body": "poisoned",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:my-queue",
            "awsRegion": "eu-central-1",
        }
    ]
}
SCHEDULE = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-11-27T22:16:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:events:eu-central-1:000000000000:rule/my-schedule"],
    "detail": {},
}
NO_HTTP = {"queue": QUEUE, "schedule": SCHEDULE, "asynchronous": {"any": "thing"}, "nothing": None}
OFFLINE = (
    "no `kite dev` is connected to stage `alice` of `notes`; "
    "run `kite dev --local --bridge --stage alice`, or `kite deploy --local --stage alice` to put the code back"
)


@contextmanager
def deployed(aws: Aws, folder: Path, **environment: str) -> Iterator[LambdaService]:
    with zipfile.ZipFile(io.BytesIO(build_stub_package().content)) as archive:
        archive.extractall(folder)
    with aws_runtime(folder, HANDLER, {**aws.environment(), **environment}) as service:
        yield service


@contextmanager
def connected(folder: Path, function: Function = echo) -> Iterator[LambdaService]:
    with running_aws() as aws, serving(aws, function), deployed(aws, folder) as service:
        yield service


@pytest.mark.parametrize("event", [*HTTP.values(), *NO_HTTP.values()], ids=[*HTTP, *NO_HTTP])
def test_what_the_function_returns_is_what_lambda_gets(tmp_path: Path, event: Any) -> None:
    async def answer(head: InvocationHead, payload: bytes) -> bytes:
        assert json.loads(payload) == event
        return b'{"statusCode": 200,"body":"\\u00fc \xc3\xbc", "n": 1.50}'

    with connected(tmp_path, answer) as service:
        # To the byte: neither spaces, nor escapes, nor trailing zeros are ours to change.
        assert service.invoke(json.dumps(event).encode()) == (
            "response",
            b'{"statusCode": 200,"body":"\\u00fc \xc3\xbc", "n": 1.50}',
        )


def test_a_partial_batch_response_passes_verbatim(tmp_path: Path) -> None:
    failures = b'{"batchItemFailures": [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975830a7d"}]}'

    async def answer(head: InvocationHead, payload: bytes) -> bytes:
        return failures

    with connected(tmp_path, answer) as service:
        assert service.invoke(json.dumps(QUEUE).encode()) == ("response", failures)


@pytest.mark.parametrize("event", [HTTP_API, QUEUE, {"any": "thing"}], ids=["HTTP API", "queue", "asynchronous"])
def test_what_the_function_raises_is_what_lambda_gets(tmp_path: Path, event: Any) -> None:
    async def fail(head: InvocationHead, payload: bytes) -> Raised:
        trace = ('  File "/home/alice/notes/functions/notes.py", line 7, in get\n    return table[key]\n',)
        return Raised("KeyError", "'ü'", trace)

    with connected(tmp_path, fail) as service:
        kind, body = service.invoke(json.dumps(event).encode(), request_id="8f507cfc-1234-4697-b07a-ac58fc914c95")
    assert kind == "error"
    assert json.loads(body) == {
        "errorMessage": "'ü'",
        "errorType": "KeyError",
        "requestId": "8f507cfc-1234-4697-b07a-ac58fc914c95",
        "stackTrace": ['  File "/home/alice/notes/functions/notes.py", line 7, in get\n    return table[key]\n'],
    }


@pytest.mark.parametrize("name", HTTP)
def test_with_nobody_connected_an_http_caller_gets_a_503(tmp_path: Path, name: str) -> None:
    with running_aws() as aws, deployed(aws, tmp_path) as service:
        kind, body = service.invoke(json.dumps(HTTP[name]).encode())
    assert kind == "response"
    answer = json.loads(body)
    assert answer["statusCode"] == 503
    assert answer["headers"]["retry-after"]
    assert json.loads(answer["body"]) == {"error": "LiveDevOffline", "message": OFFLINE}


@pytest.mark.parametrize("name", NO_HTTP)
def test_with_nobody_connected_all_others_fail_so_that_they_are_tried_again(tmp_path: Path, name: str) -> None:
    with running_aws() as aws, deployed(aws, tmp_path) as service:
        kind, body = service.invoke(json.dumps(NO_HTTP[name]).encode())
    assert kind == "error"
    found = json.loads(body)
    assert (found["errorType"], found["errorMessage"], found["stackTrace"]) == ("LiveDevOffline", OFFLINE, [])


def test_a_stub_that_was_deployed_without_its_variable_starts_and_says_so(tmp_path: Path) -> None:
    with running_aws() as aws, deployed(aws, tmp_path, KITE_LIVE="") as service:
        kind, body = service.invoke(b"{}")
    assert kind == "error"
    assert json.loads(body)["errorType"] == "LiveMisconfigured"


def test_a_payload_of_6_mb_goes_both_ways(tmp_path: Path) -> None:
    event = json.dumps("x" * (6 * 1024 * 1024 - 2)).encode()
    with connected(tmp_path) as service:
        assert service.invoke(event) == ("response", event)
