"""From a `Table`'s props to CDK's table: its keys and indexes, checked as DynamoDB checks them.

In: the props, and the scope of the table. Out: an `aws_dynamodb.Table`, or a PropProblem. I/O: none but to the CDK
kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from aws_cdk import aws_dynamodb as dynamodb

from skykite.constructs.props import (
    GlobalIndex,
    LocalIndex,
    PrimaryIndex,
    PropProblem,
    check_choice,
    check_known,
    check_strings,
    check_type,
    listed,
    shown,
)
from skykite.constructs.removal import removal_policy
from skykite.model.synthesis import Synthesis

if TYPE_CHECKING:
    from constructs import Construct

_TYPES: Final = {
    "string": dynamodb.AttributeType.STRING,
    "number": dynamodb.AttributeType.NUMBER,
    "binary": dynamodb.AttributeType.BINARY,
}
_STREAMS: Final = {
    "new-image": dynamodb.StreamViewType.NEW_IMAGE,
    "old-image": dynamodb.StreamViewType.OLD_IMAGE,
    "new-and-old-images": dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
    "keys-only": dynamodb.StreamViewType.KEYS_ONLY,
}
_LOCAL_LIMIT: Final = 5
_GLOBAL_LIMIT: Final = 20


def make_table(scope: Construct, given: Mapping[str, Any], synthesis: Synthesis) -> dynamodb.Table:
    """Raises PropProblem."""
    fields = given.get("fields", {})
    check_type("fields", fields, Mapping, 'a dict such as {"id": "string"}')
    for name, kind in fields.items():
        check_choice(f'fields["{name}"]', kind, tuple(_TYPES))
    used: set[str] = set()
    primary = given.get("primary_index")
    if primary is None:
        raise PropProblem(
            "table-key", "has no primary_index", hint='add primary_index={"partition_key": "id"} and the field `id`'
        )
    partition, sort = _keys("primary_index", primary, tuple(PrimaryIndex.__annotations__), fields, used)
    global_indexes = _indexes("global_indexes", given.get("global_indexes", {}), _GLOBAL_LIMIT)
    local_indexes = _indexes("local_indexes", given.get("local_indexes", {}), _LOCAL_LIMIT)
    for name in global_indexes.keys() & local_indexes.keys():
        raise PropProblem("table-index", f"has a global and a local index named `{name}`", hint="rename one of them")
    if local_indexes and sort is None:
        raise PropProblem(
            "table-index",
            "has local_indexes but no sort key",
            hint="DynamoDB allows local indexes only where primary_index has a sort_key",
        )
    time_to_live = given.get("time_to_live")
    if time_to_live is not None:
        check_type("time_to_live", time_to_live, str, "the name of an attribute")
        if fields.get(time_to_live, "number") != "number":
            raise PropProblem(
                "table-field",
                f"has time_to_live=`{time_to_live}`, which `fields` calls a {fields[time_to_live]}",
                hint="DynamoDB expires items by a number, seconds since 1970",
            )
    table = dynamodb.Table(
        scope,
        "Resource",
        partition_key=_attribute(partition, fields),
        sort_key=_attribute(sort, fields) if sort is not None else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        time_to_live_attribute=time_to_live,
        stream=_stream(given.get("stream"), consumed=bool(given.get("consumers"))),
        removal_policy=removal_policy(given.get("removal_policy"), synthesis),
    )
    for name, index in global_indexes.items():
        where = f'global_indexes["{name}"]'
        index_partition, index_sort = _keys(where, index, tuple(GlobalIndex.__annotations__), fields, used)
        table.add_global_secondary_index(
            index_name=name,
            partition_key=_attribute(index_partition, fields),
            sort_key=_attribute(index_sort, fields) if index_sort is not None else None,
            **_projection(where, index),
        )
    for name, index in local_indexes.items():
        where = f'local_indexes["{name}"]'
        check_known(index, tuple(LocalIndex.__annotations__), within=where)
        if index.get("sort_key") is None:
            raise PropProblem("table-key", f"has no `sort_key` in {where}")
        table.add_local_secondary_index(
            index_name=name,
            sort_key=_attribute(_key(where, "sort_key", index["sort_key"], fields, used), fields),
            **_projection(where, index),
        )
    for name in fields:
        if name not in used and name != time_to_live:
            raise PropProblem(
                "table-field",
                f"has the field `{name}`, which no index uses",
                hint="leave it out: DynamoDB wants to know only the attributes that are keys",
            )
    return table


def _keys(
    where: str, index: object, known: tuple[str, ...], fields: Mapping[str, str], used: set[str]
) -> tuple[str, str | None]:
    check_type(where, index, Mapping, 'a dict such as {"partition_key": "id"}')
    data = cast("Mapping[str, Any]", index)
    check_known(data, known, within=where)
    if data.get("partition_key") is None:
        raise PropProblem("table-key", f"has no `partition_key` in {where}")
    partition = _key(where, "partition_key", data["partition_key"], fields, used)
    sort = data.get("sort_key")
    if sort is None:
        return partition, None
    if sort == partition:
        raise PropProblem("table-key", f"uses `{sort}` for both keys in {where}")
    return partition, _key(where, "sort_key", sort, fields, used)


def _key(where: str, role: str, name: object, fields: Mapping[str, str], used: set[str]) -> str:
    if not isinstance(name, str) or name not in fields:
        raise PropProblem(
            "table-field",
            f"has {role}={shown(name)} in {where}, which `fields` does not name",
            hint=f'add "{name}": "string" to fields' if not fields else f"the fields are {listed(tuple(fields))}",
        )
    used.add(name)
    return name


def _attribute(name: str, fields: Mapping[str, str]) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=_TYPES[fields[name]])


def _indexes(prop: str, given: object, limit: int) -> Mapping[str, Mapping[str, Any]]:
    check_type(prop, given, Mapping, "a dict of index names to indexes")
    indexes = cast("Mapping[str, Mapping[str, Any]]", given)
    for name, index in indexes.items():
        check_type(f'{prop}["{name}"]', index, Mapping, "a dict")
    if len(indexes) > limit:
        raise PropProblem("table-index", f"has {len(indexes)} {prop}", hint=f"DynamoDB takes {limit}")
    return indexes


def _projection(where: str, index: Mapping[str, Any]) -> dict[str, Any]:
    projection = index.get("projection", "all")
    if projection == "all":
        return {"projection_type": dynamodb.ProjectionType.ALL}
    if projection == "keys_only":
        return {"projection_type": dynamodb.ProjectionType.KEYS_ONLY}
    names = check_strings(f"projection in {where}", projection, 'a list of attributes, "all" or "keys_only"')
    return {"projection_type": dynamodb.ProjectionType.INCLUDE, "non_key_attributes": list(names)}


def _stream(given: object, *, consumed: bool) -> Any:
    if given is None:
        given = consumed
    if given is False:
        if consumed:
            raise PropProblem(
                "prop-contradiction",
                "has consumers and stream=`False`",
                hint="leave `stream` out: consumers turn it on",
            )
        return None
    if given is True:
        return dynamodb.StreamViewType.NEW_AND_OLD_IMAGES
    check_choice("stream", given, tuple(_STREAMS))
    return _STREAMS[str(given)]
