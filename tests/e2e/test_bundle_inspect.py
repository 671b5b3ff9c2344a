"""`kite bundle inspect`: what a function is deployed with, by size, and why it is there."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from kit.kite import dev, kite
from kit.wheels import make_wheel
from skykite.model.locations import cache_directory

APP = """\
from aws_cdk import aws_lambda as lambda_
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    extra = lambda_.LayerVersion(stack, "Extra", code=lambda_.Code.from_asset("extra"))
    elsewhere = lambda_.LayerVersion.from_layer_version_arn(
        stack, "Elsewhere", "arn:aws:lambda:eu-west-1:123456789012:layer:tools:7"
    )
    Function(
        stack,
        "Report",
        handler="functions/report.handler",
        layers=[extra, elsewhere],
        copy_files=[{"from": "texts/hello.txt", "to": "functions/hello.txt"}],
        hooks={"after_build": ["echo made > made.txt"]},
    )
    Function(stack, "Light", handler="functions/light.handler")
    lambda_.Function(
        stack,
        "Plain",
        code=lambda_.Code.from_asset("plain"),
        handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_13,
    )
"""
HANDLER = "def handler(event, context):\n    return 1\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    files = {
        "kite.toml": 'name = "app"\nregion = "eu-west-1"\n',
        "stacks/app.py": APP,
        "functions/report.py": HANDLER,
        "functions/light.py": HANDLER,
        "texts/hello.txt": "hello",
        "extra/tool.txt": "t" * 3000,
        "plain/index.py": HANDLER,
        "requirements.txt": "-r base.txt\nframe[fast]==1.0\n",
        "base.txt": "clock==2.0\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def index(tmp_path: Path) -> dict[str, str]:
    """An index with four packages: `frame` needs `clock`, and `speed` where somebody wants it fast."""
    wheels = tmp_path / "wheels"
    make_wheel(
        wheels,
        "frame",
        "1.0",
        requires=("clock>=2", "speed; extra == 'fast'", "window; sys_platform == 'win32'"),
        files={"frame/__init__.py": "F = 1\n" * 500, "frame/data.bin": "x" * 2_000_000},
    )
    make_wheel(wheels, "clock", "2.0")
    make_wheel(wheels, "speed", "3.0", files={"frame_fast/speed.py": "S = 1\n" * 100})  # named unlike itself
    (tmp_path / "uv.toml").write_text("no-index = true\n")
    unpacked = cache_directory(os.environ) / "synth"  # unpacking the CDK again takes seconds
    unpacked.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "synth").symlink_to(unpacked)
    return {
        "KITE_CACHE_DIR": str(tmp_path / "cache"),
        "UV_CONFIG_FILE": str(tmp_path / "uv.toml"),
        "UV_FIND_LINKS": str(wheels),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }


async def inspected(project: Path, name: str, env: dict[str, str]) -> dict[str, Any]:
    done = await kite("bundle", "inspect", name, "--stage", "test", "--output", "json", cwd=project, env=env)
    assert done.code == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["code"] == "bundle.inspected"
    return said


async def test_every_file_is_told_of_once_with_what_it_is_of_and_why(project: Path, index: dict[str, str]) -> None:
    said = await inspected(project, "Report", index)
    assert (said["function"], said["handler"]) == ("S/Report", "functions/report.handler")
    assert {one["name"]: (one["version"], one["direct"], one["via"]) for one in said["packages"]} == {
        "frame": ("1.0", ["requirements.txt"], []),
        "clock": ("2.0", ["base.txt"], ["frame"]),
        "speed": ("3.0", [], ["frame"]),
    }
    assert said["packages"][0]["name"] == "frame"  # the largest
    folders = {(one["kind"], one["path"]) for one in said["folders"]}
    assert folders >= {("code", "functions/"), ("copied", "functions/"), ("support", "skykite_lambda/"), ("hook", ".")}
    parts = {one["name"]: one for one in said["parts"]}
    assert parts["S/Extra"]["unpacked"] == 3000
    assert parts["arn:aws:lambda:eu-west-1:123456789012:layer:tools:7"]["unpacked"] is None
    known = [one for one in said["parts"] if one["unpacked"] is not None]
    told = [*said["packages"], *said["folders"]]
    assert sum(one["files"] for one in told) == sum(one["files"] for one in known)
    assert sum(one["unpacked"] for one in told) == sum(one["unpacked"] for one in known) == said["unpacked"]
    assert said["largest"][0]["path"].endswith("frame/data.bin")
    assert said["limit"] == 250 * 1024 * 1024


async def test_packages_in_a_layer_are_told_of_like_those_in_the_zip(project: Path, index: dict[str, str]) -> None:
    said = await inspected(project, "Light", index)
    layer, code = sorted(said["parts"], key=lambda one: -one["unpacked"])
    assert (layer["kind"], code["kind"]) == ("layer", "code")
    assert [(one["name"], one["direct"], one["via"]) for one in said["packages"]] == [
        ("frame", ["requirements.txt"], []),
        ("speed", [], ["frame"]),
        ("clock", ["base.txt"], ["frame"]),
    ]
    assert said["largest"][0] == {"path": "python/frame/data.bin", "part": layer["name"], "unpacked": 2_000_000}
    told = [*said["packages"], *said["folders"]]
    assert sum(one["unpacked"] for one in told) == layer["unpacked"] + code["unpacked"] == said["unpacked"]


async def test_it_reads_as_a_table_on_stdout(project: Path, index: dict[str, str]) -> None:
    done = await kite("bundle", "inspect", "functions/report.handler", "--stage", "test", cwd=project, env=index)
    assert done.code == 0, done.stderr
    rows = {re.sub(r"\s{2,}", " | ", line.strip()) for line in done.stdout.splitlines()}
    assert "S/Report | functions/report.handler | python3.13, x86_64" in rows
    assert "frame 1.0 | 1.9 MB | 4 | requirements.txt" in rows
    assert "clock 2.0 | 146 B | 3 | base.txt, via frame" in rows
    assert "functions/ | 5 B | 1 | copy_files" in rows
    assert "layer arn:aws:lambda:eu-west-1:123456789012:layer:tools:7 | not of this app" in rows
    assert any(row.endswith("of 250 MB unpacked") for row in rows)


@pytest.mark.slow
async def test_a_bundle_that_is_too_large_to_deploy_is_shown_all_the_same(
    project: Path, index: dict[str, str], tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "vast", "1.0", files={"vast/data.bin": "0" * (251 * 1024 * 1024)})
    (project / "base.txt").write_text("clock==2.0\nvast\n")
    refused = await kite("build", "--stage", "test", cwd=project, env=index)
    assert (refused.code, "error: bundle-too-large" in refused.stderr) == (1, True)
    assert "`kite bundle inspect FUNCTION` says who asks for each" in refused.stderr
    done = await kite("bundle", "inspect", "Light", "--stage", "test", cwd=project, env=index)
    assert done.code == 0, done.stderr
    assert re.search(r"vast 1\.0 +251 MB +3 +base\.txt", done.stdout)
    assert "253 MB of 250 MB unpacked, which is too much: Lambda refuses it" in done.stdout


async def test_a_function_of_plain_cdk_is_opened_as_well(project: Path, index: dict[str, str]) -> None:
    said = await inspected(project, "S/Plain", index)
    assert [(one["kind"], one["path"]) for one in said["folders"]] == [("asset", ".")]
    assert said["unpacked"] == len(HANDLER)


async def test_a_name_that_is_none_is_met_with_the_nearest(project: Path, index: dict[str, str]) -> None:
    done = await kite("bundle", "inspect", "Repord", "--stage", "test", cwd=project, env=index)
    assert done.code == 1
    assert "error: function-unknown" in done.stderr
    assert "did you mean `S/Report`?" in done.stderr


async def test_it_can_be_asked_while_the_stage_is_developed(project: Path, index: dict[str, str]) -> None:
    async with dev(project, "--stage", "test", "--port", "0") as session:
        await session.ready()
        environment = {name: value for name, value in index.items() if name != "KITE_CACHE_DIR"}
        assert (await inspected(project, "Report", environment))["packages"]
        assert await session.stop() == 0


NODE_APP = """\
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    Function(stack, "Web", handler="functions/web.handler", copy_files=[{"from": "texts/hello.txt"}])
"""
MODULES = {
    "package.json": '{"name": "app", "dependencies": {"outer": "^2"}}',
    "functions/web.ts": "import {outer} from 'outer';\nimport {plain} from 'plain';\nimport {own} from './own';\n"
    "export const handler = async () => outer() + plain() + own();\n",
    "functions/own.ts": "export const own = (): string => 'own';\n",
    "node_modules/outer/package.json": '{"name": "outer", "version": "2.1.0", "main": "index.js"}',
    "node_modules/outer/index.js": "const {inner} = require('@scope/inner');\n"
    f"exports.outer = () => inner + '{'o' * 5000}';\n",
    "node_modules/@scope/inner/package.json": '{"name": "@scope/inner", "version": "0.3.0", "main": "index.js"}',
    "node_modules/@scope/inner/index.js": f"exports.inner = '{'i' * 9000}';\n",
    "node_modules/plain/package.json": '{"name": "plain", "version": "1.0.0", "main": "index.js"}',
    "node_modules/plain/index.js": "exports.plain = () => 'plain';\n",
}


async def test_a_node_bundle_is_told_apart_by_who_imports_what(project: Path) -> None:
    (project / "stacks" / "app.py").write_text(NODE_APP)
    for path, text in MODULES.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    beside = project.parent / "beside"
    beside.mkdir()
    (beside / "name.ts").write_text("export const name = () => 'beside';\n")
    (project / "functions/own.ts").write_text("export {name as own} from '../../beside/name';\n")
    said = await inspected(project, "Web", {})
    assert [(one["name"], one["version"], one["direct"], one["via"]) for one in said["packages"]] == [
        ("@scope/inner", "0.3.0", [], ["outer"]),
        ("outer", "2.1.0", ["package.json"], []),
        ("plain", "1.0.0", ["functions/web.ts"], []),
    ]
    assert said["packages"][0]["unpacked"] > 9000
    kinds = {one["kind"]: one for one in said["folders"]}
    assert set(kinds) == {"code", "built", "map", "copied"}
    assert sorted((one["path"], one["files"]) for one in said["folders"] if one["kind"] == "code") == [
        ("../beside/", 1),
        ("functions/", 2),
    ]
    told = [*said["packages"], *said["folders"]]
    assert all(one["unpacked"] >= 0 for one in told)
    assert sum(one["unpacked"] for one in told) == said["unpacked"] == said["parts"][0]["unpacked"]
