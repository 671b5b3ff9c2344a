"""Functions run in the project's own environment, and what it lacks of the packages that would be deployed is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from kit.http import fetch
from kit.kite import dev, kite

HANDLER = """
import greetings


def handler(event, context):
    import sys
    return {"statusCode": 200, "body": f"{greetings.HELLO} {sys.prefix}"}
"""
STACKS = """
from skykite import Api, App, Stack


def main(app: App) -> None:
    stack = Stack(app, "Hello")
    Api(stack, "Api", routes={"GET /": "functions/hello.handler"})
"""


def make_environment(folder: Path, python: str = sys.executable) -> Path:
    """A real one of uv's, whatever is there. Returns the folder for packages."""
    command = [find_uv_bin(), "venv", "--quiet", "--clear", "--no-project", "--python", python, str(folder)]
    subprocess.run(command, check=True)
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    return site


def install(site: Path, name: str, version: str, code: str) -> None:
    """As an installer leaves a package of one module."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    (site / f"{name}.py").write_text(code)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    for folder in ("stacks", "functions"):
        (root / folder).mkdir(parents=True)
    (root / "kite.toml").write_text('name = "app"\n')
    (root / "stacks" / "app.py").write_text(STACKS)
    (root / "functions" / "hello.py").write_text(HANDLER)
    (root / "requirements.txt").write_text("greetings==1.0\n")
    return root


async def test_a_package_that_is_not_installed_is_told_and_found_as_soon_as_it_is(project: Path) -> None:
    site = make_environment(project / ".venv")
    async with dev(project, "--stage", "test", "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        differ = await session.event("notice", lambda e: e["notice"] == "packages-differ")
        assert differ["message"] == (
            "`.venv` is not what `requirements.txt` would deploy: `greetings` is not installed"
        )
        assert differ["hint"] == "run `uv pip install -r requirements.txt`"
        assert (await fetch("GET", url)).status == 500
        failed = await session.event("invocation.finished")
        assert failed["error"]["hint"] == (
            "`greetings` is in `requirements.txt` but not installed in `.venv`: "
            "run `uv pip install -r requirements.txt`"
        )

        install(site, "greetings", "1.0", "HELLO = 'hello'\n")
        await session.event("notice", lambda e: e["notice"] == "packages-agree")
        assert (await fetch("GET", url)).text == f"hello {project / '.venv'}"

        (project / "requirements.txt").write_text("")
        told = await session.event("notice", lambda e: e["notice"] == "package-undeployed")
        assert told["message"].startswith(
            "`greetings` works here and would be missing on AWS: `functions/hello.py:2` imports `greetings`"
        )


def another_python() -> tuple[str, str]:
    """One of another version than this and than functions get in AWS, and the version."""
    folders = [*Path.home().glob(".pyenv/versions/*/bin"), *(Path(folder) for folder in os.get_exec_path())]
    for version in (f"3.{minor}" for minor in (12, 11, 10) if minor != sys.version_info.minor):
        for folder in folders:
            if (folder / f"python{version}").is_file() and folder.name != "shims":
                return str(folder / f"python{version}"), version
    pytest.skip("there is no other Python on this machine")


@pytest.mark.slow
async def test_an_environment_that_is_made_anew_with_another_python_is_told_and_compared(project: Path) -> None:
    install(make_environment(project / ".venv"), "greetings", "1.0", "HELLO = 'hello'\n")
    python, version = another_python()
    async with dev(project, "--stage", "test", "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        assert (await fetch("GET", url)).text == f"hello {project / '.venv'}"

        site = make_environment(project / ".venv", python)
        told = await session.event("notice", lambda e: e["notice"] == "runtime-differs")
        assert told["message"].startswith(f"functions run on Python {version} here and on Python 3.13 in AWS; ")
        told = await session.event("notice", lambda e: e["notice"] == "packages-differ")
        assert "`greetings` is not installed" in told["message"]
        install(site, "greetings", "1.0", "HELLO = 'hello again'\n")
        await session.event("notice", lambda e: e["notice"] == "packages-agree")
        assert (await fetch("GET", url)).text == f"hello again {project / '.venv'}"


async def test_python_on_the_command_line_is_what_functions_run_on(project: Path) -> None:
    other = project.parent / "other"
    install(make_environment(other), "greetings", "1.0", "HELLO = 'from the other'\n")
    done = await kite("invoke", "--local", "--python", str(other), "functions/hello.handler", cwd=project)
    assert (done.code, f"from the other {other}" in done.stdout) == (0, True), done.stderr

    bare = project.parent / "bare"
    make_environment(bare)
    failed = await kite("invoke", "--local", "--python", str(bare), "functions/hello.handler", cwd=project)
    assert failed.code == 1
    assert re.search(r"^hint: `Hello/[^`]+`: `greetings` is ", failed.stderr, re.M)
    assert f"run `uv pip install --python {bare} -r requirements.txt`" in failed.stderr

    wrong = await kite("dev", "--local", "--python", "nowhere", "--output", "plain", cwd=project)
    assert wrong.code == 1
    assert "python-not-found" in wrong.stderr
    beside = await kite("invoke", "--python", "3.12", "functions/hello.handler", cwd=project)
    assert "option-conflict" in beside.stderr


async def test_doctor_says_which_python_functions_run_on_and_why(project: Path) -> None:
    make_environment(project / ".venv")
    done = await kite("doctor", "--output", "plain", cwd=project)
    said = done.stdout + done.stderr
    assert f"at {project / '.venv' / 'bin' / 'python'}: `.venv` of the project" in said
