"""The table of AWS's own property names per resource type, made from the published CloudFormation schemas.

`PYTHONPATH=src:tests python -m kit.resource_schemas [type …]` writes it anew from the schemas that cfn-lint brings, for
the types that are in it and those that are named. Names only: what may be set, at every depth, what is required, and
what Fn::GetAtt gives. I/O: those schemas, and that one file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cfnlint

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"
TABLE = Path(__file__).parents[2] / "src" / "skykite_cloud" / "resources" / "schemas.json"


def available() -> set[str]:
    """Every type that AWS has published."""
    found: dict[str, str] = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    return set(found)


def published_schema(type_name: str) -> dict[str, Any]:
    by_type = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    schema: dict[str, Any] = json.loads((SCHEMAS / "resources" / f"{by_type[type_name]}.json").read_text())
    return schema


def compact(schema: dict[str, Any]) -> dict[str, Any]:
    """`properties` is a tree of names, null where anything may stand; lists are left out of the paths."""
    read_only = schema.get("readOnlyProperties", [])
    properties = _tree(schema, schema, ())
    for path in read_only:
        _drop(properties, path.split("/")[2:])
    return {
        "properties": properties,
        "required": schema.get("required", []),
        "attributes": [".".join(part for part in path.split("/")[2:] if part != "*") for path in read_only],
    }


def table(type_names: Iterable[str]) -> str:
    """One type a line, so that a change is read line by line."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(compact(published_schema(name)), separators=(',', ':'), sort_keys=True)}"
        for name in sorted(type_names)
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _tree(schema: dict[str, Any], node: dict[str, Any], seen: tuple[str, ...]) -> dict[str, Any] | None:
    reference = node.get("$ref")
    if reference is not None:
        if reference in seen:
            return None
        found: Any = schema
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return _tree(schema, found, (*seen, reference))
    if "items" in node:
        return _tree(schema, node["items"], seen)
    if "patternProperties" in node or node.get("additionalProperties") is True:
        return None
    merged: dict[str, Any] = {}
    if "properties" in node:
        merged = {name: _tree(schema, one, seen) for name, one in node["properties"].items()}
    for kind in ("oneOf", "anyOf", "allOf"):
        for alternative in node.get(kind, ()):
            for name, one in (_tree(schema, alternative, seen) or {}).items():
                merged.setdefault(name, one)
    return merged or None


def _drop(tree: dict[str, Any] | None, path: list[str]) -> None:
    path = [part for part in path if part != "*"]
    if tree is None or not path or path[0] not in tree:
        return
    if len(path) == 1:
        del tree[path[0]]
    else:
        _drop(tree[path[0]], path[1:])


if __name__ == "__main__":
    known = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    TABLE.write_text(table({*known, *sys.argv[1:]}))
