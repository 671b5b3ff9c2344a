"""Templates: what refers to what."""

from __future__ import annotations

from typing import Any

import pytest

from skykite_cloud.templates import with_references_named


def _template(value: Any) -> dict[str, Any]:
    resources = {name: {"Type": "AWS::SQS::Queue"} for name in ("One", "Two")}
    return {"Resources": {**resources, "Mapping": {"Properties": {"EventSourceArn": value}}}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Fn::GetAtt": ["One", "Arn"]}, {"Fn::GetAtt": ["Two", "Arn"]}),
        ({"Fn::GetAtt": "One.Arn"}, {"Fn::GetAtt": "One.QueueUrl"}),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["One", "Arn"]}]]}, {"Fn::Join": ["", [{"Fn::GetAtt": ["Two", "Arn"]}]]}),
    ],
)
def test_attributes_of_other_resources_are_other_values(one: Any, other: Any) -> None:
    assert with_references_named(_template(one)) != with_references_named(_template(other))


def test_the_two_spellings_of_an_attribute_are_one() -> None:
    short, long = {"Fn::GetAtt": "One.Arn"}, {"Fn::GetAtt": ["One", "Arn"]}

    assert with_references_named(_template(short)) == with_references_named(_template(long))


def test_what_is_no_template_is_left_alone() -> None:
    assert with_references_named({}) == {"Resources": {}}
    assert with_references_named(_template({"Fn::GetAtt": ["Gone", "Arn"]})) == _template(
        {"Fn::GetAtt": ["Gone", "Arn"]}
    )
