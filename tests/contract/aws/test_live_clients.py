"""What Live asks of S3 and SSM beyond a deploy, as botocore makes it and the embedded cloud takes it."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kit.cloud import running_cloud, session_at
from skykite.aws import AwsError, AwsSession

BUCKET = "live-contract"
JSON = "application/json"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSession]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        session = session_at(address)
        client = session.s3._caller.client()
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield session
        session.close()


def test_an_object_comes_with_what_the_servers_clock_said(session: AwsSession) -> None:
    s3 = session.s3
    assert s3.get(BUCKET, "nothing", limit=10) is None
    etag = s3.replace(BUCKET, "a", b"one", etag=None, content_type=JSON)
    found = s3.get(BUCKET, "a", limit=10)
    assert found is not None
    assert (found.body, found.etag) == (b"one", etag)
    assert found.version
    assert timedelta(0) <= found.served - found.modified <= timedelta(seconds=5)
    assert found.served.utcoffset() == timedelta(0)


def test_no_more_is_read_than_was_allowed(session: AwsSession) -> None:
    session.s3.put(BUCKET, "big", b"x" * 11, content_type=JSON)
    assert session.s3.get(BUCKET, "big", limit=11) is not None
    with pytest.raises(AwsError) as raised:
        session.s3.get(BUCKET, "big", limit=10)
    assert raised.value.code == "object-too-large"


def test_of_two_who_replace_an_object_one_learns_that_the_other_was_faster(session: AwsSession) -> None:
    s3 = session.s3
    first = s3.replace(BUCKET, "lease", b"1", etag=None, content_type=JSON)
    assert first is not None
    assert s3.replace(BUCKET, "lease", b"2", etag=None, content_type=JSON) is None
    second = s3.replace(BUCKET, "lease", b"3", etag=first, content_type=JSON)
    assert second is not None
    assert s3.replace(BUCKET, "lease", b"4", etag=first, content_type=JSON) is None
    assert s3.replace(BUCKET, "never-there", b"5", etag=first, content_type=JSON) is None
    found = s3.get(BUCKET, "lease", limit=10)
    assert found is not None
    assert (found.body, found.etag) == (b"3", second)


def test_a_version_is_deleted_for_good(session: AwsSession) -> None:
    s3, client = session.s3, session.s3._caller.client()
    version = s3.put_version(BUCKET, "payload", b"secret", content_type=JSON)
    assert version
    head = s3.head(BUCKET, "payload")
    assert head is not None
    assert head.version == version
    s3.delete(BUCKET, "payload", version=version)
    left = client.list_object_versions(Bucket=BUCKET, Prefix="payload")
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


def test_presigned_urls_serve_somebody_without_credentials_for_that_object_and_size(session: AwsSession) -> None:
    s3 = session.s3
    put = s3.presign_put(BUCKET, "by-url", size=5, seconds=60)
    assert _request("PUT", put, b"12345")[0] == 200
    assert _request("PUT", put, b"1234567")[0] == 403
    assert _request("PUT", put.replace("by-url", "elsewhere"), b"12345")[0] == 403
    assert _request("GET", put)[0] == 403
    assert _request("GET", s3.presign_get(BUCKET, "by-url", seconds=60)) == (200, b"12345")


def test_presigned_urls_for_aws_name_the_host_of_the_region_and_the_newest_signature() -> None:
    session = AwsSession(region="eu-west-1", access_key_id="AKIDEXAMPLE", secret_access_key="secret")
    for url in (
        session.s3.presign_put("bucket", "a", size=5, seconds=60),
        session.s3.presign_get("bucket", "a", seconds=60),
    ):
        assert url.startswith("https://bucket.s3.eu-west-1.amazonaws.com/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    session.close()


def test_a_secret_is_made_once_and_the_first_stays(session: AwsSession) -> None:
    ssm = session.ssm
    name = "/skykite/contract/alice/live-key"
    assert ssm.get_secret(name) is None
    assert ssm.create_secret(name, "first", description="d", tags={"skykite:app": "contract"})
    assert not ssm.create_secret(name, "second", description="d", tags={})
    assert ssm.get_secret(name) == "first"
    assert ssm.delete(name)
    assert not ssm.delete(name)
    assert ssm.get_secret(name) is None


def test_a_signer_signs_as_botocore_does() -> None:
    session = AwsSession(
        region="eu-west-1", access_key_id="AKIDEXAMPLE", secret_access_key="secret", session_token="token"
    )
    headers = {"host": "abc.appsync-api.eu-west-1.amazonaws.com", "content-encoding": "amz-1.0"}
    url = "https://abc.appsync-api.eu-west-1.amazonaws.com/event"
    signer = session.signer("appsync")
    assert signer.refresh()
    assert not signer.refresh()
    while True:  # the second may turn between the two
        ours = signer.sign("POST", url, headers, b"{}")
        request = AWSRequest("POST", url, headers, b"{}")
        SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "token"), "appsync", "eu-west-1").add_auth(request)
        if ours["x-amz-date"] == request.headers["X-Amz-Date"]:
            break
    assert ours["authorization"] == request.headers["Authorization"]
    assert "host;x-amz-date;x-amz-security-token" in ours["authorization"]
    session.close()


def _request(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=20)
    try:
        connection.request(method, f"{place.path}?{place.query}", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_credentials_that_end_are_renewed_and_it_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    program = tmp_path / "credentials.py"
    program.write_text(
        "import datetime, json, pathlib\n"
        f"counter = pathlib.Path({str(counter)!r})\n"
        "n = len(counter.read_text()) + 1 if counter.exists() else 1\n"
        "counter.write_text('x' * n)\n"
        "end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKID{n}', 'SecretAccessKey': 's',"
        " 'SessionToken': f't{n}', 'Expiration': end.isoformat()}))\n"
    )
    (tmp_path / "config").write_text(f"[profile renewing]\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    session = AwsSession(region="eu-west-1", profile="renewing")
    signer = session.signer("appsync")
    assert signer.refresh()
    before = signer.access_key_id
    assert signer.refresh()  # five minutes are less than botocore deems safe
    assert signer.access_key_id != before
    session.close()
