"""AWS's own names: what may be set on each resource type, at every depth, what must be, and what Fn::GetAtt gives.

`schemas.json` is made from the published CloudFormation schemas by `tests/kit/resource_schemas.py`, for the types that
the pinned MiniStack has. I/O: reads that file once, when the first resource is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError

Tree = Mapping[str, Any]  # names, each with the tree below it, or None where anything may stand

# What these take is for their own to say: a function, a nested template, a signal.
_FREE = frozenset({"AWS::CDK::Metadata", "AWS::CloudFormation::CustomResource"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One type."""

    properties: Tree
    required: tuple[str, ...]
    attributes: frozenset[str]


def schema_of(type_name: str) -> Schema | None:
    """`None` for a type whose properties are free, or that AWS has not published."""
    found = _table().get(type_name)
    if found is None or type_name in _FREE:
        return None
    return Schema(
        properties=found["properties"],
        required=tuple(found["required"]),
        attributes=frozenset(found["attributes"]),
    )


def check_names(schema: Schema, logical_id: str, properties: Properties, required: tuple[str, ...] = ()) -> None:
    """Raises `PropertyError` in AWS's words for a property that the type does not have, or that it lacks."""
    for name in properties:
        if name not in schema.properties:
            raise PropertyError(f"Encountered unsupported property {name}")
    failed = f"Properties validation failed for resource {logical_id} with message: #"
    for name in (*schema.required, *required):
        if name not in properties:
            raise PropertyError(f"{failed}: required key [{name}] not found")
    for path, name in _extraneous(schema.properties, properties):
        raise PropertyError(f"{failed}{path}: extraneous key [{name}] is not permitted")


def _extraneous(tree: Tree | None, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if tree is None:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _extraneous(tree, item, f"{path}/{index}")
    elif isinstance(value, dict):
        for name, below in value.items():
            if name not in tree:
                yield path, name
            else:
                yield from _extraneous(tree[name], below, f"{path}/{name}")


@cache
def _table() -> dict[str, Any]:
    text = files("skykite_cloud.resources").joinpath("schemas.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
