"""Why a deploy failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from skykite.aws import StackEvent
from skykite.deploy.failure import causes, hint_for, readable
from skykite.deploy.templates import StackPaths
from skykite.model.names import ConstructPath, LogicalId

PATHS = StackPaths(
    root=ConstructPath("Notes"),
    paths={LogicalId("Table1"): ConstructPath("Notes/Table"), LogicalId("Api2"): ConstructPath("Notes/Api")},
)


def event(seconds: float, logical_id: str, status: str, reason: str = "", *, stack: bool = False) -> StackEvent:
    return StackEvent(
        id=str(seconds),
        stack_id="id",
        stack="alice-Notes",
        logical_id=logical_id,
        physical_id="id" if stack else "physical",
        type="AWS::CloudFormation::Stack" if stack else "AWS::X::Y",
        status=status,
        reason=reason,
        at=datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=seconds),
        token="t",
    )


def test_the_earliest_real_cause_is_on_top_and_cancellations_are_left_out() -> None:
    found = causes(
        [
            event(1, "Notes", "CREATE_IN_PROGRESS", "User Initiated", stack=True),
            event(3, "Api2", "CREATE_FAILED", "second. "),
            event(2, "Table1", "CREATE_FAILED", "first (Service: DynamoDb, Status Code: 400, Request ID: 1-2)"),
            event(2.5, "Other", "CREATE_FAILED", "Resource creation cancelled"),
            event(
                4, "Notes", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Table1].", stack=True
            ),
            event(5, "Table1", "DELETE_FAILED", "later"),
        ],
        PATHS,
    )
    assert [str(cause) for cause in found] == [
        "`Notes/Table` (AWS::X::Y) could not be created: first",
        "`Notes/Api` (AWS::X::Y) could not be created: second",
    ]


def test_the_stacks_own_complaint_is_the_cause_if_no_resource_is_blamed() -> None:
    found = causes([event(1, "Notes", "UPDATE_ROLLBACK_IN_PROGRESS", "Transform failed", stack=True)], PATHS)
    assert [str(cause) for cause in found] == ["`Notes` (AWS::CloudFormation::Stack) failed: Transform failed"]


def test_no_reason_at_all_is_no_cause() -> None:
    assert causes([event(1, "Table1", "CREATE_FAILED")], PATHS) == ()


def test_logical_ids_become_construct_paths_only_if_all_are_known() -> None:
    assert readable("failed to create: [Table1, Api2].", PATHS) == "failed to create: `Notes/Table`, `Notes/Api`"
    assert readable("Unresolved [Table1, Nothing]", PATHS) == "Unresolved [Table1, Nothing]"


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("my-table already exists", "something of that name exists"),
        ("The requested bucket name my-bucket is not available", "bucket names are shared"),
        ("User: arn:aws:iam::1:user/a is not authorized to perform: dynamodb:CreateTable", "allow that action"),
        ("The role defined for the function cannot be assumed by Lambda.", "trust policy"),
        ("Limit exceeded: LimitExceededException", "quota"),
        ("Export A:B cannot be deleted as it is in use by C", "another stack still uses"),
        ("Unzipped size must be smaller than 262144000 bytes", "make the function's code"),
        ("The bucket you tried to delete is not empty", "empty the bucket"),
        ("No export named X found", "the stack that exports it"),
    ],
)
def test_common_reasons_have_a_hint(reason: str, hint: str) -> None:
    assert hint in (hint_for(reason) or "")


def test_an_unknown_reason_has_none() -> None:
    assert hint_for("The moon is in the wrong phase") is None
