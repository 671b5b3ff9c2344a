"""Which changes lose data."""

from __future__ import annotations

from typing import Any

import pytest

from skykite.aws import Change, ChangeDetail
from skykite.deploy.stateful import loses_data, needs_deployed_template


def change(action: Any, type: str, *, replacement: str = "", policy: str = "", **details: str) -> Change:
    return Change(
        action=action,
        logical_id="R",
        physical_id="p",
        type=type,
        replacement=replacement,
        policy_action=policy,
        details=tuple(ChangeDetail(attribute="Properties", name=name, recreation=how) for name, how in details.items()),
    )


def with_attributes(**attributes: str) -> dict[str, Any]:
    definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()]
    return {"Resources": {"R": {"Type": "AWS::DynamoDB::Table", "Properties": {"AttributeDefinitions": definitions}}}}


TABLE = "AWS::DynamoDB::Table"


@pytest.mark.parametrize(
    ("found", "loses"),
    [
        (change("Add", TABLE), False),
        (change("Remove", TABLE, policy="Delete"), True),
        (change("Remove", TABLE), True),
        (change("Remove", TABLE, policy="Snapshot"), True),
        (change("Remove", TABLE, policy="Retain"), False),
        (change("Remove", "AWS::SNS::Topic", policy="Delete"), False),
        (change("Modify", TABLE, replacement="True", TableName="Always"), True),
        (change("Modify", TABLE, replacement="True", policy="ReplaceAndRetain", TableName="Always"), False),
        (change("Modify", TABLE, replacement="False", Tags="Never"), False),
        (change("Modify", TABLE, replacement="Conditional", KeySchema="Conditionally"), True),
        (change("Modify", "AWS::S3::Bucket", replacement="Conditional", Tags="Conditionally"), False),
        (change("Modify", "AWS::S3::Bucket", replacement="Conditional", BucketName="Conditionally"), True),
        (change("Modify", "AWS::Kinesis::Stream", replacement="Conditional", Anything="Always"), True),
        (change("Modify", "AWS::Lambda::Function", replacement="True", FunctionName="Always"), False),
    ],
)
def test_replacing_or_deleting_what_holds_data_loses_it_unless_a_policy_keeps_it(found: Change, loses: bool) -> None:
    assert loses_data(found, deployed=None, desired={}) is loses


def test_attributes_may_be_added_to_a_table_but_not_change_their_type() -> None:
    found = change("Modify", TABLE, replacement="Conditional", AttributeDefinitions="Conditionally")
    assert needs_deployed_template([found])
    before = with_attributes(id="S")
    assert not loses_data(found, deployed=before, desired=with_attributes(id="S", owner="S"))
    assert loses_data(found, deployed=before, desired=with_attributes(id="N"))


def test_a_replace_policy_in_the_new_template_keeps_the_data() -> None:
    found = change("Modify", TABLE, replacement="Conditional", KeySchema="Conditionally")
    desired = {"Resources": {"R": {"Type": TABLE, "UpdateReplacePolicy": "Retain"}}}
    assert not loses_data(found, deployed=None, desired=desired)
