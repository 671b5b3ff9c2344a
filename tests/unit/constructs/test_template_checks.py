"""Circles among the resources of a template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite.constructs.template_checks import shortest_circle

GRAPHS = st.integers(1, 7).flatmap(
    lambda size: st.dictionaries(
        st.sampled_from("abcdefg"[:size]), st.sets(st.sampled_from("abcdefg"[:size])), min_size=size, max_size=size
    )
)


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, None),
        ({"a": {"a"}}, ["a"]),
        ({"a": {"b"}, "b": {"c", "a"}, "c": {"a"}}, ["a", "b"]),
        ({"a": {"b"}, "b": set(), "c": {"d"}, "d": {"c", "b"}}, ["c", "d"]),
    ],
)
def test_the_shortest_circle_is_found(needs: dict[str, set[str]], circle: list[str] | None) -> None:
    assert shortest_circle(needs) == circle


@given(GRAPHS)
def test_each_of_a_circle_needs_the_next_and_where_there_is_none_all_can_be_made_in_an_order(
    needs: dict[str, set[str]],
) -> None:
    circle = shortest_circle(needs)
    if circle is not None:
        assert all(after in needs[one] for one, after in zip(circle, [*circle[1:], circle[0]], strict=True))
        assert len(set(circle)) == len(circle)
        return
    made: set[str] = set()
    while len(made) < len(needs):
        ready = {name for name in needs if needs[name] <= made}
        assert ready > made, "a circle is missed"
        made = ready
