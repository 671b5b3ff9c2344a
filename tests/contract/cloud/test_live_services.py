"""What Live needs of S3, SSM and STS, as boto3 sees it in the embedded cloud: leases, payloads, keys and roles."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud

AWS_S3 = f"s3.{REGION}.amazonaws.com"
KEY = "live/0f/a b+c"


@pytest.fixture(scope="module")
def bucket(cloud: RunningCloud) -> str:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="live", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="live", VersioningConfiguration={"Status": "Enabled"})
    return "live"


def _send(
    cloud: RunningCloud, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """To the embedded cloud, whatever host the URL names."""
    assert cloud.address is not None
    place, target = urlsplit(cloud.address.url), urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        path = f"{target.path}?{target.query}" if target.query else target.path
        connection.request(method, path, body, {"host": target.netloc, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# ----------------------------------------------------------------------
# The lease


def test_a_lease_is_written_only_over_the_one_that_was_read(cloud: RunningCloud, bucket: str) -> None:
    s3 = cloud.client("s3")
    first = s3.put_object(Bucket=bucket, Key="lease", Body=b"1", IfNoneMatch="*")["ETag"]
    assert _refused(s3.put_object, Bucket=bucket, Key="lease", Body=b"x", IfNoneMatch="*") == (
        412,
        "PreconditionFailed",
    )

    second = s3.put_object(Bucket=bucket, Key="lease", Body=b"2", IfMatch=first)["ETag"]

    assert _refused(s3.put_object, Bucket=bucket, Key="lease", Body=b"x", IfMatch=first) == (412, "PreconditionFailed")
    assert second != first
    assert s3.get_object(Bucket=bucket, Key="lease")["Body"].read() == b"2"
    assert _refused(s3.put_object, Bucket=bucket, Key="none", Body=b"x", IfMatch=first) == (404, "NoSuchKey")


def test_a_deleted_lease_is_new_again(cloud: RunningCloud, bucket: str) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="gone", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="gone")

    assert s3.put_object(Bucket=bucket, Key="gone", Body=b"2", IfNoneMatch="*")["ETag"]


def test_the_age_of_an_object_is_told_by_the_servers_clock_alone(cloud: RunningCloud, bucket: str) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="aged", Body=b"1")

    ages = []
    deadline = time.monotonic() + 10
    while not ages or ages[-1] < 2:
        headers = s3.get_object(Bucket=bucket, Key="aged")["ResponseMetadata"]["HTTPHeaders"]
        age = parsedate_to_datetime(headers["date"]) - parsedate_to_datetime(headers["last-modified"])
        ages.append(age.total_seconds())
        assert time.monotonic() < deadline

    assert ages[0] in (0, 1)
    assert ages == sorted(ages)
    assert set(ages) <= {0, 1, 2}


def test_a_request_signed_for_awss_own_host_is_served(cloud: RunningCloud, bucket: str) -> None:
    """As the stub asks, which connects to the embedded cloud and names AWS."""
    cloud.client("s3").put_object(Bucket=bucket, Key="asked", Body=b"lease")
    assert cloud.address is not None
    url = f"https://{AWS_S3}/{bucket}/asked"
    request = AWSRequest("GET", url, {"host": AWS_S3, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    key = Credentials(cloud.address.access_key_id, cloud.address.secret_access_key)
    SigV4Auth(key, "s3", REGION).add_auth(request)
    headers = dict(request.headers.items())

    assert _send(cloud, "GET", url, headers=headers) == (200, b"lease")
    assert _send(cloud, "GET", url.replace("asked", "lease"), headers=headers)[0] == 403
    assert _send(cloud, "GET", url, headers={**headers, "host": "s3.us-east-1.amazonaws.com"})[0] == 403


# ----------------------------------------------------------------------
# Large payloads: URLs that carry their own permission

SIGNERS = {
    "sigv4": {"config": Config(signature_version="s3v4", s3={"addressing_style": "path"})},
    "sigv4-for-aws": {
        "config": Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        "endpoint_url": f"https://{AWS_S3}",
    },
    "boto3's default": {},
}


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_presigned_url_does_what_it_was_made_for_and_nothing_else(
    cloud: RunningCloud, bucket: str, signer: str
) -> None:
    s3 = cloud.client("s3", **SIGNERS[signer])
    given = {"Params": {"Bucket": bucket, "Key": KEY}, "ExpiresIn": 60}
    put, get, delete = (s3.generate_presigned_url(f"{verb}_object", **given) for verb in ("put", "get", "delete"))

    assert _send(cloud, "PUT", put, b"large")[0] == 200
    assert _send(cloud, "GET", get) == (200, b"large")
    for method, url in (("PUT", get), ("DELETE", get), ("GET", put), ("DELETE", put), ("GET", delete)):
        assert _send(cloud, method, url, b"evil" if method == "PUT" else None)[0] == 403, (method, url)
    for changed in _altered(get):
        assert _send(cloud, "GET", changed)[0] in (400, 403), changed
    for changed in _altered(put):
        assert _send(cloud, "PUT", changed, b"evil")[0] in (400, 403), changed
    for changed in _altered(delete):
        assert _send(cloud, "DELETE", changed)[0] in (400, 403), changed
    assert _send(cloud, "GET", get) == (200, b"large")
    assert _send(cloud, "DELETE", delete)[0] == 204
    assert _send(cloud, "GET", get)[0] == 404


def _altered(url: str) -> list[str]:
    """The URL with its key, and each of its parameters, changed and left out."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query)
    altered = [url.replace("/live/0f/", "/live/1f/"), url.replace("?", "?versionId=x&")]
    for name, value in pairs:
        others = [pair for pair in pairs if pair[0] != name]
        digit = "1" if value[-1] != "1" else "2"
        altered.append(parts._replace(query=urlencode([*others, (name, value[:-1] + digit)])).geturl())
        altered.append(parts._replace(query=urlencode(others)).geturl())
    return altered


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_presigned_url_expires(cloud: RunningCloud, bucket: str, signer: str) -> None:
    s3 = cloud.client("s3", **SIGNERS[signer])
    s3_own = cloud.client("s3")
    s3_own.put_object(Bucket=bucket, Key="short", Body=b"1")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "short"}, ExpiresIn=2)
    assert _send(cloud, "GET", url) == (200, b"1")

    deadline = time.monotonic() + 10
    while (answer := _send(cloud, "GET", url))[0] == 200:
        assert time.monotonic() < deadline

    assert answer[0] == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in answer[1]


def test_a_url_is_good_for_a_week_at_most(cloud: RunningCloud, bucket: str) -> None:
    s3 = cloud.client("s3", **SIGNERS["sigv4"])
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=604_801)

    assert b"AuthorizationQueryParametersError" in _send(cloud, "GET", url)[1]


def test_a_url_signed_in_another_way_is_refused_as_s3_does(cloud: RunningCloud, bucket: str) -> None:
    s3 = cloud.client("s3", **SIGNERS["sigv4"])
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})

    status, answer = _send(cloud, "GET", url.replace("AWS4-HMAC-SHA256", "AWS5-HMAC-SHA256"))

    assert status == 403
    assert b"<Code>AuthorizationQueryParametersError</Code>" in answer


def test_a_url_of_another_service_is_verified_and_expires_too(cloud: RunningCloud) -> None:
    url = cloud.client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=2, HttpMethod="GET")
    assert _send(cloud, "GET", url)[0] == 200
    assert _send(cloud, "GET", url.replace("GetCallerIdentity", "GetSessionToken"))[0] == 403

    deadline = time.monotonic() + 10
    while _send(cloud, "GET", url)[0] == 200:
        assert time.monotonic() < deadline


# ----------------------------------------------------------------------
# Signatures in headers


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sqs", "list_queues", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("dynamodb", "list_tables", "InvalidSignatureException"),
        ("lambda", "list_functions", "InvalidSignatureException"),
        ("ssm", "describe_parameters", "InvalidSignatureException"),
    ],
)
def test_a_known_key_with_another_secret_is_refused(
    cloud: RunningCloud, service: str, operation: str, code: str
) -> None:
    client = cloud.client(service, aws_secret_access_key="guessed")

    with pytest.raises(ClientError) as refused:
        getattr(client, operation)()

    assert refused.value.response["Error"]["Code"] == code


def test_a_body_that_is_not_the_one_that_was_signed_is_refused(cloud: RunningCloud) -> None:
    assert cloud.address is not None
    host = f"ssm.{REGION}.amazonaws.com"
    headers = {"host": host, "content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter"}
    body = b'{"Name":"/skykite/notes/alice/live-key","WithDecryption":true}'
    cloud.client("ssm").put_parameter(Name="/skykite/notes/alice/live-key", Type="SecureString", Value="key")
    request = AWSRequest("POST", f"https://{host}/", headers, body)
    key = Credentials(cloud.address.access_key_id, cloud.address.secret_access_key)
    SigV4Auth(key, "ssm", REGION).add_auth(request)
    signed = dict(request.headers.items())

    assert _send(cloud, "POST", f"https://{host}/", body, signed)[0] == 200
    assert _send(cloud, "POST", f"https://{host}/", body.replace(b"alice", b"malory"), signed)[0] == 400


def test_a_body_that_is_signed_in_chunks_is_verified_chunk_by_chunk(cloud: RunningCloud, bucket: str) -> None:
    """As the SDKs for Java and .NET send it where there is no TLS."""
    assert cloud.address is not None
    url = f"https://{AWS_S3}/{bucket}/chunked"
    content = b"hello" * 20
    headers = {
        "host": AWS_S3,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(content)),
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    }
    request = AWSRequest("PUT", url, headers)
    SigV4Auth(Credentials(cloud.address.access_key_id, cloud.address.secret_access_key), "s3", REGION).add_auth(request)
    signed = dict(request.headers.items())
    body = _in_chunks(content, signed, cloud.address.secret_access_key)

    assert _send(cloud, "PUT", url, body, signed)[0] == 200
    assert cloud.client("s3").get_object(Bucket=bucket, Key="chunked")["Body"].read() == content
    assert _send(cloud, "PUT", url, body.replace(b"hello", b"jello", 1), signed)[0] == 403


def _in_chunks(content: bytes, headers: Mapping[str, str], secret: str) -> bytes:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, with one chunk and the empty last one."""
    at = headers["X-Amz-Date"]
    scope = f"{at[:8]}/{REGION}/s3/aws4_request"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    previous = headers["Authorization"].rpartition("Signature=")[2]
    body = b""
    for chunk in (content, b""):
        hashes = f"{hashlib.sha256(b'').hexdigest()}\n{hashlib.sha256(chunk).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256-PAYLOAD\n{at}\n{scope}\n{previous}\n{hashes}"
        previous = hmac.digest(key, to_sign.encode(), "sha256").hex()
        body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + b"\r\n"
    return body


# ----------------------------------------------------------------------
# The stage key


def test_a_secure_parameter_is_made_once_and_read_decrypted(cloud: RunningCloud) -> None:
    ssm = cloud.client("ssm")
    name = "/skykite/notes/bob/live-key"
    ssm.put_parameter(Name=name, Type="SecureString", Value="c2VjcmV0")

    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name=name, Type="SecureString", Value="other")

    read = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (read["Type"], read["Value"]) == ("SecureString", "c2VjcmV0")
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] != "c2VjcmV0"


# ----------------------------------------------------------------------
# The function's role

LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def _role(cloud: RunningCloud, name: str, *statements: dict[str, Any]) -> str:
    trust = json.dumps({"Version": "2012-10-17", "Statement": [LAMBDA, *statements]})
    arn: str = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


def _trusts(principal: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more}


def test_a_role_is_assumed_by_whom_it_trusts_with_a_session_policy(cloud: RunningCloud) -> None:
    me = cloud.client("sts").get_caller_identity()["Arn"]
    role = _role(cloud, "trusting", _trusts(me))
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]})

    answer = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="dev", Policy=policy)

    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/trusting/dev"
    session = _session(answer)
    assert cloud.client("sts", **session).get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    with pytest.raises(ClientError) as refused:
        cloud.client("sts", **{**session, "aws_session_token": "other"}).get_caller_identity()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("lambda-only", []),
        ("somebody-else", [_trusts(f"arn:aws:iam::{ACCOUNT}:user/alice")]),
        ("other-account", [_trusts("arn:aws:iam::111111111111:root")]),
        ("denied", [_trusts("*"), {**_trusts("*"), "Effect": "Deny"}]),
        ("with-condition", [_trusts("*", Condition={"StringEquals": {"sts:ExternalId": "x"}})]),
    ],
)
def test_a_role_that_does_not_trust_the_caller_is_not_assumed(
    cloud: RunningCloud, name: str, statements: list[dict[str, Any]]
) -> None:
    role = _role(cloud, name, *statements)

    with pytest.raises(ClientError) as refused:
        cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="dev")

    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert refused.value.response["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: sts:AssumeRole on resource: {role}"
    )


def test_a_role_that_does_not_exist_is_refused_like_one_that_does_not_trust(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        cloud.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/nobody", RoleSessionName="dev")


def test_trust_in_the_account_leaves_it_to_the_callers_own_policy(cloud: RunningCloud) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="carol")
    made = iam.create_access_key(UserName="carol")["AccessKey"]
    carol = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    whole_account = _role(cloud, "whole-account", _trusts(f"arn:aws:iam::{ACCOUNT}:root"))
    by_name = _role(cloud, "by-name", _trusts(f"arn:aws:iam::{ACCOUNT}:user/carol"))
    sts = cloud.client("sts", **carol)

    assert sts.assume_role(RoleArn=by_name, RoleSessionName="dev")["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=whole_account, RoleSessionName="dev")
    allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": whole_account}
    iam.put_user_policy(UserName="carol", PolicyName="p", PolicyDocument=json.dumps({"Statement": [allow]}))
    assert sts.assume_role(RoleArn=whole_account, RoleSessionName="dev")["Credentials"]
    deny = {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}
    iam.put_user_policy(UserName="carol", PolicyName="q", PolicyDocument=json.dumps({"Statement": [deny]}))
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=by_name, RoleSessionName="dev")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": json.dumps({"Statement": [], "Pad": "x" * 2048})}, "ValidationError"),
        ({"DurationSeconds": 43_200}, "ValidationError"),
    ],
)
def test_what_sts_would_refuse_is_refused(cloud: RunningCloud, given: dict[str, Any], code: str) -> None:
    name = f"refusing-{abs(hash(str(given)))}"
    role = _role(cloud, name, _trusts("*"))

    with pytest.raises(ClientError) as refused:
        cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="dev", **given)

    assert refused.value.response["Error"]["Code"] == code


def _session(answer: dict[str, Any]) -> dict[str, str]:
    given = answer["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def _refused(call: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]
