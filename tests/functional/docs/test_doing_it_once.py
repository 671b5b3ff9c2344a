"""The recipe of the events guide for work that may come twice, against a real table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from kit.embedded_cloud import REGION, RunningCloud
from kit.guides import code_of


def test_work_that_comes_twice_is_done_once_and_again_if_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = RunningCloud(tmp_path / ".kite" / "local").start()
    try:
        assert cloud.address is not None
        cloud.client("dynamodb").create_table(
            TableName="done",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        for name, value in {
            "AWS_ENDPOINT_URL": cloud.address.url,
            "AWS_ACCESS_KEY_ID": cloud.address.access_key_id,
            "AWS_SECRET_ACCESS_KEY": cloud.address.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "KITE_RESOURCE_Done": json.dumps({"type": "Table", "name": "done"}),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        module = code_of("events.md", "Twice", "functions/payments.py")
        charged: list[str] = []

        def charge(payment: dict[str, Any]) -> None:
            if payment["amount"] < 0:
                raise ValueError("less than nothing")
            charged.append(payment["id"])

        def work(message: str, id: str, amount: int) -> Any:
            body = json.dumps({"id": id, "amount": amount})
            return module["work"]({"Records": [{"messageId": message, "body": body}]}, None)

        module["charge"] = charge
        assert work("1", "order-1", 5) == {"batchItemFailures": []}
        assert work("2", "order-1", 5) == {"batchItemFailures": []}
        assert charged == ["order-1"]
        assert work("3", "order-2", -1) == {"batchItemFailures": [{"itemIdentifier": "3"}]}
        assert work("3", "order-2", 7) == {"batchItemFailures": []}
        assert charged == ["order-1", "order-2"]
    finally:
        cloud.close()
