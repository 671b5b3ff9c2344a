"""Every request we make, as botocore's service models and the embedded cloud take it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from kit.cloud import running_cloud, session_at
from kit.embedded_cloud import eventually
from skykite.aws import AwsError, AwsSession, Identity
from skykite.aws.connection import _SERVICES, _ModelFiles
from skykite.aws.s3 import MULTIPART_ABOVE

TEMPLATE = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"A": {"Value": "1", "Export": {"Name": "x"}}},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSession]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        session = session_at(address)
        yield session
        session.close()


def test_our_reader_of_service_models_reads_what_botocores_does() -> None:
    import botocore

    ours, theirs = _ModelFiles(), JSONFileLoader()
    data = Path(botocore.__file__).parent / "data"
    names = ["endpoints", "partitions", "_retry", "sdk-default-configuration"]
    for service in _SERVICES:
        folders = [folder for folder in (data / service).glob("*") if folder.is_dir()]
        names += [
            f"{service}/{folder.name}/{kind}" for folder in folders for kind in ("service-2", "endpoint-rule-set-1")
        ]
    for name in names:
        path = str(data / name)
        assert ours.exists(path) == theirs.exists(path)
        assert ours.load_file(path) == theirs.load_file(path)
    assert ours.load_file(str(data / "nothing")) is None


def test_who_we_are(session: AwsSession) -> None:
    identity = session.sts.identity()
    assert identity == Identity(account="000000000000", arn=identity.arn, partition="aws")
    assert session.sts.account() == "000000000000"


def test_objects_are_written_found_and_deleted_with_all_their_versions(session: AwsSession, tmp_path: Path) -> None:
    s3, client = session.s3, session.s3._caller.client()
    client.create_bucket(Bucket="contract", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_bucket_versioning(Bucket="contract", VersioningConfiguration={"Status": "Enabled"})
    assert s3.head("contract", "a") is None

    s3.put("contract", "a", b"one", content_type="text/plain")
    s3.put("contract", "a", b"three", content_type="text/plain")
    found = s3.head("contract", "a")
    assert found is not None
    assert found.size == 5

    big = tmp_path / "big"
    big.write_bytes(b"x" * (MULTIPART_ABOVE + 1))
    s3.put_file("contract", "big", big, content_type="application/zip")
    found = s3.head("contract", "big")
    assert found is not None
    assert found.size == MULTIPART_ABOVE + 1
    assert "-" in found.etag  # it came in parts

    client.delete_object(Bucket="contract", Key="a")
    told: list[int] = []
    assert s3.empty("contract", progress=told.append) == 4
    assert told == [4]
    client.delete_bucket(Bucket="contract")


def test_a_function_that_does_not_exist(session: AwsSession) -> None:
    with pytest.raises(AwsError) as raised:
        session.lambda_.get_configuration("nothing")
    assert raised.value.aws_code == "ResourceNotFoundException"


def test_a_function_is_read_changed_and_called(session: AwsSession) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m.py", "def f(event, context): return event")
    session.lambda_._caller.call(
        "CreateFunction",
        FunctionName="echo",
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/r",
        Handler="m.f",
        Code={"ZipFile": buffer.getvalue()},
        Environment={"Variables": {"SECRET": "hush"}},
        Architectures=["arm64"],
    )
    state = session.lambda_.get_configuration("echo")
    assert (state.name, state.runtime, state.handler, state.architecture) == ("echo", "python3.12", "m.f", "arm64")
    assert state.environment == {"SECRET": "hush"}
    assert "hush" not in repr(state)
    assert session.lambda_.update_environment("echo", {"A": "1"}).environment == {"A": "1"}
    assert session.lambda_.invoke("echo", b"{}", kind="DryRun", client_context=b"{}").status == 204


def test_a_stack_from_change_set_to_deletion(session: AwsSession) -> None:
    cloudformation = session.cloudformation
    text = json.dumps(TEMPLATE)
    wanted: dict[str, Any] = {"stack": "contract", "template": text, "template_url": None, "parameters": ()}
    begun = cloudformation.create_change_set(name="first", kind="CREATE", tags={"a": "b"}, **wanted)
    change_set = cloudformation.describe_change_set(begun.id)
    assert [(change.action, change.logical_id, change.type) for change in change_set.changes] == [
        ("Add", "Topic", "AWS::SNS::Topic")
    ]
    cloudformation.execute_change_set(begun.id, token="one")

    def status() -> str | None:
        state = cloudformation.stack("contract")
        return state and state.status

    eventually(lambda: status() == "CREATE_COMPLETE")
    state = cloudformation.stack("contract")
    assert state is not None
    assert state.tags == {"a": "b"}
    assert [(output.key, output.value, output.export_name) for output in state.outputs] == [("A", "1", "x")]
    assert state in cloudformation.stacks()
    assert [resource.logical_id for resource in cloudformation.resources(state.id)] == ["Topic"]
    assert cloudformation.template(state.id) == TEMPLATE
    assert cloudformation.importers("x") == ()
    assert {event.token for event in cloudformation.events(state.id) if event.status != "REVIEW_IN_PROGRESS"} == {"one"}
    assert cloudformation.validation_failures(begun.id) == ()

    unused = cloudformation.create_change_set(name="second", kind="UPDATE", tags={"a": "b"}, **wanted)
    assert "didn't contain changes" in cloudformation.describe_change_set(unused.id).reason
    cloudformation.delete_change_set(unused.id)
    assert not cloudformation.update_stack(tags={"a": "b"}, token="two", **wanted)

    cloudformation.delete_stack(state.id, token="three")
    eventually(lambda: status() is None)
    newest = next(iter(cloudformation.events(state.id)))
    assert (newest.status, newest.token, newest.of_stack) == ("DELETE_COMPLETE", "three", True)
