"""The CDK's own command line (npm `aws-cdk`) reads our assemblies. Installed once below `.make/`, by our Node's npm."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kit.cloud import running_cloud, session_at
from kit.kite import kite
from kit.stacks import EventLog, SystemClock, synthesis_of, write_project
from skykite.cloud import cloud_environment
from skykite.synth import synthesize
from skykite.synth.node import find_node

CLI_VERSION = "2.1148.1"
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses a lock and a layout of Unix")


@pytest.fixture(scope="module")
def cdk() -> list[str]:
    """The command. Several test processes may want it at once."""
    home = ROOT / ".make" / f"cdk-cli-{CLI_VERSION}"
    home.mkdir(parents=True, exist_ok=True)
    node = find_node({**os.environ, "JSII_NODE": ""})
    program = home / "node_modules" / "aws-cdk" / "bin" / "cdk"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            subprocess.run(
                [node, npm, "install", "--no-save", "--no-audit", "--no-fund", f"aws-cdk@{CLI_VERSION}"],
                cwd=home,
                env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"},
                check=True,
                capture_output=True,
                timeout=100,
            )
            (home / "complete").touch()
    return [str(node), str(program)]


def run(
    command: list[str], *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, "--no-notices", "--no-color", *arguments],
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CI": "1",
            **(env or {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_cdk_cli_lists_and_compares_our_assembly(tmp_path: Path, cdk: list[str]) -> None:
    root = write_project(
        tmp_path / "project",
        {
            "stacks/app.py": (
                "from aws_cdk import aws_sqs as sqs\n"
                "from skykite import Api, App, Function, Stack\n\n\n"
                "def main(app: App) -> None:\n"
                "    data = Stack(app, 'Data')\n"
                "    queue = sqs.Queue(data, 'Orders')\n"
                "    web = Stack(app, 'Web')\n"
                "    Api(web, 'Api', routes={'GET /': 'functions/notes.get'})\n"
                "    Function(web, 'Worker', 'functions/notes.create', link=[queue])\n"
            )
        },
    )
    result = await synthesize(
        synthesis_of(root, mode="deploy"),
        environment={name: value for name, value in os.environ.items() if not name.startswith("KITE_")},
        events=EventLog(),
        clock=SystemClock(),
    )
    listed = run(cdk, "ls", "--app", str(result.assembly), "--json", "--long", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    stacks = {stack["id"]: stack["name"] for stack in json.loads(listed.stdout)}
    assert stacks == {
        "Data (alice-notes-Data)": "alice-notes-Data",
        "Web (alice-notes-Web)": "alice-notes-Web",
    }

    web = result.assembly / "Web.template.json"
    same = run(cdk, "diff", "--app", str(result.assembly), "--exclusively", "Web", "--template", str(web), cwd=tmp_path)
    assert same.returncode == 0, same.stderr
    assert "There were no differences" in same.stdout + same.stderr

    template = json.loads(web.read_text())
    worker = next(
        name
        for name, found in template["Resources"].items()
        if name.startswith("Worker") and "Code" in found["Properties"]
    )
    template["Resources"][worker]["Properties"]["Timeout"] = 20
    (tmp_path / "old.json").write_text(json.dumps(template))
    changed = run(
        cdk, "diff", "--app", str(result.assembly), "--exclusively", "Web", "--template", "old.json", cwd=tmp_path
    )
    assert f"[~] AWS::Lambda::Function Worker/Resource {worker}" in changed.stdout + changed.stderr


async def test_the_cdk_cli_deploys_a_build_whose_folders_are_zips_by_now(tmp_path: Path, cdk: list[str]) -> None:
    root = write_project(
        tmp_path / "project",
        {
            "kite.toml": 'name = "notes"\nregion = "eu-west-1"\n',
            "site/index.html": "hello",
            "stacks/app.py": (
                "from aws_cdk import aws_s3_assets as assets\n"
                "from skykite import App, Function, Stack\n\n\n"
                "def main(app: App) -> None:\n"
                "    stack = Stack(app, 'Web')\n"
                "    Function(stack, 'Worker', 'functions/notes.create')\n"
                "    site = assets.Asset(stack, 'Site', path='site')\n"
                "    stack.add_outputs(Key=site.s3_object_key)\n"
            ),
        },
    )
    built = await kite("build", "--stage", "alice", "--out", str(tmp_path / "dist"), cwd=root)
    assert built.code == 0, built.stderr
    with running_cloud(tmp_path / "cloud") as address:
        here = {name: value for name, value in cloud_environment(address).items() if value}
        bootstrapped = await kite("bootstrap", "--stage", "alice", cwd=root, env=here)
        assert bootstrapped.code == 0, bootstrapped.stderr
        arguments = ("deploy", "--app", str(tmp_path / "dist" / "assembly"), "--all", "--require-approval", "never")
        done = await asyncio.to_thread(run, cdk, *arguments, cwd=tmp_path, env=here)
        assert done.returncode == 0, done.stdout + done.stderr
        session = session_at(address)
        (stack,) = [one for one in session.cloudformation.stacks() if one.name == "alice-notes-Web"]
        session.close()
    assert stack.status == "CREATE_COMPLETE"
    (key,) = [one.value for one in stack.outputs if one.key == "Key"]
    assert key.endswith(".zip")
