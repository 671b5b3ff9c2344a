"""Route keys: what API Gateway would take, and which it cannot tell apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite.constructs.props import PropProblem
from skykite.constructs.routes import METHODS, check_different, parse_route

SEGMENTS = st.lists(st.one_of(st.from_regex(r"[a-z0-9._~-]{1,8}", fullmatch=True), st.just("{id}")), max_size=1)


@pytest.mark.parametrize("text", ["GET /", "ANY /{proxy+}", "$default", "POST /a/{b}/c/{d+}", "GET /a.b/~c/%20"])
def test_a_valid_key_is_refused(text: str) -> None:
    assert str(parse_route(text)) == text


@given(st.sampled_from(METHODS), SEGMENTS)
def test_a_key_reads_back_as_it_was_written(method: str, segments: list[str]) -> None:
    text = f"{method} /{'/'.join(segments)}"
    assert str(parse_route(text)) == text


@pytest.mark.parametrize(
    "text", ["", "GET", "GET / x", "GET //", "GET /a//b", "GET /{a}/{a}", "GET /{}", "GET /a b", 5]
)
def test_a_bad_key_is_taken(text: object) -> None:
    with pytest.raises(PropProblem):
        parse_route(text)


def test_routes_that_differ_are_taken_for_the_same() -> None:
    keys = ["GET /a", "POST /a", "ANY /a", "GET /{x}", "GET /{x+}", "GET /a/{x}", "$default"]
    for index, key in enumerate(keys):
        check_different(parse_route(key), [parse_route(other) for other in keys[:index]])


@pytest.mark.parametrize("pair", [("GET /{a}", "GET /{b}"), ("ANY /{p+}", "ANY /{q+}"), ("GET /a", "GET /a")])
def test_routes_that_match_the_same_requests_are_both_taken(pair: tuple[str, str]) -> None:
    with pytest.raises(PropProblem, match="route"):
        check_different(parse_route(pair[1]), [parse_route(pair[0])])
