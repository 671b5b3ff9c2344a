"""What CloudFormation refuses in the middle of a deploy is refused when the stacks are read, with paths and lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.stacks import build, build_source, error_text, load_cdk, write_project
from skykite.errors import SkykiteError

load_cdk()

from aws_cdk import aws_ssm as ssm  # noqa: E402
from constructs import Construct  # noqa: E402

from skykite import App, Function, Stack  # noqa: E402

PROGRAM = """\
from aws_cdk import aws_sqs as sqs, aws_ssm as ssm
from skykite import Api, Function, Script, Stack, Table


def main(app):
    stack = Stack(app, "NotesStack")
    first = Function(stack, "First", "functions/notes.get")
    second = Function(stack, "Second", "functions/notes.create", link=[first])
    {line}
"""
REFUSED = {
    "two functions linked to each other": "first.add_link(second)",
    "a function linked to itself": "first.add_link(first)",
    "a circle through a resource of CDK": 'first.add_environment("URL", sqs.Queue(stack, "Q", '
    "queue_name=second.name).queue_url)",
    "a function that needs what makes it run": 'first.node.add_dependency(Script(stack, "S", on_create=first))',
    "stacks that need each other": 'first.add_link(Function(Stack(app, "Other"), "Third", "functions/notes.get", '
    "link=[second]))",
    "two stacks of one name": 'Stack(app, "Other", stack_name="alice-notes-NotesStack")',
    "two resources of one name": '[sqs.Queue(stack, id, queue_name="orders") for id in ("A", "B")]',
    "too many resources": '[ssm.StringParameter(api, str(n), string_value="x") '
    'for api in (Api(stack, "Api"), Api(stack, "Admin")) for n in range(260)]',
    "too many resources of one construct": 'Api(stack, "Api", routes={f"GET /{n}": "functions/notes.get" '
    "for n in range(90)})",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def test_what_cannot_be_deployed_is_refused(project: Path, snapshot: SnapshotAssertion) -> None:
    said = []
    for name, line in REFUSED.items():
        with pytest.raises(SkykiteError) as raised:
            build_source(project, PROGRAM.format(line=line))
        said.append(f"--- {name}\n{error_text(raised.value)}")
    assert "\n\n".join(said).replace(str(project), "PROJECT") == snapshot


def test_a_stack_that_is_soon_too_large_is_said_so(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        for name, count in (("Few", 50), ("Many", 350)):
            group = Construct(stack, name)
            for number in range(count):
                ssm.StringParameter(group, str(number), string_value="x")

    (notice,) = build(project, define).manifest.notices
    assert notice.notice == "stack-large"
    assert notice.message == (
        "stack `NotesStack` has 400 of the 500 resources that CloudFormation takes:\n"
        "   350 `NotesStack/Many`\n    50 `NotesStack/Few`"
    )
    assert notice.hint == "move `NotesStack/Many` to a stack of its own, which leaves 50 in this one"


def test_what_only_seems_to_be_a_circle_is_none(project: Path) -> None:
    def define(app: App) -> None:
        stack, other = Stack(app, "NotesStack"), Stack(app, "Other")
        shared = Function(stack, "Shared", "functions/notes.get")
        Function(stack, "A", "functions/notes.get", link=[shared])
        Function(other, "B", "functions/notes.get", link=[shared])

    assert len(build(project, define).manifest.functions) == 3
