"""What a `Script` becomes in templates, and when its inputs are others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import App, Function, Script, Stack  # noqa: E402


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def one(project: Path, mode: Any = "deploy", **props: Any) -> Built:
    def define(app: App) -> None:
        Script(Stack(app, "NotesStack"), "Seed", **{"on_create": "functions/notes.create", **props})

    return build(project, define, mode=mode)


def inputs(built: Built) -> dict[str, Any]:
    return built.only("Custom::SkykiteScript")


def test_a_script_may_invoke_its_functions_and_waits_for_what_they_need(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        orders = sqs.Queue(stack, "Orders")
        shared = Function(stack, "Shared", "functions/notes.get")
        script = Script(
            stack,
            "Seed",
            on_create="functions/notes.create",
            on_update="functions/notes.create",
            on_delete=shared,
            params={"url": orders.queue_url, "count": 3},
            defaults={"function": {"link": [orders]}},
        )
        assert script.get_function("on_create") is script.get_function("on_update")
        assert script.get_function("on_delete") is shared
        assert sorted(script.cdk.functions) == ["on_create", "on_delete", "on_update"]

    built = build(project, define)
    template = built.template()["Resources"]
    names = {
        resource["Metadata"]["aws:cdk:path"].removeprefix("NotesStack/"): name for name, resource in template.items()
    }
    custom = template[names["Seed/Resource/Default"]]
    assert custom["Type"] == "Custom::SkykiteScript"
    handler = names["Seed/Handler/Resource"]
    assert custom["Properties"]["ServiceToken"] == {"Fn::GetAtt": [handler, "Arn"]}
    assert custom["Properties"]["ServiceTimeout"] == "960"
    for needed in (
        "Seed/Create/Resource/ServiceRole/DefaultPolicy/Resource",
        "Seed/Handler/ServiceRole/DefaultPolicy/Resource",
    ):
        assert names[needed] in custom["DependsOn"], f"may run before {needed}"
    (policy,) = (
        resource["Properties"]["PolicyDocument"]["Statement"]
        for name, resource in template.items()
        if name == names["Seed/Handler/ServiceRole/DefaultPolicy/Resource"]
    )
    arns = [
        {"Fn::GetAtt": [names[path], "Arn"]} for path in ("Seed/Create/Resource/Resource", "Shared/Resource/Resource")
    ]
    assert policy == [
        {
            "Action": "lambda:InvokeFunction",
            "Effect": "Allow",
            "Resource": [*arns, *({"Fn::Join": ["", [arn, ":*"]]} for arn in arns)],
        },
        {"Action": "cloudformation:DescribeStacks", "Effect": "Allow", "Resource": {"Ref": "AWS::StackId"}},
    ]
    assert template[names["Seed/Create/Resource/Resource"]]["Properties"]["Timeout"] == 900
    assert len(built.resources("AWS::Lambda::Function")) == 3
    assert template_errors(built.directory) == []
    text = "".join(part if isinstance(part, str) else "X" for part in custom["Properties"]["Script"]["Fn::Join"][1])
    assert json.loads(text) == {
        "create": {"function": "X", "label": "functions/notes.create"},
        "update": {"function": "X", "label": "functions/notes.create"},
        "delete": {"function": "X", "label": "functions/notes.get"},
        "params": {"url": "X", "count": 3},
    }


def test_another_input_updates_and_the_same_ones_do_not(project: Path) -> None:
    first = inputs(one(project))
    assert inputs(one(project)) == first
    assert inputs(one(project, version="2")) != first
    assert inputs(one(project, params={"n": 1})) != first
    assert inputs(one(project, on_update="functions/notes.get")) != first
    developed = inputs(one(project, mode="local"))
    (project / "functions/notes.py").write_text("def get(e, c): ...\ndef create(e, c): return 2\n")
    assert inputs(one(project)) != first, "new code does not run"
    assert inputs(one(project, mode="local")) == developed, "editing a handler deploys while developing"
