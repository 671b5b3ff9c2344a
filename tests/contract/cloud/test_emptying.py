"""What empties a bucket before it is deleted, run against the embedded cloud's S3 and CloudFormation's answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from kit.embedded_cloud import REGION, RunningCloud
from skykite_lambda import emptying


class CloudFormation:
    """The URL that a custom resource answers to."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                outer.answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Door)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def ask(self, kind: str, bucket: str, remaining: int = 900_000) -> dict[str, Any]:
        class Context:
            def get_remaining_time_in_millis(self) -> int:
                return remaining

        url = f"http://127.0.0.1:{self.server.server_port}/"
        event = {
            "RequestType": kind,
            "ResponseURL": url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Emptier",
            "ResourceProperties": {"BucketName": bucket},
        }
        emptying.handler(event, Context())
        return self.answers[-1]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def cloudformation(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    for name, value in environment_of(cloud).items():
        monkeypatch.setenv(name, value)
    answers = CloudFormation()
    yield answers
    answers.close()


def environment_of(cloud: RunningCloud) -> dict[str, str]:
    assert cloud.address is not None
    return {
        "AWS_ENDPOINT_URL": cloud.address.url,
        "AWS_ACCESS_KEY_ID": cloud.address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.address.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def make_bucket(cloud: RunningCloud, name: str, *, tagged: bool) -> Any:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    tags = [{"Key": "skykite:app", "Value": "notes"}]
    if tagged:
        tags.append({"Key": emptying.TAG, "Value": "true"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    return s3


def test_every_version_of_every_object_goes(cloud: RunningCloud, cloudformation: CloudFormation) -> None:
    s3 = make_bucket(cloud, "full", tagged=True)
    for index in range(1005):  # S3 deletes a thousand at a time
        s3.put_object(Bucket="full", Key=f"k{index}", Body=b"x")
    s3.put_object(Bucket="full", Key="k0", Body=b"again")
    s3.delete_object(Bucket="full", Key="k1")

    answer = cloudformation.ask("Delete", "full")

    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "full",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Emptier",
    }
    left = s3.list_object_versions(Bucket="full")
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
    s3.delete_bucket(Bucket="full")


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_only_a_deletion_empties(cloud: RunningCloud, cloudformation: CloudFormation, kind: str) -> None:
    s3 = make_bucket(cloud, f"kept-{kind.lower()}", tagged=True)
    s3.put_object(Bucket=f"kept-{kind.lower()}", Key="k", Body=b"x")

    assert cloudformation.ask(kind, f"kept-{kind.lower()}")["Status"] == "SUCCESS"

    assert len(s3.list_objects_v2(Bucket=f"kept-{kind.lower()}")["Contents"]) == 1


def test_a_bucket_that_is_to_stay_keeps_its_objects(cloud: RunningCloud, cloudformation: CloudFormation) -> None:
    """The tag went in the same update as the custom resource."""
    s3 = make_bucket(cloud, "untagged", tagged=False)
    s3.put_object(Bucket="untagged", Key="k", Body=b"x")

    assert cloudformation.ask("Delete", "untagged")["Status"] == "SUCCESS"

    assert len(s3.list_objects_v2(Bucket="untagged")["Contents"]) == 1


def test_a_bucket_that_is_gone_is_empty(cloudformation: CloudFormation) -> None:
    assert cloudformation.ask("Delete", "never-made")["Status"] == "SUCCESS"


def test_what_could_not_be_deleted_in_time_is_said(cloud: RunningCloud, cloudformation: CloudFormation) -> None:
    s3 = make_bucket(cloud, "large", tagged=True)
    s3.put_object(Bucket="large", Key="k", Body=b"x")

    answer = cloudformation.ask("Delete", "large", remaining=10_000)

    assert (answer["Status"], answer["Reason"]) == (
        "FAILED",
        "there are more objects than can be deleted at once: try again",
    )
