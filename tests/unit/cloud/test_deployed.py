"""What the embedded cloud tells of a deployed function."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from typing import Any

from skykite_cloud.deployed import DeployedFunctions


class Lambda:
    """The parts of MiniStack's Lambda that are asked."""

    _durable_ctx: ContextVar[Any] = ContextVar("durable", default=None)

    def __init__(self) -> None:
        self.layers: dict[str, bytes] = {}

    def _proxy_url_for(self, config: dict[str, Any]) -> str | None:
        found: str | None = config["Environment"]["Variables"].get("MINISTACK_LAMBDA_PROXY_URL")
        return found

    def _resolve_layer_zip(self, attachment: dict[str, Any]) -> bytes | None:
        return self.layers.get(attachment["Arn"])


class Credentials:
    def of(self, config: dict[str, Any]) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": f"ASIA-{config['Role']}"}


def described(functions: DeployedFunctions, code: bytes, **changes: Any) -> Any:
    config = {
        "FunctionName": "hello",
        "FunctionArn": "arn:hello",
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": "r",
        "Environment": {"Variables": {}},
        **changes,
    }
    return functions.describe({"code_zip": code}, config)


def new() -> DeployedFunctions:
    return DeployedFunctions(Lambda(), Credentials())  # type: ignore[arg-type]


def test_everything_is_told_and_code_by_its_digest() -> None:
    environment = {"Variables": {"A": "1", "DEBUG": True, "COUNT": 2}}
    found = described(new(), b"zip", Environment=environment, LastModified="2026-11-28T10:00:00.000+0000")

    digest = hashlib.sha256(b"zip").hexdigest()
    assert found.header == {
        "name": "hello",
        "arn": "arn:hello",
        "version": "$LATEST",
        "modified": "2026-11-28T10:00:00.000+0000",
        "runtime": "python3.13",
        "handler": "index.handler",
        "timeout_s": 3,
        "memory_mb": 128,
        "environment": {"A": "1", "DEBUG": "true", "COUNT": "2"},
        "credentials": {"AWS_ACCESS_KEY_ID": "ASIA-r"},
        "log_format": None,
        "log_level": None,
        "log_group": None,
        "code": digest,
        "layers": [],
    }
    assert found.blobs == {digest: b"zip"}


def test_a_layer_that_is_not_there_is_told_without_code() -> None:
    functions = new()
    functions._lambda.layers["arn:a"] = b"layer"

    found = described(functions, b"zip", Layers=[{"Arn": "arn:a"}, {"Arn": "arn:gone"}])

    assert found.header["layers"] == [
        {"arn": "arn:a", "code": hashlib.sha256(b"layer").hexdigest()},
        {"arn": "arn:gone", "code": None},
    ]


def test_what_only_ministack_can_run_is_not_described() -> None:
    for changes in (
        {"Runtime": "java21"},
        {"Handler": "skykite_placeholder.handler"},
        {"Handler": "skykite_image.handler"},
        {"Environment": {"Variables": {"MINISTACK_LAMBDA_PROXY_URL": "http://x"}}},
    ):
        assert described(new(), b"zip", **changes) is None
    assert described(new(), b"") is None


def test_zips_that_were_replaced_are_not_held_on_to() -> None:
    functions = new()
    kept = bytes(1000) + b"kept"
    described(functions, kept)
    for number in range(50):
        described(functions, bytes(1000) + str(number).encode())

    assert len(functions._digests) <= 2
    assert functions._digests[id(kept)][0] is kept
