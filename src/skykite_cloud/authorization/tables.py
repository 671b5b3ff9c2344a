"""DynamoDB: each table or index that a request reads or writes, and its condition keys.

A transaction is no action of IAM: each of its items is one, on its own table. A statement of PartiQL is read by
MiniStack's own parser, so that what is judged is what is executed.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

from skykite_cloud.authorization.calls import Check, Data, Lookup, Request, UnclearCallError, items, named, text
from skykite_cloud.authorization.conditions import Values

_TABLE = r"[A-Za-z0-9_.-]{1,255}"
_TRANSACTION = {"TransactGetItems", "TransactWriteItems"}
_MEMBERS = {
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_PARTIQL = {
    "SELECT": "PartiQLSelect",
    "EXISTS": "PartiQLSelect",
    "INSERT": "PartiQLInsert",
    "UPDATE": "PartiQLUpdate",
    "DELETE": "PartiQLDelete",
}
_WITHOUT_TABLE = {"ListTables", "DescribeLimits", "DescribeEndpoints", "ListBackups", "ListExports", "ListImports"}
_EQUALS = re.compile(r"([#A-Za-z0-9_.-]+)\s*=\s*(:[A-Za-z0-9_]+)")


def table_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """Raises `UnclearCallError`."""
    if operation in ("BatchGetItem", "BatchWriteItem"):
        return _batch(request, operation, data)
    if operation in _TRANSACTION:
        return _transaction(request, operation, data)
    if operation == "ExecuteStatement":
        return _statement(request, data)
    if operation == "BatchExecuteStatement":
        return [check for one in items(data, "Statements") for check in _statement(request, one)]
    if operation == "ExecuteTransaction":
        return [check for one in items(data, "TransactStatements") for check in _statement(request, one)]
    action = f"dynamodb:{operation}"
    if operation in _WITHOUT_TABLE:
        return [Check(action=action, resource="*")]
    name = text(data, "TableName")
    if not name:
        arn = text(data, "ResourceArn") or text(data, "BackupArn") or text(data, "ExportArn")
        return [Check(action=action, resource=arn or None)]
    table = named(request, name, "dynamodb", "table/", _TABLE)
    index = text(data, "IndexName")
    if index and not re.fullmatch(_TABLE, index):
        raise UnclearCallError(f"`{index}` is not the name of an index")
    resource = f"{table}/index/{index}" if index else table
    return [Check(action=action, resource=resource, lookup=_keys(table, index, [data], data))]


def stream_checks(request: Request, operation: str, data: Data) -> list[Check]:
    """DynamoDB Streams. An iterator does not say whose it is."""
    action, arn = f"dynamodb:{operation}", text(data, "StreamArn")
    if operation == "ListStreams":
        name = text(data, "TableName")
        table = named(request, name, "dynamodb", "table/", _TABLE) if name else request.arn("dynamodb", "table/*")
        return [Check(action=action, resource=f"{table}/stream/*")]
    return [Check(action=action, resource=arn or None)]


def _batch(request: Request, operation: str, data: Data) -> list[Check]:
    wanted = data.get("RequestItems")
    if not isinstance(wanted, dict):
        raise UnclearCallError("`RequestItems` is not an object")
    found = []
    for name, given in wanted.items():
        table = named(request, name, "dynamodb", "table/", _TABLE)
        if operation == "BatchGetItem":
            parts = [{"Key": key} for key in given.get("Keys") or ()] if isinstance(given, dict) else []
        else:
            parts = [part for one in given if isinstance(one, dict) for part in one.values() if isinstance(part, dict)]
        found.append(Check(action=f"dynamodb:{operation}", resource=table, lookup=_keys(table, "", parts, given)))
    return found


def _transaction(request: Request, operation: str, data: Data) -> list[Check]:
    found = []
    for item in items(data, "TransactItems"):
        for member, detail in item.items():
            if member not in _MEMBERS or not isinstance(detail, dict):
                raise UnclearCallError(f"`{member}` is no part of a transaction")
            table = named(request, text(detail, "TableName"), "dynamodb", "table/", _TABLE)
            lookup = _keys(table, "", [detail], detail, enclosing=operation)
            found.append(Check(action=f"dynamodb:{_MEMBERS[member]}", resource=table, lookup=lookup))
    return found


def _statement(request: Request, data: Data) -> list[Check]:
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    try:
        parsed = dynamodb._parse_partiql(text(data, "Statement"), data.get("Parameters") or [])
    except ValueError:
        return []  # MiniStack says what is wrong with it
    action = _PARTIQL.get(parsed["op"])
    inner = parsed["select"] if parsed["op"] == "EXISTS" else parsed
    if action is None:
        raise UnclearCallError("the statement is neither SELECT, INSERT, UPDATE nor DELETE")
    table = named(request, inner["table"], "dynamodb", "table/", _TABLE)
    index = inner.get("index")
    return [Check(action=f"dynamodb:{action}", resource=f"{table}/index/{index}" if index else table)]


def _keys(table: str, index: str, parts: list[Data], data: Any, *, enclosing: str = "") -> Lookup:
    """`parts` have a `Key`, an `Item` or an expression each; `data` says which attributes are asked for."""

    def lookup(key: str) -> Values | None:
        if key == "dynamodb:leadingkeys":
            return _leading_keys(table.rpartition("/")[2], index, parts)
        if key == "dynamodb:enclosingoperation":
            return (enclosing,) if enclosing else None
        if key in ("dynamodb:attributes", "dynamodb:select", "dynamodb:returnvalues") and isinstance(data, dict):
            attributes = _attributes(data)
            if key == "dynamodb:attributes":
                return attributes or None
            if key == "dynamodb:returnvalues":
                return (str(data.get("ReturnValues") or "NONE"),)
            return (str(data.get("Select") or ("SPECIFIC_ATTRIBUTES" if attributes else "ALL_ATTRIBUTES")),)
        return None

    return lookup


def _leading_keys(table: str, index: str, parts: list[Data]) -> Values | None:
    """The values of the partition key that a request names."""
    known = importlib.import_module("ministack.services.dynamodb")._tables.get(table) or {}
    schema = known.get("KeySchema") or []
    for one in (known.get("GlobalSecondaryIndexes") or []) if index else []:
        schema = one.get("KeySchema") or schema if one.get("IndexName") == index else schema
    name = next((part["AttributeName"] for part in schema if part.get("KeyType") == "HASH"), "")
    found = []
    for part in parts:
        item = part.get("Key") or part.get("Item")
        value = item.get(name) if isinstance(item, dict) else _queried(part, name)
        if isinstance(value, dict) and len(value) == 1:
            found.append(str(next(iter(value.values()))))
    return tuple(found) if found else None


def _queried(part: Data, name: str) -> Any:
    names, values = part.get("ExpressionAttributeNames") or {}, part.get("ExpressionAttributeValues") or {}
    for attribute, value in _EQUALS.findall(str(part.get("KeyConditionExpression") or "")):
        if names.get(attribute, attribute) == name:
            return values.get(value)
    condition = (part.get("KeyConditions") or {}).get(name)
    listed = condition.get("AttributeValueList") if isinstance(condition, dict) else None
    return listed[0] if listed else None


def _attributes(data: Mapping[str, Any]) -> Values:
    names = data.get("ExpressionAttributeNames") or {}
    asked = [part.strip() for part in str(data.get("ProjectionExpression") or "").split(",")]
    found = {str(names.get(head, head)) for part in asked if (head := re.split(r"[.\[]", part)[0])}
    found.update(one for one in data.get("AttributesToGet") or () if isinstance(one, str))
    item = data.get("Item")
    found.update(item if isinstance(item, dict) else ())
    return tuple(sorted(found))
