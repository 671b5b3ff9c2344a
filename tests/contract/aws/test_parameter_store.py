"""What we rely on in Parameter Store, at the embedded cloud, and that no error of ours repeats a value."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kit.cloud import running_cloud, session_at
from skykite.aws import AwsError, AwsSession
from skykite.aws.ssm import without_value
from skykite_lambda.parameter_store import SecretUnreadable, read_parameters
from skykite_lambda.secret_values import Unavailable


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSession]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        yield session_at(address)


def put(cloud: AwsSession, name: str, value: str) -> None:
    cloud.ssm.put_secret(name, value, description="a test", tags={"skykite:app": "notes"})


def test_a_secret_is_made_once_and_changed_afterwards(cloud: AwsSession) -> None:
    name = "/skykite/notes/.fallback/secrets/Once"
    put(cloud, name, "one")
    put(cloud, name, "zwei · 二")
    assert cloud.ssm.get_secret(name) == "zwei · 二"
    (stored,) = cloud.ssm.below("/skykite/notes/.fallback/secrets")
    assert (stored.name, stored.version) == (name, 2)


def test_all_below_a_path_are_found_page_by_page_and_none_of_its_neighbours(cloud: AwsSession) -> None:
    for number in range(23):
        put(cloud, f"/skykite/many/alice/secrets/S{number:02}", str(number))
    put(cloud, "/skykite/many/alice2/secrets/Other", "x")
    put(cloud, "/skykite/many/alice/secrets/deeper/Other", "x")
    found = cloud.ssm.below("/skykite/many/alice/secrets")
    assert [one.name.rpartition("/")[2] for one in found] == [f"S{number:02}" for number in range(23)]
    names = [f"/skykite/many/alice/secrets/S{number:02}" for number in range(30)]
    assert cloud.ssm.existing(names) == frozenset(names[:23])


@pytest.mark.parametrize("size", [4096, 4097, 8192])
def test_large_values_go_in_and_out(cloud: AwsSession, size: int) -> None:
    put(cloud, f"/skykite/notes/alice/secrets/Size{size}", "x" * size)
    assert cloud.ssm.get_secret(f"/skykite/notes/alice/secrets/Size{size}") == "x" * size


def test_a_function_reads_many_with_nothing_but_the_standard_library(
    cloud: AwsSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = cloud._connector.target
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(target.endpoint_url))
    monkeypatch.setenv("AWS_REGION", target.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", str(target.access_key_id))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", str(target.secret_access_key))
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    names = [f"/skykite/read/alice/secrets/S{number:02}" for number in range(12)]
    for name in names:
        put(cloud, name, f"value of {name}\n")
    found = read_parameters([*names, "/skykite/read/alice/secrets/None"])
    assert found == {name: f"value of {name}\n" for name in names}
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(SecretUnreadable, match=r"S00.*cannot be read: "):
        read_parameters(names)


def test_an_endpoint_that_is_gone_is_a_passing_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("skykite_lambda.parameter_store._WITHIN_S", 0.5)
    with pytest.raises(Unavailable, match=r"`/skykite/a` cannot be read: no connection to `127.0.0.1:9`"):
        read_parameters(["/skykite/a"])


def test_an_error_that_repeats_the_value_is_told_without_it() -> None:
    error = AwsError("aws-call-failed", "Value 'hunter2' at 'value' is bad", aws_code="X", reason="Value 'hunter2'")
    told = without_value(error, "hunter2")
    assert (told.message, told.reason, told.aws_code) == ("Value '…' at 'value' is bad", "Value '…'", "X")
    assert without_value(error, "other") is error
