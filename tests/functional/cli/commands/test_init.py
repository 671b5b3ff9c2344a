from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.kite import clean_environment, kite
from skykite.cli.scaffold import TEMPLATES, plan_project, render_template, write_project
from skykite.errors import SkykiteError
from skykite.model.names import AppName
from skykite.model.project import parse_project
from skykite.synth.node import find_node

REPOSITORY = Path(__file__).parents[4]


def files_of(folder: Path) -> dict[str, str]:
    kept = (file for file in sorted(folder.rglob("*")) if file.is_file())
    ignored = {"__pycache__", ".pytest_cache", ".kite"}
    return {file.relative_to(folder).as_posix(): file.read_text() for file in kept if not ignored & set(file.parts)}


async def test_a_new_project_is_announced_with_the_next_two_commands(tmp_path: Path) -> None:
    done = await kite("init", "notes", "--template", "api", cwd=tmp_path)
    files = files_of(tmp_path / "notes")
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == f"made `notes` with {len(files)} files\n\nNow run\n\n  cd notes\n  kite dev --local\n"
    assert files == render_template("api", name=AppName("notes"), region="us-east-1")


async def test_with_json_it_is_an_event(tmp_path: Path) -> None:
    done = await kite("init", "notes", "--output", "json", cwd=tmp_path)
    event = json.loads(done.stdout)
    assert (event["code"], event["notice"], event["hint"]) == (
        "notice",
        "project-created",
        "cd notes\nkite dev --local",
    )


def test_hello_is_what_comes_without_saying(tmp_path: Path) -> None:
    assert TEMPLATES[0] == "hello"


async def test_nothing_is_overwritten_and_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_text("mine")
    done = await kite("init", "notes", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr == (
        "error: project-exists\n"
        "\n"
        "  `README.md` is there already, and nothing is overwritten\n"
        "\n"
        "hint: choose another folder, or move what is in the way\n"
    )
    assert files_of(tmp_path / "notes") == {"README.md": "mine"}


def test_a_file_where_a_folder_should_be_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file")
    with pytest.raises(SkykiteError) as caught:
        plan_project(tmp_path, "notes", template="hello", environment={})
    assert caught.value.message == "`notes` is there already, and nothing is overwritten"
    (tmp_path / "stacks").write_text("a file")
    with pytest.raises(SkykiteError) as caught:
        plan_project(tmp_path, ".", template="hello", environment={})
    assert caught.value.message == "`stacks` is there already, and nothing is overwritten"


def test_the_folder_one_is_in_can_become_a_project(tmp_path: Path) -> None:
    folder = tmp_path / "My Notes_2"
    folder.mkdir()
    (folder / "LICENSE").write_text("mine")
    plan = plan_project(folder, ".", template="hello", environment={})
    write_project(plan)
    assert (plan.name, plan.next_steps) == ("My-Notes-2", ("kite dev --local", "curl $(kite outputs ApiEndpoint)"))
    assert parse_project((folder / "kite.toml").read_text(), folder).name == "My-Notes-2"


def test_a_folder_whose_name_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SkykiteError) as caught:
        plan_project(tmp_path, "42", template="hello", environment={})
    assert caught.value.message == "the folder's name says `42`, which cannot name an app"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "ap-south-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "ap-south-1"),
        ({"AWS_REGION": "home"}, "us-east-1"),
    ],
)
def test_the_region_is_the_users(tmp_path: Path, environment: dict[str, str], region: str) -> None:
    plan = plan_project(tmp_path, "notes", template="hello", environment=environment)
    assert parse_project(plan.files["kite.toml"], tmp_path).region == region


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_explained(tmp_path: Path) -> None:
    plan = plan_project(tmp_path, "notes", template="hello", environment={})
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SkykiteError) as caught:
            write_project(plan)
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.code == "project-read-only"


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_projects_own_tests_pass(tmp_path: Path, template: str) -> None:
    write_project(plan_project(tmp_path, "notes", template=template, environment={}))
    command: list[str | Path] = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if (tmp_path / "notes" / "package.json").exists():
        command = [find_node(os.environ), "--test", *(tmp_path / "notes").glob("tests/*.test.ts")]
    done = subprocess.run(
        command,
        cwd=tmp_path / "notes",
        env=clean_environment({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_jobs_example_passes_its_tests() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=REPOSITORY / "examples" / "jobs",
        env=clean_environment({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hello_example_is_the_hello_template() -> None:
    example = files_of(REPOSITORY / "examples" / "hello")
    assert example == render_template("hello", name=AppName("hello"), region="us-east-1")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_has_all_that_one_needs(template: str) -> None:
    files = render_template(template, name=AppName("notes"), region="us-east-1")
    assert {"kite.toml", "README.md", ".gitignore", ".vscode/launch.json", "stacks/app.py"} <= set(files)
    assert any(name.startswith("tests/test_") or name.endswith(".test.ts") for name in files)
    assert not any("{{" in text and "}}" in text for text in files.values())
