from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.kite import kite
from kit.project import make_project
from skykite.cli.commands.outputs import find_output
from skykite.errors import SkykiteError
from skykite.model.names import StackName

A, B = StackName("blue-notes-A"), StackName("blue-notes-B")
OUTPUTS = {A: {"ApiEndpoint": "http://127.0.0.1:4000", "Name": "a"}, B: {"Name": "b"}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    state = make_project(tmp_path).state / "blue"
    state.mkdir(parents=True)
    (state / "outputs.json").write_text(json.dumps(OUTPUTS))
    return tmp_path


async def test_all_outputs_are_name_value_lines(project: Path) -> None:
    done = await kite("outputs", "--stage", "blue", cwd=project)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "ApiEndpoint=http://127.0.0.1:4000\nblue-notes-A.Name=a\nblue-notes-B.Name=b\n"


async def test_one_output_is_its_value_alone(project: Path) -> None:
    done = await kite("outputs", "ApiEndpoint", "--stage", "blue", cwd=project)
    assert (done.code, done.stdout) == (0, "http://127.0.0.1:4000\n")


async def test_json_is_by_stack_and_name(project: Path) -> None:
    done = await kite("outputs", "--json", "--stage", "blue", cwd=project)
    assert json.loads(done.stdout) == OUTPUTS


@pytest.mark.parametrize(("keys", "shown"), [((), OUTPUTS), (("Stack.Name",), {B: {"Name": "b"}})])
async def test_in_the_event_stream_outputs_have_a_code_too(
    project: Path, keys: tuple[str, ...], shown: dict[StackName, dict[str, str]]
) -> None:
    keys = tuple(key.replace("Stack", B) for key in keys)
    done = await kite("outputs", *keys, "--output", "json", "--stage", "blue", cwd=project)
    (event,) = map(json.loads, done.stdout.splitlines())
    assert (event["code"], event["outputs"]) == ("outputs.shown", shown)


async def test_a_stage_without_outputs_names_those_that_have_some(project: Path) -> None:
    done = await kite("outputs", "--stage", "local", cwd=project)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == (
        "error: stage-not-deployed\n"
        "\n"
        "  stage `local` of `notes` has no outputs yet; stages with outputs: `blue`\n"
        "\n"
        "hint: add --stage blue\n"
    )


async def test_a_broken_file_is_named(project: Path) -> None:
    (project / ".kite" / "blue" / "outputs.json").write_text("{")
    done = await kite("outputs", "--stage", "blue", cwd=project)
    assert done.code == 1
    assert done.stderr.startswith("error: outputs-invalid\n")


def test_a_name_with_its_stack_is_always_understood() -> None:
    assert find_output(OUTPUTS, "blue-notes-B.Name") == (B, "Name")
    assert find_output(OUTPUTS, "blue-notes-A.ApiEndpoint") == (A, "ApiEndpoint")


@pytest.mark.parametrize(
    ("key", "code", "hint"),
    [
        ("Name", "output-ambiguous", "ask for one of `blue-notes-A.Name`, `blue-notes-B.Name`"),
        ("ApiEndpont", "output-not-found", "did you mean `ApiEndpoint`?"),
        ("Zzz", "output-not-found", "there are `ApiEndpoint`, `blue-notes-A.Name`, `blue-notes-B.Name`"),
    ],
)
def test_a_name_that_is_not_one_output_says_which_there_are(key: str, code: str, hint: str) -> None:
    with pytest.raises(SkykiteError) as caught:
        find_output(OUTPUTS, key)
    assert (caught.value.code, caught.value.hint) == (code, hint)


def test_stacks_without_outputs_say_so() -> None:
    with pytest.raises(SkykiteError) as caught:
        find_output({}, "Name")
    assert caught.value.hint == "the stacks have no outputs"
