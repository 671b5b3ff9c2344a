"""Our list of resource properties against the published CloudFormation schemas, as cfn-lint brings them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from skykite_cloud.resources.types import rules_by_type

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"


def _schema(type_name: str) -> dict[str, Any]:
    by_type = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    schema: dict[str, Any] = json.loads((SCHEMAS / "resources" / f"{by_type[type_name]}.json").read_text())
    return schema


@pytest.mark.parametrize("type_name", sorted(rules_by_type()))
def test_every_property_of_the_type_is_consumed_or_refused(type_name: str) -> None:
    schema = _schema(type_name)
    read_only = {path.split("/")[2] for path in schema.get("readOnlyProperties", []) if path.count("/") == 2}

    rules = rules_by_type()[type_name]

    assert rules.consumed.isdisjoint(rules.refused)
    assert set(schema["properties"]) - read_only - rules.consumed - rules.refused == set()


@pytest.mark.parametrize("type_name", sorted(rules_by_type()))
def test_what_is_required_is_known(type_name: str) -> None:
    rules = rules_by_type()[type_name]

    assert set(rules.required) <= rules.consumed
    assert set(_schema(type_name).get("required", [])) <= set(rules.required)
