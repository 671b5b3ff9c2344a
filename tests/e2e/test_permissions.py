"""A permission that is missing fails on the laptop, says what to write, and works once that is written."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.http import fetch
from kit.kite import Dev, descendants, dev, kite

STACK = """
from skykite import Api, App, Stack, Table


class Notes(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        table = Table(self, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
        api = Api(self, "Api", routes={"POST /": {
            "handler": "functions/save.handler", "environment": {"TABLE": table.name}%s
        }})


def main(app: App) -> None:
    Notes(app, "Notes")
"""
FUNCTION = """
import os

import boto3

KEYS = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or "SECRET" in name}


def handler(event, context):
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": "1"}})
    return {"statusCode": 200, "body": boto3.client("sts").get_caller_identity()["Arn"]}


def show(event, context):
    import json
    return {"statusCode": 200, "body": json.dumps(KEYS)}
"""
BRIDGED = ("--bridge",)


def endpoint(ready: dict[str, Any]) -> str:
    url: str = ready["endpoints"][0]["url"]
    return url


async def make(tmp_path: Path, *, granted: str = "") -> Path:
    assert (await kite("init", "notes", "--template", "hello", cwd=tmp_path)).code == 0
    project = tmp_path / "notes"
    write(project, granted=granted)
    (project / "functions" / "save.py").write_text(FUNCTION)
    return project


def write(project: Path, *, granted: str = "") -> None:
    (next(project.glob("stacks/*.py"))).write_text(STACK % granted)


async def heard(session: Dev, code: str, where: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """An event that may have come already."""
    already = [event for event in session.events if event["code"] == code and where(event)]
    return already[0] if already else await session.event(code, where)


async def missing(session: Dev) -> dict[str, Any]:
    return await session.event("notice", lambda event: event["notice"] == "permission-missing")


@pytest.mark.parametrize("mode", [("--port", "0"), BRIDGED], ids=["gateway", "bridge"])
async def test_a_missing_permission_fails_says_what_to_write_and_works_once_written(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    project = await make(tmp_path)
    async with dev(project, *mode) as session:
        url = endpoint(await session.ready())

        answer = await fetch("POST", url)
        assert answer.status == 500
        told = await missing(session)
        assert "`dynamodb:PutItem`" in told["message"]
        assert "Notes" in told["message"]
        assert 'permissions=["dynamodb:PutItem"]' in told["hint"]
        failed = await heard(session, "invocation.finished", lambda event: bool(event["error"]))
        assert failed["error"]["type"] == "ClientError"
        assert "is not authorized to perform: dynamodb:PutItem on resource: " in failed["error"]["message"]
        before = len(session.events)

        write(project, granted=', "permissions": ["dynamodb:PutItem"]')
        await session.event("reload.finished")

        answer = await fetch("POST", url)
        assert answer.status == 200, session.events[before:]
        assert ":assumed-role/" in answer.text
        assert not any(
            event["code"] == "notice" and event["notice"] == "permission-missing" for event in session.events[before:]
        )


async def test_a_function_is_its_role_and_finds_no_other_key(tmp_path: Path) -> None:
    project = await make(tmp_path)
    stack = next(project.glob("stacks/*.py"))
    stack.write_text((STACK % "").replace("save.handler", "save.show"))
    async with dev(project, "--port", "0") as session:
        url = endpoint(await session.ready())

        found = json.loads((await fetch("POST", url)).text)

        owner = json.loads((project / ".kite" / "local" / "cloud" / "credentials.json").read_text())
        assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
        assert found["AWS_SESSION_TOKEN"]
        assert owner["access_key_id"] not in found.values()
        assert owner["secret_access_key"] not in found.values()


async def test_without_enforcement_every_function_may_do_everything(tmp_path: Path) -> None:
    project = await make(tmp_path)
    async with dev(project, "--port", "0", "--no-iam") as session:
        url = endpoint(await session.ready())
        assert any(event["code"] == "notice" and "not enforced" in event["message"] for event in session.events)

        answer = await fetch("POST", url)

        assert answer.status == 200, answer.text
        assert ":assumed-role/" in answer.text


async def test_no_iam_is_refused_where_aws_enforces(tmp_path: Path) -> None:
    project = await make(tmp_path)
    began = time.monotonic()

    refused = await kite("dev", "--no-iam", "--output", "json", cwd=project)

    assert refused.code != 0
    assert "option-conflict" in refused.stdout + refused.stderr
    assert time.monotonic() - began < 30


async def test_a_kept_cloud_enforces_too_unless_told_not_to(tmp_path: Path) -> None:
    project = await make(tmp_path)
    log = project / ".kite" / "local" / "keeper.log"

    async def kept(*options: str) -> str:
        assert (await kite("cloud", "start", *options, cwd=project)).code == 0
        try:
            assert (await kite("deploy", "--local", cwd=project)).code == 0
            return (await kite("invoke", "functions/save.handler", "--local", cwd=project)).stdout
        finally:
            assert (await kite("cloud", "stop", cwd=project)).code == 0

    assert "is not authorized to perform: dynamodb:PutItem" in await kept()
    assert "is not allowed `dynamodb:PutItem`" in log.read_text()
    assert ":assumed-role/" in await kept("--no-iam")
    assert "permissions are not enforced" in log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_credentials_are_good_again_after_the_cloud_died(tmp_path: Path) -> None:
    project = await make(tmp_path, granted=', "permissions": ["dynamodb:PutItem"]')
    async with dev(project, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("POST", url)).status == 200

        os.kill(cloud_of(session), signal.SIGKILL)
        await session.event("notice", lambda event: event["notice"] == "cloud-restarted")

        assert (await fetch("POST", url)).status == 200


def cloud_of(session: Dev) -> int:
    """The embedded cloud's process."""
    for pid in descendants(session.pid):
        if b"skykite_cloud" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("no embedded cloud runs")
