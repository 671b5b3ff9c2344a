"""Requests that are made to mean one thing to whoever judges them and another to whoever executes them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud
from kit.permissions import allow, arn, make_role

Lines = Iterable[tuple[str, str]]
JSON = "application/x-amz-json-1.0"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def role(cloud: RunningCloud) -> str:
    """It may read one table, one topic, one bucket and call one function; beside each there is a forbidden one."""
    dynamodb, sns, s3, sqs = (cloud.client(name) for name in ("dynamodb", "sns", "s3", "sqs"))
    for name in ("open", "shut"):
        dynamodb.create_table(
            TableName=f"{name}-table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        dynamodb.put_item(TableName=f"{name}-table", Item={"pk": {"S": "1"}, "secret": {"S": name}})
        sns.create_topic(Name=name)
        s3.create_bucket(Bucket=f"{name}-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=f"{name}-bucket", Key="k", Body=name.encode())
        sqs.create_queue(QueueName=name)
        cloud.function(name, lambda event, _, name=name: name)
    return make_role(
        cloud,
        allow("dynamodb:*", arn("dynamodb", "table/open-table")),
        allow("sns:*", arn("sns", "open")),
        allow("sqs:*", arn("sqs", "open")),
        allow("s3:GetObject", "arn:aws:s3:::open-bucket/*"),
        allow(["s3:DeleteObject", "s3:PutObject"], "arn:aws:s3:::open-bucket/mine/*"),
        allow("lambda:InvokeFunction", arn("lambda", "function:open")),
    )


def send(
    cloud: RunningCloud,
    role: str,
    service: str,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    signed: Lines = (),
    unsigned: Lines = (),
) -> tuple[int, bytes]:
    """Sign as the role and send; `unsigned` header lines are added afterwards, also a second time."""
    given = cloud.run(cloud.cloud.role_credentials(function="worker", arn="arn", role=role))
    credentials = Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], given["AWS_SESSION_TOKEN"])
    assert cloud.address is not None
    request = AWSRequest(method, f"{cloud.address.url}{target}", data=body, headers=dict(signed))
    (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, REGION).add_auth(request)
    place = urlsplit(cloud.address.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        lines = [("host", place.netloc), *request.headers.items(), *unsigned]
        for name, value in lines:
            connection.putheader(name, value)
        if "transfer-encoding" not in dict(lines):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def table(name: str) -> bytes:
    return json.dumps({"TableName": name, "Key": {"pk": {"S": "1"}}}).encode()


def is_denied(answer: tuple[int, bytes]) -> bool:
    return answer[0] in (400, 403) and (b"AccessDenied" in answer[1] or b"AuthorizationError" in answer[1])


def test_what_is_meant_honestly_is_allowed(cloud: RunningCloud, role: str) -> None:
    lines = [("x-amz-target", "DynamoDB_20120810.GetItem"), ("content-type", JSON)]

    assert send(cloud, role, "dynamodb", "POST", "/", table("open-table"), signed=lines)[0] == 200
    assert is_denied(send(cloud, role, "dynamodb", "POST", "/", table("shut-table"), signed=lines))


@pytest.mark.parametrize(
    ("signed", "unsigned"),
    [
        ([], ["DynamoDB_20120810.GetItem", "Logs_20140328.DescribeLogGroups"]),
        (["DynamoDB_20120810.GetItem"], ["DynamoDB_20120810.Scan"]),
        (["DynamoDB_20120810.GetItem,DynamoDB_20120810.Scan"], []),
        (["DynamoDB_20120810.GetItem.Scan"], []),
        (["DynamoDB_20120810x.GetItem"], []),
        (["AmazonSSM.DynamoDB_20120810.GetItem"], []),
    ],
)
def test_two_targets_are_refused(cloud: RunningCloud, role: str, signed: list[str], unsigned: list[str]) -> None:
    answer = send(
        cloud,
        role,
        "dynamodb",
        "POST",
        "/",
        table("open-table"),
        signed=[("content-type", JSON), *(("x-amz-target", one) for one in signed)],
        unsigned=[("x-amz-target", one) for one in unsigned],
    )

    assert answer[0] in (400, 403)


@pytest.mark.parametrize(
    "body",
    [
        {"TableName": "open-table", "RequestItems": {"shut-table": {"Keys": [{"pk": {"S": "1"}}]}}},
        {"RequestItems": {arn("dynamodb", "table/open-table/../shut-table"): {"Keys": [{"pk": {"S": "1"}}]}}},
        {"RequestItems": [["shut-table", {}]]},
    ],
)
def test_a_batch_is_judged_by_what_it_reads(cloud: RunningCloud, role: str, body: object) -> None:
    lines = [("x-amz-target", "DynamoDB_20120810.BatchGetItem"), ("content-type", JSON)]

    assert is_denied(send(cloud, role, "dynamodb", "POST", "/", json.dumps(body).encode(), signed=lines))


@pytest.mark.parametrize(
    "name", [arn("dynamodb", "table/open-table/index/shut-table"), "open-table/../shut-table", "open-table\n"]
)
def test_a_name_that_is_none_is_refused(cloud: RunningCloud, role: str, name: str) -> None:
    lines = [("x-amz-target", "DynamoDB_20120810.GetItem"), ("content-type", JSON)]

    assert is_denied(send(cloud, role, "dynamodb", "POST", "/", table(name), signed=lines))


def form(**parameters: str) -> bytes:
    return urlencode({"Version": "2010-03-31", **parameters}).encode()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/?Action=GetTopicAttributes", form(Action="DeleteTopic", TopicArn=arn("sns", "shut"))),
        ("/?TopicArn=" + quote(arn("sns", "open")), form(Action="DeleteTopic", TopicArn=arn("sns", "shut"))),
        ("/", form(Action="DeleteTopic", TopicArn=arn("sns", "open")) + b"&TopicArn=" + arn("sns", "shut").encode()),
        ("/", form(Action="DeleteTopic", TopicArn=arn("sns", "open")) + b"&Action=ListTopics"),
        ("/", form(Action="Publish", TopicArn=arn("sns", "open"), TargetArn=arn("sns", "shut"), Message="m")),
        ("/", form(Action="Publish", TopicArn=arn("sns", "open") + ":x", Message="m")),
        ("/sns", form(Action="DeleteTopic", TopicArn=arn("sns", "shut"))),
    ],
)
def test_two_actions_or_two_topics_are_refused(cloud: RunningCloud, role: str, target: str, body: bytes) -> None:
    answer = send(cloud, role, "sns", "POST", target, body, signed=[("content-type", FORM)])

    assert is_denied(answer)
    assert len(cloud.client("sns").list_topics()["Topics"]) == 2


def test_an_operation_in_a_form_is_not_hidden_behind_a_target(cloud: RunningCloud, role: str) -> None:
    target = ("x-amz-target", "AWSSecurityTokenServiceV20110615.GetCallerIdentity")
    body = form(Action="GetSessionToken")
    answers = [
        send(cloud, role, "sts", "POST", "/", body, signed=[target, ("content-type", FORM)]),
        send(cloud, role, "iam", "POST", "/", form(Action="ListRoles"), signed=[target, ("content-type", FORM)]),
        send(cloud, role, "s3", "POST", "/", form(Action="ListRoles"), signed=[("content-type", FORM)]),
        send(cloud, role, "s3", "PUT", "/open-bucket/mine/a?Action=ListRoles", b""),
    ]

    assert all(map(is_denied, answers)), answers


def test_a_queue_is_named_once(cloud: RunningCloud, role: str) -> None:
    lines = [("x-amz-target", "AmazonSQS.ReceiveMessage"), ("content-type", JSON)]
    body = json.dumps({"QueueUrl": f"http://here/{ACCOUNT}/open"}).encode()

    assert send(cloud, role, "sqs", "POST", "/", body, signed=lines)[0] == 200
    assert is_denied(send(cloud, role, "sqs", "POST", f"/{ACCOUNT}/shut", body, signed=lines))
    assert is_denied(send(cloud, role, "sqs", "POST", f"/{ACCOUNT}/shut", b"{}", signed=lines))
    for url in (f"http://here/{ACCOUNT}/open/shut", f"http://here/{ACCOUNT}/open?/shut", "open#/shut"):
        assert is_denied(send(cloud, role, "sqs", "POST", "/", json.dumps({"QueueUrl": url}).encode(), signed=lines))


@pytest.mark.parametrize(
    ("method", "target", "lines"),
    [
        ("GET", "/shut-bucket/k", []),
        ("GET", "//shut-bucket/k", []),
        ("GET", "/open-bucket/../shut-bucket/k", []),
        ("GET", "/open-bucket%2F..%2Fshut-bucket/k", []),
        ("GET", "/shut-bucket%2Fk", []),
        ("GET", "/open-bucket/k?tagging&acl", []),
        ("GET", "/open-bucket/k?torrent", []),
        ("PUT", "/open-bucket/k?uploadId=1&partNumber=1", []),
        ("PUT", "/open-bucket/mine/a", [("x-amz-copy-source", "/shut-bucket/k")]),
        ("PUT", "/open-bucket/mine/a", [("x-amz-copy-source", "//shut-bucket/k")]),
        ("PUT", "/open-bucket/mine/a", [("x-amz-copy-source", "open-bucket%2F..%2Fshut-bucket/k")]),
        ("PUT", "/open-bucket/mine/a?x-amz-copy-source=/shut-bucket/k", []),
        ("DELETE", "/open-bucket/mine", []),
        ("GET", "/v20180820/bucket/shut-bucket", []),
        ("GET", "/", [("host", "shut-bucket.localhost")]),
    ],
)
def test_no_spelling_of_a_path_reaches_another_object(
    cloud: RunningCloud, role: str, method: str, target: str, lines: list[tuple[str, str]]
) -> None:
    status, body = send(cloud, role, "s3", method, target, b"", signed=lines)

    assert status in (400, 403, 404), body
    assert b"shut" not in body.replace(b"shut-bucket", b"")
    held = cloud.client("s3").list_objects_v2(Bucket="open-bucket")["Contents"]
    assert [one["Key"] for one in held] == ["k"]


@pytest.mark.parametrize(
    "objects",
    [
        "<Object><Key>k</Key><Key>mine/a</Key></Object>",
        "<Object><Key>mine/a</Key><Key>k</Key></Object>",
        "<Object><Key>mine/a</Key></Object><Object><Key>k</Key></Object>",
        "<Object><Key>mine/a</Key><VersionId>null</VersionId><VersionId>x</VersionId></Object>",
    ],
)
def test_every_object_of_a_deletion_is_judged(cloud: RunningCloud, role: str, objects: str) -> None:
    body = f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{objects}</Delete>'.encode()

    assert is_denied(send(cloud, role, "s3", "POST", "/open-bucket?delete", body))
    assert cloud.client("s3").get_object(Bucket="open-bucket", Key="k")


@pytest.mark.parametrize(
    "name",
    ["shut", "open%2F..%2Fshut", "open%252F..%252Fshut", "%2573hut", "open/../shut", "open:1/../shut", "x%2Fshut"],
)
def test_no_spelling_of_a_function_calls_another(cloud: RunningCloud, role: str, name: str) -> None:
    status, body = send(cloud, role, "lambda", "POST", f"/2015-03-31/functions/{name}/invocations", b"{}")

    assert status in (400, 403, 404), body
    assert b'"shut"' not in body
    assert send(cloud, role, "lambda", "POST", "/2015-03-31/functions/open/invocations", b"{}") == (200, b'"open"')


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_aws/sqs/messages"),
        ("GET", "/_localstack/state"),
        ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("POST", "/Execute"),
        ("GET", "/iceberg/v1/config"),
    ],
)
def test_what_is_inside_of_the_cloud_is_not_for_functions(
    cloud: RunningCloud, role: str, method: str, path: str
) -> None:
    for service in ("s3", "dynamodb", "ec2"):
        assert send(cloud, role, service, method, path, b"{}")[0] in (400, 403)
    assert cloud.client("sqs").list_queues()["QueueUrls"]


def test_a_body_in_chunks_is_for_s3_alone(cloud: RunningCloud, role: str) -> None:
    inner = table("shut-table")
    body = f"{len(inner):x}\r\n".encode() + inner + b"\r\n0\r\n\r\n"
    lines = [
        ("x-amz-target", "DynamoDB_20120810.GetItem"),
        ("content-type", JSON),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", str(len(inner))),
    ]

    assert is_denied(send(cloud, role, "dynamodb", "POST", "/", body, signed=lines))


def test_a_url_that_was_given_away_for_an_upload_does_nothing_else(cloud: RunningCloud, role: str) -> None:
    url = urlsplit(
        cloud.client("s3").generate_presigned_url(
            "create_multipart_upload", Params={"Bucket": "open-bucket", "Key": "given"}
        )
    )
    assert cloud.address is not None
    place = urlsplit(cloud.address.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    body = form(Action="DeleteTopic", TopicArn=arn("sns", "shut"))
    connection.request("POST", f"{url.path}?{url.query}", body, {"content-type": FORM})

    assert connection.getresponse().status in (400, 403)
    assert len(cloud.client("sns").list_topics()["Topics"]) == 2
