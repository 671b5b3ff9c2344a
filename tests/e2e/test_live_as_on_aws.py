"""`kite dev` as with an AWS account: AWS's own host names, TLS, a company's proxy between, and the stub under AWS's own
runtime. Behind the proxy the embedded cloud answers for AWS.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme

from kit.internet import Internet, running_internet, through
from kit.kite import dev, kite
from kit.lambda_service import LambdaService, aws_runtime
from skykite.model.stub_package import HANDLER, build_stub_package

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has wheels for Linux only"),
]

REGION = "us-east-1"  # whose hosts AWS calls by other names than other regions', if one does not ask otherwise
APP = """\
from skykite import App, Function, Stack


def main(app: App) -> None:
    Function(Stack(app, "S"), "Echo", "functions/echo.run", timeout=60)
"""
ECHO = """\
import os
import time

import boto3


def run(event, context):
    while not os.path.exists(event.get("until", ".")):
        time.sleep(0.05)
    if "who" in event:
        return boto3.client("sts").get_caller_identity()["Arn"]
    return {**event, "text": event.get("text", "") * 2}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "stacks").mkdir(parents=True)
    (folder / "functions").mkdir()
    (folder / "kite.toml").write_text(f'name = "faraway"\nregion = "{REGION}"\n')
    (folder / "stacks" / "app.py").write_text(APP)
    (folder / "functions" / "echo.py").write_text(ECHO)
    return folder


class Account:
    """Somebody's, behind the proxy; `client` reaches the cloud directly, as its owner."""

    def __init__(self, owner: dict[str, str], internet: Internet, authority_file: Path) -> None:
        self._owner = owner
        self._way = through(internet, authority_file)
        self.internet = internet
        iam = self.client("iam")
        iam.create_user(UserName="alice")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="alice", PolicyName="everything", PolicyDocument=json.dumps(everything))
        self._key = iam.create_access_key(UserName="alice")["AccessKey"]

    def client(self, service: str) -> Any:
        given = {name.lower(): value for name, value in self._owner.items() if name.startswith("AWS_")}
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=given["aws_endpoint_url"],
            aws_access_key_id=given["aws_access_key_id"],
            aws_secret_access_key=given["aws_secret_access_key"],
            region_name=REGION,
        )

    def environment(self) -> dict[str, str]:
        """The developer's: no word of an embedded cloud."""
        return {
            **self._way,
            "AWS_ACCESS_KEY_ID": self._key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._key["SecretAccessKey"],
        }

    @contextmanager
    def container(self, folder: Path) -> Iterator[LambdaService]:
        """The only function of the account as AWS would run it: its code, environment and role, AWS's runtime."""
        aws_lambda = self.client("lambda")
        [function] = aws_lambda.list_functions()["Functions"]
        assert function["Handler"] == HANDLER
        role = boto3.client(
            "sts",
            endpoint_url=self._owner["AWS_ENDPOINT_URL"],
            aws_access_key_id=self._key["AccessKeyId"],
            aws_secret_access_key=self._key["SecretAccessKey"],
            region_name=REGION,
        ).assume_role(RoleArn=function["Role"], RoleSessionName="container")["Credentials"]
        with zipfile.ZipFile(io.BytesIO(build_stub_package().content)) as archive:
            archive.extractall(folder)
        environment = {
            **function["Environment"]["Variables"],
            **self._way,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
            "AWS_SESSION_TOKEN": role["SessionToken"],
        }
        with aws_runtime(folder, HANDLER, environment) as service:
            yield service


@asynccontextmanager
async def account(project: Path, tmp_path: Path) -> AsyncIterator[Account]:
    started = await kite("cloud", "start", cwd=project)
    assert started.code == 0, started.stderr
    try:
        owner = json.loads((await kite("cloud", "env", "--format", "json", cwd=project)).stdout)
        authority = trustme.CA()
        authority_file = tmp_path / "authority.pem"
        authority.cert_pem.write_to_path(authority_file)
        with running_internet(int(owner["AWS_ENDPOINT_URL"].rpartition(":")[2]), authority) as internet:
            yield await asyncio.to_thread(Account, owner, internet, authority_file)
    finally:
        assert (await kite("cloud", "stop", cwd=project)).code == 0


async def invoke(container: LambdaService, event: object) -> Any:
    kind, body = await asyncio.to_thread(container.invoke, json.dumps(event).encode())
    assert kind == "response", body
    return json.loads(body)


async def test_everything_goes_by_tls_through_a_companys_proxy_and_survives_its_restart(
    project: Path, tmp_path: Path
) -> None:
    async with account(project, tmp_path) as aws:
        mine = aws.environment()
        async with dev(project, "--stage", "alice", env=mine, local=False) as session:
            await session.ready()
            with aws.container(tmp_path / "stub") as container:
                assert await invoke(container, {"a": 1}) == {"a": 1, "text": ""}
                assert ":assumed-role/" in await invoke(container, {"who": 1})
                text = "x" * 2_900_000  # more than goes over the Event API, both ways
                assert await invoke(container, {"text": text}) == {"text": text * 2}

                # The proxy is started anew while a function runs: it is answered all the same.
                running = asyncio.create_task(invoke(container, {"until": str(tmp_path / "go on")}))
                await session.event("invocation.started")
                aws.internet.cut()
                await session.event("bridge.disconnected")
                await session.event("bridge.connected")
                (tmp_path / "go on").touch()
                assert (await running)["text"] == ""
            assert await session.stop() == 0

        hosts = set(aws.internet.tunnels)
        assert {host.partition(".")[2] for host in hosts if "appsync-realtime-api" in host} == {
            f"appsync-realtime-api.{REGION}.amazonaws.com"
        }
        bucket = f"skykite-bootstrap-000000000000-{REGION}"
        named = ("cloudformation", "lambda", "sts", "ssm", "appsync", "s3", f"{bucket}.s3")
        assert {f"{name}.{REGION}.amazonaws.com" for name in named} == {
            host for host in hosts if "-api." not in host
        }  # what docs/guides/proxies.md says has to be reached
        assert {asked.operation for asked in aws.internet.asked} >= {"AssumeRole", "GetParameter", "CreateChangeSet"}

        # Back to the real code, the same way, and away.
        deployed = await kite("deploy", "--stage", "alice", "--yes", cwd=project, env=mine)
        assert deployed.code == 0, deployed.stdout + deployed.stderr
        [function] = aws.client("lambda").list_functions()["Functions"]
        assert function["Handler"] != HANDLER
        assert "KITE_LIVE" not in function["Environment"]["Variables"]
        assert aws.client("ssm").describe_parameters()["Parameters"] == []
        removed = await kite("remove", "--stage", "alice", "--yes", cwd=project, env=mine)
        assert removed.code == 0, removed.stdout + removed.stderr
        assert aws.client("lambda").list_functions()["Functions"] == []
