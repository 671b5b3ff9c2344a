"""How a change set reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skykite.aws import Change, ChangeDetail
from skykite.deploy.consent import compares_with_deployed, describe_changes
from skykite.deploy.templates import StackPaths, desired_stack
from skykite.model.events import ResourceChange
from skykite.model.manifest import StackEntry
from skykite.model.names import AppName, ConstructPath, StackName, StageName

DIRECT = ChangeDetail(attribute="Properties", name="Environment", recreation="Never", source="DirectModification")
REFERENCE = ChangeDetail(attribute="Properties", name="Target", recreation="Never", source="ResourceAttribute")
TABLE_KEY = ChangeDetail(attribute="Properties", name="TableName", recreation="Always", source="ResourceReference")


def modified(logical_id: str, type: str, *details: ChangeDetail, replacement: str = "False") -> Change:
    return Change(
        action="Modify",
        logical_id=logical_id,
        physical_id="p",
        type=type,
        replacement=replacement,
        policy_action="",
        details=details,
    )


def function(**variables: object) -> dict[str, Any]:
    return {
        "Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Variables": variables}}}}
    }


def describe(change: Change, *, deployed: dict[str, Any], desired: dict[str, Any]) -> ResourceChange:
    entry = StackEntry(
        name=StackName("alice-notes-Notes"),
        path=ConstructPath("Notes"),
        template="t.json",
        dependencies=(),
        assets=(),
        resources=(),
    )
    stack = desired_stack(entry, json.dumps(desired).encode(), app=AppName("notes"), stage=StageName("alice"))
    (described,) = describe_changes([change], stack, paths=stack.paths, deployed=deployed)
    return described


def test_changed_environment_variables_are_named_and_their_values_are_not() -> None:
    change = modified("F", "AWS::Lambda::Function", DIRECT)
    assert compares_with_deployed([change])
    described = describe(
        change,
        deployed=function(GREETING="secret", OLD="1", SAME="1", REFERS={"Ref": "T"}),
        desired=function(GREETING="other", NEW="1", SAME="1", REFERS={"Ref": "T"}),
    )
    assert described.environment == ("GREETING", "NEW", "OLD")
    assert "secret" not in repr(described)


def test_a_function_without_an_environment_before_gains_all_its_variables() -> None:
    described = describe(
        modified("F", "AWS::Lambda::Function", DIRECT),
        deployed={"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {}}}},
        desired=function(NEW="1"),
    )
    assert described.environment == ("NEW",)


@pytest.mark.parametrize(
    ("change", "consequence"),
    [
        (modified("R", "AWS::ApiGatewayV2::Route", REFERENCE), True),
        (modified("R", "AWS::ApiGatewayV2::Route", REFERENCE, DIRECT), False),
        (modified("R", "AWS::ApiGatewayV2::Route"), False),
        (modified("R", "AWS::ApiGatewayV2::Route", REFERENCE, replacement="True"), False),
        (modified("R", "AWS::DynamoDB::Table", TABLE_KEY, replacement="Conditional"), False),  # may lose data
    ],
)
def test_what_only_refers_to_a_change_is_a_consequence(change: Change, consequence: bool) -> None:
    assert describe(change, deployed={}, desired={"Resources": {}}).consequence is consequence
    assert not compares_with_deployed([change]) or change.type == "AWS::Lambda::Function"


def test_former_paths_come_from_what_cdk_noted_and_never_win_over_present_ones() -> None:
    deployed = {
        "Resources": {
            "Gone": {"Metadata": {"aws:cdk:path": "Notes/Gone/Resource"}},
            "Moved": {"Metadata": {"aws:cdk:path": "Notes/Before/Resource"}},
            "Bare": {},
        }
    }
    present = StackPaths(root=ConstructPath("Notes"), paths={"Moved": ConstructPath("Notes/Now")})  # type: ignore[dict-item]
    paths = present.with_former(deployed)
    assert [paths.of(name) for name in ("Gone", "Moved", "Bare")] == ["Notes/Gone", "Notes/Now", "Notes/Bare"]
