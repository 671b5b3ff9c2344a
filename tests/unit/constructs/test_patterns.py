"""Patterns that pick events: what AWS takes is taken, what it would refuse or never match is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skykite.constructs.patterns import read_event_pattern, read_filter_policy, read_filters
from skykite.constructs.props import PropProblem

GOOD: list[dict[str, Any]] = [
    {"source": ["shop"]},
    {"source": ["shop", {"prefix": "aws."}], "detail": {"a": {"b": [1, 2.5, None, True, "x"]}}},
    {"detail": {"n": [{"numeric": [">", 0, "<=", 5]}], "x": [{"exists": False}], "y": [{"anything-but": ["a", "b"]}]}},
    {"detail": {"z": [{"anything-but": {"prefix": "a"}}, {"suffix": {"equals-ignore-case": ".PNG"}}]}},
    {"detail": {"ip": [{"cidr": "10.0.0.0/24"}], "path": [{"wildcard": "a/*/b"}]}},
    {"$or": [{"source": ["a"]}, {"detail": {"b": ["c"]}}]},
    {"detail": {"$or": [{"a": ["b"]}, {"c": [{"exists": True}]}]}},
    {"detail": {"prefix": ["a"], "exists": {"numeric": ["b"]}}},  # fields may be called like comparisons
]
WRONG: list[dict[str, Any]] = [
    {},
    {"source": "shop"},
    {"source": []},
    {"source": [["shop"]]},
    {"source": [{}]},
    {"source": [{"prefix": "a", "suffix": "b"}]},
    {"source": [{"begins": "a"}]},
    {"source": {"prefix": "a"}},
    {"source": [{"prefix": 5}]},
    {"detail": {}},
    {"detail": {"a": [{"exists": "yes"}]}},
    {"detail": {"a": [{"numeric": [">"]}]}},
    {"detail": {"a": [{"numeric": ["over", 5]}]}},
    {"detail": {"a": [{"numeric": [">", "5"]}]}},
    {"detail": {"a": [{"numeric": ">5"}]}},
    {"detail": {"a": [{"anything-but": []}]}},
    {"detail": {"a": [{"cidr": 10}]}},
    {"detail": {"a": [10**13]}},
    {"detail": {"a": 5}},
    {"detail": {5: ["a"]}},
    {"$or": [{"source": ["a"]}]},
    {"$or": {"source": ["a"]}},
    {"$or": ["a", "b"]},
    {"sources": ["a"]},
]


@pytest.mark.parametrize("pattern", GOOD, ids=str)
def test_patterns_of_eventbridge_pass_as_they_are(pattern: dict[str, Any]) -> None:
    assert read_event_pattern("pattern", pattern) == pattern


@pytest.mark.parametrize("pattern", WRONG, ids=str)
def test_patterns_that_match_nothing_or_fail_the_deploy_are_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(PropProblem) as raised:
        read_event_pattern("pattern", pattern)
    assert raised.value.code in ("pattern-invalid", "prop-unknown", "prop-type")
    assert "pattern" in str(raised.value)


def test_detail_type_may_have_an_underscore() -> None:
    assert read_event_pattern("pattern", {"detail_type": ["Placed"]}) == {"detail-type": ["Placed"]}


def test_filters_are_json_in_json() -> None:
    filters = read_filters("filters", [{"body": {"kind": ["placed"]}}, {"body": ["ping"]}])
    assert filters is not None
    assert [json.loads(one["pattern"]) for one in filters] == [{"body": {"kind": ["placed"]}}, {"body": ["ping"]}]
    assert read_filters("filters", None) is None
    assert read_filters("filters", []) is None


@pytest.mark.parametrize(
    "filters",
    ["body", {"body": ["a"]}, [{"body": ["a"]}] * 6, ["body"], [{"body": [{"wildcard": "*"}]}], [{"a": ["b" * 5000]}]],
    ids=lambda filters: str(filters)[:40],
)
def test_filters_that_lambda_refuses_are_refused(filters: object) -> None:
    with pytest.raises(PropProblem):
        read_filters("filters", filters)


def test_filter_policies_are_counted_as_sns_does() -> None:
    most = {"a": list("0123456789"), "b": list("0123456789ABCDE")}
    assert read_filter_policy("filter_policy", most, nested=False) == most
    nested = {"a": {"b": ["c"], "d": {"e": ["f", {"exists": True}]}}}
    assert read_filter_policy("filter_policy", nested, nested=True) == nested
    for wrong in (
        {**most, "c": ["x", "y"]},
        {key: ["a"] for key in "abcdef"},
        {"a": {key: ["a"] for key in "abcdef"}},
        {"a": [2 * 10**9]},
        {},
    ):
        with pytest.raises(PropProblem):
            read_filter_policy("filter_policy", wrong, nested=True)
    with pytest.raises(PropProblem):
        read_filter_policy("filter_policy", nested, nested=False)
