"""What functions are told and have beside their code, and what scripts do: the same locally and over the bridge."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import dev
from kit.stacks import write_project

APP = """\
from aws_cdk import aws_lambda
from skykite import Api, App, Function, Script, Stack, Table


def main(app: App) -> None:
    app.set_default_function_props(log_format="json", environment={"WORD": "default"})
    stack = Stack(app, "S")
    notes = Table(stack, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
    Script(
        stack,
        "Seed",
        on_create="functions/seed.fill",
        on_update="functions/seed.fill",
        params={"ids": ["a"]},
        defaults={"function": {"link": [notes]}},
    )
    tools = aws_lambda.LayerVersion(stack, "Tools", code=aws_lambda.Code.from_asset("layers/tools"))
    worker = Function(
        stack,
        "Worker",
        "functions/work.run",
        link=[notes],
        layers=[tools],
        copy_files=[{"from": "shared", "to": "data"}],
        dead_letter_queue=True,
        retry_attempts=0,
        ephemeral_storage=1024,
        hooks={"before_build": "echo made > made.txt"},
    )
    Api(stack, "Api", routes={"GET /": worker})
"""
SEED = """\
import boto3
from skykite_lambda import resource


def fill(event, context):
    if not event["params"]["ids"]:
        raise ValueError("nothing to fill it with")
    table = boto3.resource("dynamodb").Table(resource.Notes.name)
    for id in event["params"]["ids"]:
        table.put_item(Item={"id": id, "by": event["type"]})
"""
WORK = """\
import os
import boto3
import tools
from skykite_lambda import resource


def run(event, context):
    items = boto3.resource("dynamodb").Table(resource.Notes.name).scan()["Items"]
    return {
        "items": {item["id"]: item["by"] for item in items},
        "tool": tools.WORD,
        "words": open("data/words.txt").read(),
        "made": open("made.txt").read(),
        "word": os.environ["WORD"],
        "format": os.environ["AWS_LAMBDA_LOG_FORMAT"],
        "logs": "Logs" in os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
    }
"""


@pytest.mark.parametrize(
    "flags", [("--port", "0"), pytest.param(("--bridge",), marks=pytest.mark.slow)], ids=["local", "bridge"]
)
async def test_functions_have_what_they_were_given_and_scripts_run_on_this_machine(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    project = write_project(
        tmp_path,
        {
            "kite.toml": 'name = "everything"\nregion = "eu-west-1"\n',
            "stacks/app.py": APP,
            "functions/seed.py": SEED,
            "functions/work.py": WORK,
            "layers/tools/python/tools.py": "WORD = 'layer'\n",
            "shared/words.txt": "copied",
        },
    )
    expected = {
        "items": {"a": "create"},
        "tool": "layer",
        "words": "copied",
        "made": "made\n",
        "word": "default",
        "format": "JSON",
        "logs": True,
    }
    async with dev(project, *flags, "--stage", "test") as session:
        ready = await session.ready()
        url = ready["endpoints"][0]["url"]
        assert (await fetch("GET", url)).json() == expected
        (project / "shared/words.txt").write_text("copied anew")
        (project / "layers/tools/python/tools.py").write_text("WORD = 'new layer'\n")
        again = {**expected, "words": "copied anew", "tool": "new layer"}
        assert (await fetch("GET", url)).json() == again
        stacks = project / "stacks/app.py"
        await session.event("reload.finished", lambda event: "layers/tools/python/tools.py" in event["files"])
        stacks.write_text(APP.replace('["a"]', '["b"]'))
        # Over the bridge, requests do not wait for what is being deployed.
        await session.event("reload.finished", lambda event: "stacks/app.py" in event["files"])
        assert (await fetch("GET", url)).json() == {**again, "items": {"a": "create", "b": "update"}}
        stacks.write_text(APP.replace('["a"]', "[]"))
        error = await session.event("error", lambda event: event["error"] == "deploy-failed")
        assert "`S/Seed` (Custom::SkykiteScript) could not be updated" in error["message"]
        assert "on_update (functions/seed.fill) failed: ValueError: nothing to fill it with, at " in error["message"]
        assert "UPDATE_ROLLBACK_COMPLETE" in error["context"], "a script that fails leaves its stack stuck"
