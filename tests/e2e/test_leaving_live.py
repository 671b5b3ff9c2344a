"""From `kite deploy` to Live and back, from outside: what is said, and that nothing of Live is left."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from kit.http import fetch
from kit.kite import dev, kite
from skykite.model.live import lease_key, stage_key_name, stage_prefix

APP = """\
from skykite import Api, App, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    stack.add_outputs(Url=Api(stack, "Api", routes={"GET /": "functions/word.say"}).url)
"""
WORD = "def say(event, context):\n    return {word!r}\n"


def save(root: Path, word: str) -> None:
    (root / "functions" / "word.py").write_text(WORD.format(word=word))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "kite.toml").write_text('name = "words"\nregion = "eu-west-1"\n')
    (tmp_path / "stacks" / "app.py").write_text(APP)
    save(tmp_path, "deployed")
    return tmp_path


async def run(project: Path, *arguments: str) -> list[dict[str, Any]]:
    """What it says."""
    done = await kite(*arguments, "--output", "json", cwd=project)
    assert done.code == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Left:
    """What is in the embedded cloud of the stage `alice`."""

    def __init__(self, variables: dict[str, str]) -> None:
        options = {
            "endpoint_url": variables["AWS_ENDPOINT_URL"],
            "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
            "region_name": variables["AWS_REGION"],
        }
        self.s3: Any = boto3.client("s3", **options)  # type: ignore[call-overload]
        self.stacks: Any = boto3.client("cloudformation", **options)  # type: ignore[call-overload]
        self._ssm: Any = boto3.client("ssm", **options)  # type: ignore[call-overload]
        self.bucket = f"skykite-bootstrap-000000000000-{variables['AWS_REGION']}"

    def all(self) -> set[str]:
        page = self.s3.list_object_versions(Bucket=self.bucket, Prefix=stage_prefix("words", "alice"))
        found = {entry["Key"] for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))}
        names = [one["Name"] for one in self._ssm.describe_parameters()["Parameters"]]
        return found | {name for name in names if name == stage_key_name("words", "alice")}


@pytest.mark.timeout(180)
async def test_a_stage_goes_live_and_back_and_nothing_of_live_is_left(project: Path) -> None:
    stage = ("--stage", "alice")
    await run(project, "cloud", "start")
    try:
        left = Left(json.loads((await kite("cloud", "env", "--format", "json", cwd=project)).stdout))
        deployed = await run(project, "deploy", "--local", *stage)
        url = deployed[-1]["outputs"]["alice-words-S"]["Url"]
        assert (await fetch("GET", f"{url}/")).body == b"deployed"
        assert await asyncio.to_thread(left.all) == set()

        save(project, "developed")
        async with dev(project, "--bridge", *stage) as session:
            said = await session.event("notice", lambda event: event["notice"] == "live-replaces-deployment")
            assert said["hint"] == "`kite deploy --local --stage alice` puts the code back"
            await session.ready()
            assert (await fetch("GET", f"{url}/")).body == b"developed"
        templates = project / ".kite" / "alice" / "live-templates"
        assert templates.is_dir()
        expected = {lease_key("words", "alice"), stage_key_name("words", "alice")}
        assert await asyncio.to_thread(left.all) == expected

        # Somebody on another machine.
        lease = b'{"v":1,"epoch":9,"session":"5e","ttl_s":60,"who":"bob@desk","pid":7,"open":true}'
        await asyncio.to_thread(left.s3.put_object, Bucket=left.bucket, Key=lease_key("words", "alice"), Body=lease)
        for command in (("deploy",), ("remove",)):
            refused = await kite(*command, "--local", *stage, cwd=project)
            assert refused.code == 1
            assert "error: live-session-connected" in refused.stderr
            assert "`kite dev` runs on stage `alice` of `words` (bob@desk, process 7)" in refused.stderr

        await run(project, "deploy", "--local", "--yes", *stage)
        assert (await fetch("GET", f"{url}/")).body == b"developed"
        assert await asyncio.to_thread(left.all) == {lease_key("words", "alice")}
        assert not templates.exists()

        await run(project, "deploy", "--local", *stage)
        assert await asyncio.to_thread(left.all) == set()

        async with dev(project, "--bridge", *stage) as session:
            await session.ready()
            assert templates.is_dir()
        await run(project, "remove", "--local", "--yes", *stage)
        assert await asyncio.to_thread(left.all) == set()
        assert not templates.exists()
    finally:
        await kite("cloud", "stop", cwd=project)


@pytest.mark.timeout(180)
async def test_what_is_saved_after_somebody_removed_the_stage_does_not_bring_it_back(
    project: Path, tmp_path: Path
) -> None:
    theirs = shutil.copytree(project, tmp_path / "theirs")
    await run(project, "cloud", "start")
    try:
        told = await kite("cloud", "env", "--format", "json", cwd=project)
        variables = {name: value for name, value in json.loads(told.stdout).items() if value}
        async with dev(theirs, "--stage", "alice", env=variables, local=False) as session:
            await session.ready()
            await run(project, "remove", "--local", "--yes", "--stage", "alice")
            (theirs / "stacks" / "app.py").write_text(APP.replace('"GET /"', '"GET /more"'))
            failed = await session.event("reload.failed")
            assert failed["reason"] == "live-taken-over"
            assert await asyncio.wait_for(session.process.wait(), 30) == 1
            errors = [event for event in session.events if event["code"] == "error"]
            assert [error["context"] for error in errors] == ["what was saved is not deployed", None]
            assert all(error["message"].startswith("`kite remove` of ") for error in errors)
        with pytest.raises(botocore.exceptions.ClientError, match="does not exist"):
            await asyncio.to_thread(Left(variables).stacks.describe_stacks, StackName="alice-words-S")
    finally:
        await kite("cloud", "stop", cwd=project)
