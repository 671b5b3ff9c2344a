"""Who may talk to the embedded cloud: known keys, this machine's pages, names it serves."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import REGION, RunningCloud, deploy


def _ask(cloud: RunningCloud, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes]:
    assert cloud.address is not None
    place = urlsplit(cloud.address.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request(
            method, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("service", "operation", "status", "code"),
    [
        ("sqs", "list_queues", 403, "InvalidClientTokenId"),
        ("sts", "get_caller_identity", 403, "InvalidClientTokenId"),
        ("s3", "list_buckets", 403, "InvalidAccessKeyId"),
        ("lambda", "list_functions", 403, "UnrecognizedClientException"),
        ("dynamodb", "list_tables", 400, "UnrecognizedClientException"),
        ("cloudformation", "list_stacks", 403, "InvalidClientTokenId"),
    ],
)
@pytest.mark.parametrize("key", ["test", "000000000000", "AKIAABCDEFGHIJKLMNOP"])
def test_an_unknown_access_key_is_refused_as_aws_does(
    cloud: RunningCloud, service: str, operation: str, status: int, code: str, key: str
) -> None:
    client = cloud.client(service, aws_access_key_id=key, aws_secret_access_key="x")

    with pytest.raises(ClientError) as refused:
        getattr(client, operation)()

    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_temporary_credentials_of_its_own_sts_are_known(cloud: RunningCloud) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    role = cloud.client("iam").create_role(RoleName="dev", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    reading = {"Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}]}
    cloud.client("iam").put_role_policy(RoleName="dev", PolicyName="read", PolicyDocument=json.dumps(reading))

    given = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]

    client = cloud.client(
        "sqs",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    assert client.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_presigned_url_works_without_a_header(cloud: RunningCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="presigned", Key="k", Body=b"hello")
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "k"}))

    assert _ask(cloud, "GET", f"{url.path}?{url.query}") == (200, b"hello")


def test_an_object_is_for_everybody_only_if_the_buckets_policy_says_so(cloud: RunningCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="public", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="public", Key="k", Body=b"hello")
    assert _ask(cloud, "GET", "/public/k")[0] == 403
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}

    s3.put_bucket_policy(Bucket="public", Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))

    assert _ask(cloud, "GET", "/public/k") == (200, b"hello")
    assert _ask(cloud, "PUT", "/public/k")[0] == 403


def test_an_api_answers_under_its_aws_name_without_credentials(cloud: RunningCloud) -> None:
    arn = cloud.function("hello", lambda event, _: {"statusCode": 200, "body": event["rawPath"]})
    resources = {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "a", "ProtocolType": "HTTP"}},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": arn,
                "PayloadFormatVersion": "2.0",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "$default",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
    }
    stack = deploy(cloud, "open", resources, Outputs={"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}})
    host = urlsplit(stack["OutputValues"]["Url"]).netloc

    assert _ask(cloud, "GET", "/notes/1", Host=host) == (200, b"/notes/1")
    assert cloud.functions.invocations[-1].trigger.label == "$default"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
    ids=str,
)
def test_pages_of_others_and_names_of_others_are_refused(cloud: RunningCloud, headers: dict[str, str]) -> None:
    assert _ask(cloud, "GET", "/_ministack/health", **headers)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:1234"},
        {"Origin": "http://localhost:5173", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
def test_pages_and_programs_of_this_machine_are_let_in(cloud: RunningCloud, headers: dict[str, str]) -> None:
    assert _ask(cloud, "GET", "/_ministack/health", **headers)[0] == 200


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/_localstack/state/reset"])
def test_nobody_resets_or_reconfigures_it_without_a_key(cloud: RunningCloud, path: str) -> None:
    cloud.client("sqs").create_queue(QueueName="precious")

    assert _ask(cloud, "POST", path)[0] == 403

    assert cloud.client("sqs").get_queue_url(QueueName="precious")


@pytest.mark.parametrize("host", ["x.execute-api.localhost", "x.cloudfront.localhost", "x.auth.localhost"])
@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/", {"x-amz-target": "DynamoDB_20120810.ListTables"}),
        ("POST", "/oauth2/", {"x-amz-target": "DynamoDB_20120810.ListTables"}),
        ("POST", "/?Action=ListUsers&Version=2010-05-08", {}),
        ("POST", "/login/../?Action=ListUsers&Version=2010-05-08", {}),
        ("GET", "/2015-03-31/functions", {}),
        ("POST", "/_ministack/reset", {}),
    ],
)
def test_a_name_that_leads_nowhere_does_not_lead_to_the_services_behind_it(
    cloud: RunningCloud, method: str, path: str, headers: dict[str, str], host: str
) -> None:
    assert _ask(cloud, method, path, host=host, **headers)[0] in (400, 403)


@pytest.mark.parametrize("host", ["x.execute-api.localhost", "x.cloudfront.localhost", "x.auth.localhost"])
def test_an_operation_named_in_a_form_needs_a_signature_under_any_name(cloud: RunningCloud, host: str) -> None:
    form = "Action=ListUsers&Version=2010-05-08"
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert _ask(cloud, "POST", "/", form, host=host, **headers)[0] == 403
