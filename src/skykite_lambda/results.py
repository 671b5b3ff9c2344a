"""A handler's return value as the JSON text that Lambda would send. Pure.

Lambda's runtime encodes with simplejson, so more than the standard library's JSON goes through: `Decimal` as a number,
named tuples as objects, bytes as text. From Python 3.12 on text is not escaped to ASCII.
"""

from __future__ import annotations

import decimal
import json
import math
import os
import re
from typing import Any, Dict, List, Optional, Set, Tuple

_PLAIN = frozenset({str, int, float, bool, type(None)})
_DEEPEST = 100  # levels that are searched for what JSON cannot hold
_KEYS = (str, int, float, type(None))


class ResultEncoder:
    """`encode` for one Python version's runtime, named as in AWS_EXECUTION_ENV."""

    def __init__(self, execution_environment: str) -> None:
        version = re.match(r"AWS_Lambda_python3\.(\d+)$", execution_environment)
        self._ascii = version is None or int(version.group(1)) < 12
        self._encode = json.JSONEncoder(ensure_ascii=self._ascii).encode

    def encode(self, value: object) -> bytes:
        """Raises TypeError, ValueError, RecursionError or UnicodeError for what JSON cannot hold."""
        if isinstance(value, bytes):
            return value
        if _is_plain(value):
            return self._encode(value).encode()
        return self._encode_unusual(value)

    def _encode_unusual(self, value: object) -> bytes:
        # The C encoder cannot emit a number it is given as text: decimals go through as marked strings, and the
        # marks are taken off afterwards. The mark is random, so that no text of the user's looks like one.
        mark = "decimal-" + os.urandom(16).hex() + ":"

        def default(item: object) -> object:
            if isinstance(item, decimal.Decimal):
                return math.nan if item.is_nan() else mark + str(item)
            raise TypeError(f"Object of type {type(item).__name__} is not JSON serializable")

        text = json.dumps(_as_simplejson_sees(value, []), ensure_ascii=self._ascii, default=default)
        return re.sub(f'"{mark}([^"]*)"', r"\1", text).encode()


def unserializable_hint(value: object) -> Optional[str]:
    """Where in `value` is what JSON cannot hold, and what to do about it. Never raises."""
    try:
        found = _first_unserializable(value)
    except Exception:  # noqa: BLE001  (objects of the user's may do anything; then there is just no hint)
        return None
    if found is None:
        return None
    path, kind, remedy = found
    where = f"`{path}` of what the handler returns" if path else "what the handler returns"
    return f"{where} {kind}: {remedy}"


def _first_unserializable(value: Any) -> Optional[Tuple[str, str, str]]:
    """Path, what is wrong with it, remedy; in the order in which a reader would look."""
    todo: List[Tuple[str, Any, Tuple[int, ...]]] = [("", value, ())]
    while todo:
        path, item, parents = todo.pop()
        if len(parents) > _DEEPEST:
            return None  # the message says that it is nested too deeply; its place would be no help
        if isinstance(item, (str, int, float, decimal.Decimal)) or item is None:
            continue
        if isinstance(item, bytes):
            try:
                item.decode()
            except UnicodeDecodeError:
                return path, "is `bytes` that are no text", "use `base64.b64encode(...).decode()`"
            continue
        fields = getattr(item, "_asdict", None)
        if not isinstance(item, (dict, list)) and callable(fields):
            item = fields()
        if not isinstance(item, (dict, list, tuple)):
            return path, f"is a `{type(item).__name__}`", _remedy(item)
        if id(item) in parents:
            return path, "holds itself", "return a copy without the circle"
        inside = (*parents, id(item))
        children: List[Tuple[str, Any, Tuple[int, ...]]] = []
        if isinstance(item, dict):
            for key, child in item.items():
                if not isinstance(key, (*_KEYS, bytes)):
                    return path, f"has a `{type(key).__name__}` as a key", "keys have to be texts or numbers"
                name = key.decode() if isinstance(key, bytes) else str(key)
                children.append((f"{path}.{name}" if path else name, child, inside))
        else:
            children = [(f"{path}[{index}]", child, inside) for index, child in enumerate(item)]
        todo.extend(reversed(children))
    return None


def _remedy(item: object) -> str:
    if isinstance(item, (set, frozenset)):
        return "use `list(...)` or `sorted(...)`"
    if callable(getattr(item, "isoformat", None)):
        return "use `.isoformat()`"
    return "JSON holds dicts, lists, texts, numbers, booleans and None"


def _is_plain(value: object) -> bool:
    """Whether the standard library's encoder does the same as Lambda's with `value`."""
    todo = [value]
    seen: Set[int] = set()
    patience = 1000  # containers; only then look for one that holds itself: `id` is an audit event, and those are slow
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind in _PLAIN:
            continue
        if kind is not dict and kind is not list and kind is not tuple:
            return False
        patience -= 1
        if patience < 0:
            if id(item) in seen:
                continue
            seen.add(id(item))
        if isinstance(item, dict):
            if not _PLAIN.issuperset(map(type, item)):
                return False
            todo.extend(item.values())
        elif isinstance(item, (list, tuple)):
            todo.extend(item)
    return True


def _as_simplejson_sees(value: Any, parents: List[int]) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, int, float)) or value is None:
        return value
    as_dict = getattr(value, "_asdict", None)
    if not isinstance(value, (dict, list, tuple)) and not (as_dict is not None and callable(as_dict)):
        return value
    if id(value) in parents:
        raise ValueError("Circular reference detected")
    parents.append(id(value))
    try:
        if isinstance(value, dict):
            converted: Dict[Any, Any] = {}
            for key, item in value.items():
                name = key.decode() if isinstance(key, bytes) else key
                if not isinstance(name, _KEYS):
                    raise TypeError(f"keys must be str, int, float, bool or None, not {type(name).__name__}")
                converted[name] = _as_simplejson_sees(item, parents)
            return converted
        if isinstance(value, list):
            return [_as_simplejson_sees(item, parents) for item in value]
        if as_dict is not None and callable(as_dict):
            return _as_simplejson_sees(as_dict(), parents)
        return [_as_simplejson_sees(item, parents) for item in value]
    finally:
        parents.pop()
