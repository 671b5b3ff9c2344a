"""What is synthesized for Live: the stub for each live function, and the function's own settings in the manifest."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.live_stage import opened
from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_dynamodb as dynamodb  # noqa: E402
from aws_cdk import aws_iam as iam  # noqa: E402
from aws_cdk import aws_lambda as lambda_  # noqa: E402
from aws_cdk import aws_lambda_event_sources as event_sources  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import Api, App, Function, Stack  # noqa: E402
from skykite.errors import SkykiteError  # noqa: E402
from skykite.model.names import StackName  # noqa: E402

Templates = Mapping[StackName, Mapping[str, Any]]
HANDLER, RUNTIME = "kite_stub/live/stub.handler", "python3.13"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def define(app: App) -> None:
    """Functions of all sorts, a queue of another stack, a shared role, a stream, and what Skykite has no part in."""
    data = Stack(app, "DataStack")
    orders = sqs.Queue(data, "Orders")
    table = dynamodb.Table(
        data,
        "Table",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        stream=dynamodb.StreamViewType.NEW_IMAGE,
    )
    stack = Stack(app, "NotesStack")
    own = sqs.Queue(stack, "Own", visibility_timeout=aws_cdk.Duration.seconds(60))
    worker = Function(
        stack,
        "Worker",
        "functions/notes.get",
        runtime="python3.9",
        memory_size=256,
        timeout=20,
        architecture="arm64",
        environment={"WORD": "here"},
        description="works",
    )
    worker.cdk.function.add_event_source(event_sources.SqsEventSource(orders))
    worker.cdk.function.add_event_source(event_sources.SqsEventSource(own))
    worker.cdk.function.add_event_source(
        event_sources.DynamoEventSource(table, starting_position=lambda_.StartingPosition.LATEST)
    )
    Function(stack, "Large", "functions/notes.create", memory_size=3008, permissions=[table])
    Function(stack, "Deployed", "functions/notes.get", live=False)
    lambda_.Function(
        stack,
        "Plain",
        runtime=lambda_.Runtime.PYTHON_3_12,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
    )
    iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("events.amazonaws.com"))
    Api(stack, "Api", routes={"GET /notes/{id}": "functions/notes.get", "POST /notes": "functions/notes.create"})


def functions(built: Built) -> dict[str, dict[str, Any]]:
    """Properties by construct path."""
    entries = {entry.logical_id: entry.id for entry in built.manifest.functions}
    return {
        entries[logical_id]: resource["Properties"]
        for logical_id, resource in built.template()["Resources"].items()
        if logical_id in entries
    }


def test_a_live_function_is_the_stub_with_everything_else_kept(project: Path) -> None:
    found = functions(build(project, define, mode="live"))

    worker = found["NotesStack/Worker"]
    assert (worker["Runtime"], worker["Handler"]) == (RUNTIME, HANDLER)
    assert (worker["MemorySize"], worker["Timeout"], worker["Architectures"]) == (512, 20, ["arm64"])
    assert worker["Environment"]["Variables"] == {"KITE_APP": "notes", "KITE_STAGE": "alice", "WORD": "here"}
    assert worker["Description"] == "works"
    large = found["NotesStack/Large"]
    assert (large["MemorySize"], large["Architectures"]) == (3008, ["x86_64"])
    assert found["NotesStack/Api/GET --notes--{id}"]["Code"] == worker["Code"] == large["Code"]

    deployed = found["NotesStack/Deployed"]
    assert (deployed["Runtime"], deployed["Handler"]) == (RUNTIME, "functions/notes.get")
    assert (deployed["MemorySize"], deployed["Timeout"]) == (1024, 10)
    assert found["NotesStack/Plain"]["Handler"] == "index.handler"


def test_the_manifest_keeps_what_the_user_wrote(project: Path) -> None:
    live, deploy = (build(project, define, mode=mode).manifest.functions for mode in ("live", "deploy"))
    assert [replace(entry, code=None) for entry in live] == [replace(entry, code=None) for entry in deploy]
    worker = next(entry for entry in live if entry.id == "NotesStack/Worker")
    assert (worker.runtime, worker.memory_mb, worker.timeout_s) == ("python3.9", 256, 20)
    assert [entry.id for entry in live if not entry.live] == ["NotesStack/Deployed", "NotesStack/Plain"]


def test_the_stub_is_sent_as_it_is_and_holds_what_its_handler_names(project: Path) -> None:
    built = build(project, define, mode="live")
    stack = next(entry for entry in built.manifest.stacks if entry.path == "NotesStack")
    key = functions(built)["NotesStack/Worker"]["Code"]["S3Key"]
    stub = next(asset for asset in stack.assets if asset.key == key)
    assert stub.packaging == "file"
    with zipfile.ZipFile(io.BytesIO((built.directory / stub.source).read_bytes())) as archive:
        module, _, function = HANDLER.rpartition(".")
        assert re.search(rf"^(def )?{function}\b", archive.read(f"{module}.py").decode(), re.MULTILINE)


def test_editing_a_handler_changes_no_template_but_of_functions_that_run_as_deployed(project: Path) -> None:
    before = build(project, define, mode="live").template()["Resources"]
    (project / "functions" / "notes.py").write_text("import os\ndef get(e, c): return 1\ndef create(e, c): return 2\n")
    after = build(project, define, mode="live").template()["Resources"]
    assert [name for name in before if before[name] != after[name]] == [
        name for name in before if name.startswith("Deployed") and before[name]["Type"] == "AWS::Lambda::Function"
    ]


def changed(first: Templates, second: Templates) -> set[str]:
    """Construct paths of all resources that differ."""
    found = set()
    assert first.keys() == second.keys()
    for stack, template in first.items():
        assert {**template, "Resources": 0} == {**second[stack], "Resources": 0}
        old, new = template["Resources"], second[stack]["Resources"]
        assert list(old) == list(new)
        found |= {old[name]["Metadata"]["aws:cdk:path"] for name in old if old[name] != new[name]}
    return found


def test_another_selection_changes_the_functions_that_change_and_what_was_opened_for_them(project: Path) -> None:
    def deployed(*selected: str) -> Templates:
        return opened(build(project, define, mode="live", functions=selected or None)).templates

    everything, some = deployed(), deployed("Large", "NotesStack/Api/POST --notes")
    other = deployed("Large")

    assert changed(some, other) == {
        "NotesStack/Api/POST --notes/Resource/Resource",
        "NotesStack/Api/POST --notes/Resource/ServiceRole/Resource",
    }
    assert changed(everything, some) == {
        "NotesStack/Worker/Resource/Resource",
        "NotesStack/Worker/Resource/ServiceRole/Resource",
        "NotesStack/Own/Resource",
        "DataStack/Orders/Resource",
        "NotesStack/Api/GET --notes--{id}/Resource/Resource",
        "NotesStack/Api/GET --notes--{id}/Resource/ServiceRole/Resource",
    }


def test_nothing_selected_is_what_a_deploy_is(project: Path) -> None:
    assert build(project, define, mode="live", functions=()).template() == build(project, define).template()


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("Worker", {"NotesStack/Worker"}),
        ("NotesStack/Worker", {"NotesStack/Worker"}),
        ("POST --notes", {"NotesStack/Api/POST --notes"}),
        ("functions/notes.create", {"NotesStack/Large", "NotesStack/Api/POST --notes"}),
        ("notes.create", {"NotesStack/Large", "NotesStack/Api/POST --notes"}),
        ("orker", set()),
        ("otes.create", set()),
        ("Deployed", set()),
    ],
)
def test_a_function_is_selected_by_path_or_handler_or_the_end_of_one(project: Path, name: str, live: set[str]) -> None:
    built = build(project, define, mode="live", functions=(name,))
    assert {entry.id for entry in built.manifest.functions if entry.live} == live


def test_what_a_live_stage_is_deployed_with_passes_awss_own_validation(project: Path) -> None:
    built = build(project, define, mode="live")
    assert template_errors(built.directory) == []
    made = opened(built)
    assert made.notices == ()
    for entry in built.manifest.stacks:
        (built.directory / entry.template).write_text(json.dumps(made.templates[entry.name]))
    assert template_errors(built.directory) == []
    queues = [
        resource["Properties"]["VisibilityTimeout"]
        for template in made.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SQS::Queue"
    ]
    assert queues == [900, 900]


def test_a_function_may_not_set_what_the_stub_is_told(project: Path) -> None:
    def wrong(app: App) -> None:
        Function(Stack(app, "NotesStack"), "F", "functions/notes.get", environment={"KITE_LIVE": "{}"})

    with pytest.raises(SkykiteError) as raised:
        build(project, wrong)
    assert raised.value.code == "environment-reserved"
