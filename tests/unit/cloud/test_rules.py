"""What AWS has, and our list of what has its effect, against the published CloudFormation schemas."""

from __future__ import annotations

import pytest

from kit.resource_schemas import TABLE, table
from skykite_cloud.resources.rules import PropertyError
from skykite_cloud.resources.schemas import check_names, schema_of
from skykite_cloud.resources.types import rules_by_type


def test_the_table_of_names_is_made_from_the_published_schemas() -> None:
    text = TABLE.read_text(encoding="utf-8")

    assert text == table(line.split('"')[1] for line in text.splitlines() if line.startswith('"'))


@pytest.mark.parametrize("type_name", sorted(rules_by_type()))
def test_what_has_its_effect_exists_on_aws(type_name: str) -> None:
    schema, rules = schema_of(type_name), rules_by_type()[type_name]

    assert schema is not None
    assert set(schema.properties) >= (rules.consumed or set())
    assert rules.consumed is None or rules.consumed >= {*schema.required, *rules.required}


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Colour": "red"}, "Encountered unsupported property Colour"),
        (
            {},
            "Properties validation failed for resource Mapping with message: #: required key [FunctionName] not found",
        ),
        (
            {"FunctionName": "f", "FilterCriteria": {"Filters": [{"Pattern": "{}"}, {"Patern": "{}"}]}},
            (
                "Properties validation failed for resource Mapping with message: #/FilterCriteria/Filters/1: "
                "extraneous key [Patern] is not permitted"
            ),
        ),
        ({"FunctionName": "f", "Id": "x"}, "Encountered unsupported property Id"),
    ],
)
def test_a_name_that_aws_does_not_have_is_refused_at_any_depth(properties: dict[str, object], reason: str) -> None:
    schema = schema_of("AWS::Lambda::EventSourceMapping")
    assert schema is not None

    with pytest.raises(PropertyError) as refused:
        check_names(schema, "Mapping", properties)

    assert str(refused.value) == reason


def test_what_a_property_leaves_to_the_user_is_not_looked_into() -> None:
    schema = schema_of("AWS::Lambda::Function")
    assert schema is not None

    check_names(schema, "F", {"Code": {}, "Role": "r", "Environment": {"Variables": {"anything": "goes"}}})
