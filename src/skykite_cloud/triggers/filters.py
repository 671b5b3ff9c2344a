"""Which records of a source a mapping wants: Lambda's filter criteria, by EventBridge's pattern language.

Patterns are matched with MiniStack's EventBridge. Pure otherwise.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

_ABSENT = object()


class Filters:
    """The criteria of one mapping. A record passes if it matches any of them, or if there are none."""

    def __init__(self, criteria: Mapping[str, Any] | None) -> None:
        self._patterns = [
            pattern
            for one in (criteria or {}).get("Filters") or ()
            if isinstance(pattern := one.get("Pattern"), str) and pattern.strip() not in ("", "{}")
        ]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def wants(self, record: Mapping[str, Any], data_key: str | None = None, data: str = "") -> bool:
        """`data` is the text under `data_key` that a pattern may look into: a message's body, a record's data."""
        return not self._patterns or any(_matches(one, record, data_key, data) for one in self._patterns)


def pattern_error(pattern: str) -> str | None:
    """Why Lambda would refuse this pattern."""
    if pattern.strip() in ("", "{}"):
        return None
    reason = _eventbridge()._parse_pattern_text(pattern)[1]
    return None if reason is None else str(reason)


def _matches(pattern: str, record: Mapping[str, Any], data_key: str | None, data: str) -> bool:
    eventbridge = _eventbridge()
    alternatives = eventbridge._compiled_pattern(pattern)
    if alternatives is None:
        return False
    seen = dict(record)
    if data_key is not None:
        value = _value(alternatives, data_key, data)
        seen.pop(data_key, None)
        if value is not _ABSENT:
            seen[data_key] = value
    return any(eventbridge._matches_detail(seen, alternative) for alternative in alternatives)


def _value(alternatives: list[Any], data_key: str, data: str) -> Any:
    """Text and JSON are different kinds: what asks for one gets nothing of the other."""
    try:
        parsed: Any = json.loads(data)
    except ValueError:
        parsed = _ABSENT
    asks_inside = any(isinstance(one.get(data_key), dict) for one in alternatives)
    if isinstance(parsed, dict | list):
        return parsed if asks_inside else _ABSENT
    return _ABSENT if asks_inside else data


def _eventbridge() -> Any:
    return importlib.import_module("ministack.services.eventbridge")
