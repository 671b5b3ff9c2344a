"""The commands around a running `kite dev --local`, and the cloud behind it, from outside."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import boto3
import pytest

from kit.http import fetch
from kit.kite import Dev, clean_environment, dev, kite

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[tuple[Dev, Path, str]]:
    folder = tmp_path / "jobs"
    shutil.copytree(EXAMPLES / "jobs", folder, ignore=shutil.ignore_patterns(".kite", "__pycache__"))
    async with dev(folder, "--port", "0") as session:
        ready = await session.ready()
        yield session, folder, ready["endpoints"][0]["url"]


async def test_a_plain_cdk_queue_brings_a_job_from_one_local_function_to_another(jobs: tuple[Dev, Path, str]) -> None:
    session, folder, url = jobs
    answer = await fetch("POST", f"{url}/jobs", "count these words", headers={"content-type": "text/plain"})
    assert answer.status == 202, answer.text
    done = await session.event("invocation.finished", lambda e: e["function"].endswith("/Worker"))
    assert done["error"] is None
    assert done["trigger"]["kind"] == "event"
    logs = [e["text"] for e in session.events if e["code"] == "invocation.log" and e["function"].endswith("/Worker")]
    assert f"did {answer.json()['id']}: 3 words" in "".join(logs)

    # Whoever else the cloud's variables are given to reaches the same local code.
    printed = await kite("cloud", "env", "--format", "json", cwd=folder)
    variables = json.loads(printed.stdout)
    outputs = json.loads((await kite("outputs", "--json", cwd=folder)).stdout)
    sqs = boto3.client(
        "sqs",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    (stack,) = outputs.values()
    sqs.send_message(QueueUrl=stack["QueueUrl"], MessageBody=json.dumps({"id": "by-hand", "text": "one two"}))
    await session.event("invocation.log", lambda e: "did by-hand: 2 words" in e["text"])


async def test_invoke_prints_the_answer_and_says_when_the_function_failed(jobs: tuple[Dev, Path, str]) -> None:
    _, folder, _ = jobs
    event = {"Records": [{"body": json.dumps({"id": "x", "text": "a b c"})}]}
    (folder / "event.json").write_text(json.dumps(event))
    good = await kite("invoke", "Worker", "--event", "event.json", cwd=folder)
    assert (good.code, good.stdout) == (0, "null\n")
    assert "did x: 3 words" in good.stderr
    piped = await kite("invoke", "functions/jobs.work", "--event", "-", cwd=folder, stdin=json.dumps(event).encode())
    assert piped.code == 0
    bad = await kite("invoke", "Worker", cwd=folder)
    assert bad.code == 1
    assert json.loads(bad.stdout)["errorType"] == "KeyError"
    unknown = await kite("invoke", "Wroker", cwd=folder)
    assert unknown.code == 1
    assert "hint: did you mean `JobsStack/Worker`?" in unknown.stderr


async def test_the_local_stage_can_be_removed_when_it_does_not_run(tmp_path: Path) -> None:
    assert (await kite("init", "notes", "--template", "api", cwd=tmp_path)).code == 0
    folder = tmp_path / "notes"
    async with dev(folder, "--port", "0") as session:
        await session.ready()
        busy = await kite("remove", "--local", "--yes", cwd=folder)
        assert busy.code == 1
        assert "stage-in-use" in busy.stderr
    refused = await kite("remove", "--local", cwd=folder)
    assert refused.code == 1
    removed = await kite("remove", "--local", "--yes", cwd=folder)
    assert removed.code == 0, removed.stderr
    assert (await kite("outputs", cwd=folder)).code == 1


async def test_deploy_ships_real_code_that_runs_without_kite(jobs: tuple[Dev, Path, str]) -> None:
    """`kite deploy` knows nothing of the embedded cloud but the endpoint in its environment."""
    _, folder, _ = jobs
    variables = json.loads((await kite("cloud", "env", "--format", "json", cwd=folder)).stdout)
    deployed = await kite("deploy", "--stage", "shipped", cwd=folder, env=variables)
    assert deployed.code == 0, deployed.stderr
    again = await kite("deploy", "--stage", "shipped", "--output", "json", cwd=folder, env=variables)
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert not [line for line in lines if line["code"] == "deploy.resource"]
    client = boto3.Session(region_name=variables["AWS_REGION"]).client(
        "lambda",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    names = [f["FunctionName"] for f in client.list_functions()["Functions"]]
    worker = next(name for name in names if name.startswith("shipped-jobs") and "Worker" in name)
    event = {"Records": [{"body": json.dumps({"id": "x", "text": "a b c"})}]}
    answer = client.invoke(FunctionName=worker, Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    removed = await kite("remove", "--stage", "shipped", "--yes", cwd=folder, env=variables)
    assert removed.code == 0, removed.stderr
    assert not [f for f in client.list_functions()["Functions"] if f["FunctionName"].startswith("shipped-")]


def test_the_tests_environment_is_clean() -> None:
    assert not [name for name in clean_environment() if name.startswith(("AWS_", "KITE_"))]
    assert "PATH" in os.environ
