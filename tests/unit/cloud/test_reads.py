"""What a handler looked at, whichever way it looked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from skykite_cloud.resources.reads import Recorded, plain
from skykite_cloud.snapshotfile import decode, encode

TREE = {
    "Name": None,
    "Sizes": None,
    "Rule": {"Id": None, "Filter": {"Prefix": None, "Suffix": None}},
    "Rules": {"Id": None, "Days": None},
}
GIVEN: dict[str, Any] = {
    "Name": "n",
    "Sizes": [1, 2],
    "Rule": {"Id": 1, "Filter": {"Prefix": "p", "Suffix": "s"}},
    "Rules": [{"Id": 1, "Days": 3}, {"Id": 2}],
}


def _unread(handler: Callable[[dict[str, Any]], Any]) -> list[str]:
    recorded = Recorded(GIVEN)
    kept = handler(recorded.properties)
    found = sorted({".".join(path) for path, _ in recorded.unread(TREE)})
    del kept
    return found


def test_nothing_read_is_everything_unread() -> None:
    assert _unread(lambda properties: None) == ["Name", "Rule", "Rules", "Sizes"]


def test_a_part_is_read_part_by_part() -> None:
    def handler(properties: dict[str, Any]) -> None:
        properties["Name"], properties.get("Sizes")
        properties["Rule"]["Filter"]["Prefix"]
        for rule in properties["Rules"]:
            rule["Id"]

    assert _unread(handler) == ["Rule.Filter.Suffix", "Rule.Id", "Rules.Days"]


@pytest.mark.parametrize(
    "look",
    [
        lambda part: json.dumps(part),
        lambda part: copy.deepcopy(part),
        lambda part: str(part),
        lambda part: f"{part}",
    ],
)
def test_what_is_written_out_or_copied_deeply_is_read_whole(look: Callable[[Any], Any]) -> None:
    def handler(properties: dict[str, Any]) -> None:
        properties["Name"], properties["Sizes"], look(properties["Rule"]), look(properties["Rules"])

    assert _unread(handler) == []


@pytest.mark.parametrize(
    "copied",
    [dict, lambda part: {**part}, lambda part: part.copy(), copy.copy, lambda part: part | {}, lambda part: {} | part],
)
def test_a_copy_reads_one_level(copied: Callable[[Any], dict[str, Any]]) -> None:
    def handler(properties: dict[str, Any]) -> None:
        copied(copied(properties)["Rule"])

    assert _unread(handler) == ["Rule.Filter.Prefix", "Rule.Filter.Suffix", "Rules.Days", "Rules.Id"]


def test_what_a_service_keeps_is_read_whole() -> None:
    def handler(properties: dict[str, Any]) -> Any:
        properties["Name"], properties["Sizes"]
        return {"rule": properties["Rule"], "rules": [*properties["Rules"]]}

    assert _unread(handler) == []


def test_a_comparison_reads_nothing_below() -> None:
    def handler(properties: dict[str, Any]) -> bool:
        return bool(properties["Rule"] == GIVEN["Rule"] and properties["Rules"] != [])

    assert _unread(handler) == ["Name", "Rule.Filter", "Rule.Id", "Rules.Days", "Rules.Id", "Sizes"]


def test_they_are_equal_to_plain_ones_and_saved_as_plain_ones() -> None:
    properties = Recorded(GIVEN).properties

    assert properties == GIVEN
    saved = decode(encode({"kept": properties}))["kept"]
    assert saved == GIVEN
    assert type(saved) is dict
    assert type(saved["Rules"]) is list
    assert type(plain(properties)["Rule"]["Filter"]) is dict


def test_asking_whether_a_property_is_there_is_noticed() -> None:
    recorded = Recorded(GIVEN)

    assert "Gone" not in recorded.properties
    recorded.properties.get("Other")

    assert not recorded.untouched("Gone")
    assert not recorded.untouched("Other")
    assert recorded.untouched("Name")
