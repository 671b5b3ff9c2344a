"""Templates: the mark, what is unchanged, exports that are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from skykite.aws import StackOutput, StackState
from skykite.deploy.templates import (
    MARK,
    DesiredStack,
    deployed_resources,
    desired_stack,
    is_unchanged,
    kept_parameters,
    template_text,
)
from skykite.errors import SkykiteError
from skykite.model.manifest import StackEntry
from skykite.model.names import AppName, ConstructPath, StackName, StageName
from skykite.model.plan import KeptExport

RESOURCES: dict[str, Any] = {"Topic": {"Type": "AWS::SNS::Topic"}}


def stack(template: dict[str, Any], **tags: str) -> DesiredStack:
    entry = StackEntry(name=StackName("n"), path=ConstructPath("N"), template="n.json", tags=tags)
    return desired_stack(entry, json.dumps(template).encode(), app=AppName("notes"), stage=StageName("alice"))


def as_deployed(desired: DesiredStack, **changes: object) -> StackState:
    state = StackState(
        name=desired.name,
        id="id",
        status="CREATE_COMPLETE",
        outputs=(StackOutput(key=MARK, value=desired.mark),),
        tags={**desired.tags, "aws:something": "x"},
        created=datetime(2026, 11, 23, tzinfo=UTC),
    )
    return replace(state, **changes)  # type: ignore[arg-type]


def test_what_was_deployed_from_the_same_template_with_the_same_tags_is_unchanged() -> None:
    desired = stack({"Resources": RESOURCES}, team="blue")
    assert is_unchanged(desired, as_deployed(desired))


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": ()},
        {"outputs": (StackOutput(key=MARK, value="another"),)},
        {"tags": {"skykite:app": "notes", "skykite:stage": "alice", "team": "red"}},
        {"tags": {"skykite:app": "notes", "skykite:stage": "alice", "team": "blue", "more": "x"}},
        {"status": "UPDATE_ROLLBACK_COMPLETE"},
    ],
)
def test_any_difference_counts(changes: dict[str, object]) -> None:
    desired = stack({"Resources": RESOURCES}, team="blue")
    assert not is_unchanged(desired, as_deployed(desired, **changes))


def test_a_parameter_with_another_value_than_its_default_counts() -> None:
    desired = stack({"Resources": RESOURCES, "Parameters": {"Size": {"Type": "Number", "Default": 3}}})
    assert is_unchanged(desired, as_deployed(desired, parameters={"Size": "3"}))
    assert not is_unchanged(desired, as_deployed(desired, parameters={"Size": "4"}))


def test_a_stack_that_follows_the_parameter_store_is_never_taken_for_unchanged() -> None:
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/image"}
    desired = stack({"Resources": RESOURCES, "Parameters": {"Image": parameter}})
    assert not is_unchanged(desired, as_deployed(desired, parameters={"Image": "/image"}))


def test_the_mark_is_in_what_is_deployed_and_nothing_else_is_changed() -> None:
    desired = stack({"Resources": RESOURCES, "Outputs": {"A": {"Value": "1"}}})
    assert json.loads(template_text(desired)) == {
        "Resources": RESOURCES,
        "Outputs": {
            "A": {"Value": "1"},
            MARK: {"Description": "By this Skykite knows an unchanged stack", "Value": desired.mark},
        },
    }


def test_while_an_export_is_kept_the_stack_has_no_mark() -> None:
    desired = stack({"Resources": RESOURCES, "Outputs": {"A": {"Value": "1"}}})
    kept = [KeptExport(output="A", name="e", value="old"), KeptExport(output="B", name="f", value="older")]
    assert json.loads(template_text(desired, kept=kept))["Outputs"] == {
        "A": {"Value": "1"},
        "AKept": {"Value": "old", "Export": {"Name": "e"}},
        "B": {"Value": "older", "Export": {"Name": "f"}},
    }


def test_a_full_stack_goes_without_a_mark() -> None:
    outputs = {f"O{number}": {"Value": "1"} for number in range(200)}
    assert len(json.loads(template_text(stack({"Resources": RESOURCES, "Outputs": outputs})))["Outputs"]) == 200


def test_a_parameter_without_default_keeps_its_value_and_must_have_one() -> None:
    desired = stack({"Resources": RESOURCES, "Parameters": {"Key": {"Type": "String"}}})
    assert kept_parameters(desired, as_deployed(desired, parameters={"Key": "x"})) == ("Key",)
    with pytest.raises(SkykiteError) as raised:
        kept_parameters(desired, None)
    assert raised.value.message == (
        "the template of `N` has a parameter `Key` without a default, and nothing gives it a value"
    )


def test_exports_and_imports_are_found_anywhere() -> None:
    desired = stack(
        {
            "Resources": {
                "A": {"Type": "X", "Properties": {"List": [{"Fn::Join": ["", [{"Fn::ImportValue": "deep"}]]}]}}
            },
            "Outputs": {
                "E": {"Value": {"Fn::ImportValue": "shallow"}, "Export": {"Name": "e"}},
                "Computed": {"Value": "1", "Export": {"Name": {"Fn::Sub": "${AWS::StackName}:x"}}},
            },
        }
    )
    assert desired.imports == {"deep", "shallow"}
    assert desired.exports == {"e"}


def test_deployed_resources_have_the_paths_people_know() -> None:
    template = {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "DeletionPolicy": "Retain",
                "Metadata": {"aws:cdk:path": "Notes/Table/Resource"},
            },
            "Plain": {"Type": "AWS::SNS::Topic"},
        }
    }
    found = deployed_resources(template, StackName("alice-notes"))
    assert [(resource.path, resource.policy) for resource in found] == [
        ("Notes/Table", "Retain"),
        ("alice-notes/Plain", "Delete"),
    ]
