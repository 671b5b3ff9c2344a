"""`kite cloud start`, `kite deploy --local` and what is left after a kill: from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from kit.http import fetch
from kit.kite import KITE, alive, clean_environment, descendants, dev, kite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

APP = """\
from skykite import Api, App, Stack, Table


def main(app: App) -> None:
    stack = Stack(app, "S")
    words = Table(stack, "Words", fields={"id": "string"}, primary_index={"partition_key": "id"})
    api = Api(
        stack,
        "Api",
        defaults={"function": {"link": [words]}},
        routes={"GET /words": "functions/words.read", "POST /words": "functions/words.write"},
    )
    stack.add_outputs(Url=api.url)
"""
TEXT = {"content-type": "text/plain"}
WORDS = """\
import json

import boto3
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Words.name)
EDITION = "{edition}"


def read(event, context):
    return {{"edition": EDITION, "words": sorted(item["id"] for item in table.scan()["Items"])}}


def write(event, context):
    table.put_item(Item={{"id": event["body"]}})
    return {{"edition": EDITION}}
"""


class Project:
    """A project whose kept cloud is stopped in the end, whatever became of it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, edition: str) -> None:
        (self.root / "functions" / "words.py").write_text(WORDS.format(edition=edition))

    async def run(self, *arguments: str) -> str:
        """What it says on stdout; an assertion if it fails."""
        done = await kite(*arguments, cwd=self.root)
        assert done.code == 0, done.stderr
        return done.stdout

    async def event(self, *arguments: str) -> dict[str, Any]:
        """The last event."""
        said: dict[str, Any] = json.loads((await self.run(*arguments, "--output", "json")).splitlines()[-1])
        return said

    async def status(self) -> dict[str, Any]:
        done = await kite("cloud", "status", "--output", "json", cwd=self.root)
        said: dict[str, Any] = json.loads(done.stdout)
        assert done.code == (0 if said["state"] in ("kept", "dev") else 1)
        return said

    async def start(self) -> dict[str, Any]:
        return await self.event("cloud", "start")

    async def deploy(self, stage: str = "test") -> str:
        """The URL of the API."""
        finished = await self.event("deploy", "--local", "--stage", stage)
        assert finished["code"] == "deploy.finished"
        url: str = finished["outputs"][f"{stage}-words-S"]["Url"]
        return url


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "kite.toml").write_text('name = "words"\nregion = "eu-west-1"\n')
    (tmp_path / "stacks" / "app.py").write_text(APP)
    made = Project(tmp_path)
    made.save("first")
    yield made
    await kite("cloud", "stop", cwd=tmp_path)


async def test_deployed_code_runs_until_the_next_deploy_and_outlives_a_kill(project: Project) -> None:
    started = await project.start()
    assert (started["code"], started["already"]) == ("cloud.started", False)
    url = await project.deploy()
    assert (await fetch("POST", f"{url}/words", "kept", headers=TEXT)).json() == {"edition": "first"}
    assert (await fetch("GET", f"{url}/words")).json() == {"edition": "first", "words": ["kept"]}
    read = json.loads(await project.run("invoke", "functions/words.read", "--stage", "test"))
    assert read == {"edition": "first", "words": ["kept"]}

    project.save("second")
    assert (await fetch("GET", f"{url}/words")).json()["edition"] == "first"
    assert await project.deploy() == url
    assert (await fetch("GET", f"{url}/words")).json() == {"edition": "second", "words": ["kept"]}

    status = await project.status()
    assert (status["state"], status["pid"], status["functions"]) == ("kept", started["pid"], 2)
    assert [api["url"] for api in status["apis"]] == [url]
    family = {started["pid"], *descendants(started["pid"])}
    assert len(family) >= 4  # keeper, cloud, zygote, workers
    os.kill(started["pid"], signal.SIGKILL)
    async with asyncio.timeout(8):
        while alive(family):
            await asyncio.sleep(0.02)
    died = await project.status()
    assert (died["state"], died["pid"]) == ("died", started["pid"])
    assert (project.root / ".kite" / "local" / "keeper.log") == Path(died["log"])

    again = await kite("cloud", "start", cwd=project.root)
    assert again.code == 0
    assert f"note: the last kept cloud ended by itself: process {started['pid']} is gone" in again.stderr
    assert (await project.status())["url"] == started["url"]
    (api,) = (await project.status())["apis"]  # on the port it had, unless another test's took it meanwhile
    assert (await fetch("GET", f"{api['url']}/words")).json() == {"edition": "second", "words": ["kept"]}

    pid = (await project.status())["pid"]
    family = {pid, *descendants(pid)}
    stopped = await project.event("cloud", "stop")
    assert (stopped["result"], stopped["pid"]) == ("stopped", pid)
    assert stopped["elapsed_ms"] < 2_000
    assert not alive(family)
    assert (await project.status())["state"] == "stopped"


async def test_every_command_may_be_given_twice(project: Project) -> None:
    assert (await project.event("cloud", "stop"))["result"] == "not-running"
    first, second = await asyncio.gather(project.start(), kite("cloud", "start", "--output", "json", cwd=project.root))
    assert second.code == 0, second.stdout
    third = await project.start()
    assert third["already"]
    assert third["pid"] == first["pid"] == json.loads(second.stdout.splitlines()[-1])["pid"]
    assert (await project.event("cloud", "stop"))["result"] == "stopped"
    assert (await project.event("cloud", "stop"))["result"] == "not-running"


async def test_an_api_call_with_the_printed_variables_reaches_the_deployed_function(project: Project) -> None:
    await project.start()
    await project.deploy()
    variables = json.loads(await project.run("cloud", "env", "--format", "json"))
    client = boto3.Session(region_name=variables["AWS_REGION"]).client(
        "lambda",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )

    def read() -> Any:
        (name,) = [f["FunctionName"] for f in client.list_functions()["Functions"] if "GET" in f["FunctionName"]]
        return json.loads(client.invoke(FunctionName=name)["Payload"].read())

    assert await asyncio.to_thread(read) == {"edition": "first", "words": []}


async def test_without_a_kept_cloud_deploy_says_how_to_start_one(project: Project) -> None:
    refused = await kite("deploy", "--local", "--stage", "test", cwd=project.root)

    assert refused.code == 1
    assert refused.stderr == (
        "error: cloud-not-kept\n\n  no embedded cloud is kept running for `words`\n\n"
        "hint: start one with `kite cloud start`\n"
    )


async def test_kite_dev_and_a_kept_cloud_name_each_other(project: Project) -> None:
    kept = await project.start()
    refused = await kite("dev", "--local", "--stage", "test", cwd=project.root)
    assert refused.code == 1
    assert refused.stderr == (
        f"error: cloud-in-use\n\n  process {kept['pid']} keeps the embedded cloud of `words` running\n\n"
        "hint: `kite cloud stop` ends it; `kite dev --local --bridge` works with it\n"
    )
    await project.run("cloud", "stop")

    async with dev(project.root, "--stage", "test", "--port", "0") as session:
        await session.ready()
        status = await project.status()
        assert (status["state"], status["pid"]) == ("dev", session.pid)
        for arguments in (("cloud", "start"), ("deploy", "--local", "--stage", "other")):
            refused = await kite(*arguments, cwd=project.root)
            assert refused.code == 1
            assert "error: cloud-in-use" in refused.stderr
            assert f"process {session.pid} runs the embedded cloud of `words`" in refused.stderr


async def test_a_stage_is_removed_from_the_kept_cloud_and_from_one_that_does_not_run(project: Project) -> None:
    await project.start()
    await project.deploy()
    other = await project.deploy("other")
    await project.run("remove", "--local", "--yes", "--stage", "test")
    status = await project.status()
    assert status["functions"] == 2
    assert [api["url"] for api in status["apis"]] == [other], "what is removed is served"
    await project.run("cloud", "stop")

    await project.run("remove", "--local", "--yes", "--stage", "other")

    await project.start()
    assert (await project.status())["functions"] == 0


async def test_a_keeper_in_the_foreground_shows_what_functions_do_and_ends_with_ctrl_c(project: Project) -> None:
    process = await asyncio.create_subprocess_exec(
        KITE, "cloud", "start", "--foreground", "--output", "json",
        cwd=project.root, env=clean_environment(), stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    assert process.stdout is not None
    events: list[dict[str, Any]] = []

    async def hear(code: str) -> dict[str, Any]:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while not events or events[-1]["code"] != code:
                events.append(json.loads(await process.stdout.readline()))
        return events[-1]

    started = await hear("cloud.started")
    assert (started["pid"], started["log"]) == (process.pid, None)
    url = await project.deploy()
    await fetch("GET", f"{url}/words")
    assert (await hear("http.finished"))["status"] == 200
    family = {process.pid, *descendants(process.pid)}

    process.send_signal(signal.SIGINT)

    assert (await hear("cloud.stopped"))["result"] == "stopped"
    assert await process.wait() == 0
    assert not alive(family)
    assert (await project.status())["state"] == "stopped"


async def test_a_keeper_that_cannot_start_says_why_and_leaves_nothing(project: Project) -> None:
    (project.root / ".kite" / "local" / "cloud").mkdir(parents=True)
    (project.root / ".kite" / "local" / "cloud" / "ministack.log").mkdir()

    refused = await kite("cloud", "start", cwd=project.root)

    assert refused.code != 0
    assert "its log is" in refused.stderr
    assert (await project.status())["state"] in ("stopped", "died")
