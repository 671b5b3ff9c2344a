"""Routing as HTTP APIs do it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skykite.errors import SkykiteError
from skykite.gateway.router import Match, Router

KEYS = (
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "$default",
)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        # The example of AWS's page on routes
        ("GET", "/pets/dog/1", "GET /pets/dog/1", None),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        # What follows from it
        ("POST", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET", "/pets/dog/2/3", "GET /pets/{proxy+}", {"proxy": "dog/2/3"}),
        ("GET", "/pets/", "GET /pets/{proxy+}", {"proxy": ""}),
        ("GET", "/pets", "ANY /{proxy+}", {"proxy": "pets"}),
        ("GET", "/", "ANY /{proxy+}", {"proxy": ""}),
        ("GET", "/pets//dog", "GET /pets/{proxy+}", {"proxy": "/dog"}),
    ],
)
def test_the_most_specific_route_answers(method: str, path: str, key: str, parameters: dict[str, str] | None) -> None:
    match = Router(KEYS).match(method, path)
    assert match is not None
    assert (KEYS[match.route], match.parameters) == (key, parameters)


def test_nothing_answers_what_no_route_matches() -> None:
    router = Router(["GET /notes", "POST /notes/{id}"])
    assert router.match("POST", "/notes") is None
    assert router.match("GET", "/notes/") is None, "a trailing slash makes another path"
    assert router.match("POST", "/notes/") is None, "a path variable is never empty"
    assert router.match("GET", "/Notes") is None, "paths are case-sensitive"
    assert router.match("HEAD", "/notes") is None, "HEAD is not GET"


def test_default_answers_what_is_left() -> None:
    assert Router(["GET /notes", "$default"]).match("DELETE", "/x/y") == Match(1)


def test_a_method_beats_any_on_the_same_path() -> None:
    router = Router(["ANY /notes", "GET /notes", "ANY /notes/{id}", "PUT /notes/{other}"])
    assert router.match("GET", "/notes") == Match(1)
    assert router.match("POST", "/notes") == Match(0)
    assert router.match("PUT", "/notes/1") == Match(3, {"other": "1"})
    assert router.match("GET", "/notes/1") == Match(2, {"id": "1"})


def test_a_path_without_the_method_gives_way_to_a_less_specific_one() -> None:
    router = Router(["POST /notes/1", "ANY /notes/{id}", "GET /{proxy+}"])
    assert router.match("GET", "/notes/1") == Match(1, {"id": "1"})


def test_variables_beat_a_greedy_one_under_a_literal() -> None:
    router = Router(["GET /a/{proxy+}", "GET /{x}/{y}"])
    assert router.match("GET", "/a/b") == Match(1, {"x": "a", "y": "b"})


def test_variables_before_a_greedy_one_are_handed_out() -> None:
    router = Router(["GET /{org}/files/{path+}"])
    assert router.match("GET", "/acme/files/a/b") == Match(0, {"org": "acme", "path": "a/b"})
    assert router.match("GET", "/acme/files") is None


def test_a_dead_end_is_walked_back_from() -> None:
    router = Router(["GET /a/{x}/c", "GET /{y}/b/d", "GET /{z}/{proxy+}"])
    assert router.match("GET", "/a/b/c") == Match(0, {"x": "b"})
    assert router.match("GET", "/a/b/d") == Match(1, {"y": "a"})
    assert router.match("GET", "/a/b/e") == Match(2, {"z": "a", "proxy": "b/e"})


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        (
            ["GET /a/{x}", "GET /a/{y}"],
            "routes-alike",
            "the routes `GET /a/{x}` and `GET /a/{y}` match the same requests",
        ),
        (["GET /a", "GET /a"], "routes-alike", "the routes `GET /a` and `GET /a` match the same requests"),
        (["$default", "$default"], "routes-alike", "the routes `$default` and `$default` match the same requests"),
        (["FETCH /a"], "route-invalid", "`FETCH /a` is not a route key of an HTTP API"),
        (["GET a"], "route-invalid", "`GET a` is not a route key of an HTTP API"),
        (["/a"], "route-invalid", "`/a` is not a route key of an HTTP API"),
        (["GET /{a+}/b"], "route-invalid", "`GET /{a+}/b` is not a route key of an HTTP API"),
        (["GET /{a}.json"], "route-invalid", "`GET /{a}.json` is not a route key of an HTTP API"),
        (["GET /{a}/{a}"], "route-invalid", "`GET /{a}/{a}` is not a route key of an HTTP API"),
        (["GET /{}"], "route-invalid", "`GET /{}` is not a route key of an HTTP API"),
    ],
)
def test_routes_that_api_gateway_refuses_are_refused(keys: list[str], code: str, message: str) -> None:
    with pytest.raises(SkykiteError) as caught:
        Router(keys)
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.hint


segments = st.sampled_from(["a", "b", "{x}", "{y}"])
templates = st.lists(segments, min_size=1, max_size=4).map(tuple)
routes = st.lists(st.tuples(st.sampled_from(["GET", "ANY", "PUT"]), templates, st.booleans()), max_size=8)
paths = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5)


def _shape(template: tuple[str, ...], greedy: bool) -> tuple[str, ...]:
    shape = tuple("{}" if segment.startswith("{") else segment for segment in template)
    return (*shape, "{+}") if greedy else shape


def _matches(shape: tuple[str, ...], path: list[str]) -> bool:
    if shape[-1] == "{+}":
        shape, path = shape[:-1], path[: max(len(shape) - 1, 0)] if len(path) >= len(shape) else []
        if len(path) != len(shape):
            return False
    return len(shape) == len(path) and all(
        (segment != "") if wanted == "{}" else wanted == segment for wanted, segment in zip(shape, path, strict=True)
    )


def _rank(shape: tuple[str, ...]) -> tuple[int, tuple[int, ...]]:
    """By the rules as written: static, then variables, then greedy; among equals a literal further left."""
    kind = 2 if shape[-1] == "{+}" else 1 if "{}" in shape else 0
    return kind, tuple({"{}": 1, "{+}": 2}.get(segment, 0) for segment in shape)


@settings(deadline=None)
@given(routes=routes, method=st.sampled_from(["GET", "PUT", "POST"]), path=paths)
def test_the_compiled_router_agrees_with_the_rules_read_aloud(
    routes: list[tuple[str, tuple[str, ...], bool]], method: str, path: list[str]
) -> None:
    table: dict[tuple[str, tuple[str, ...]], str] = {}
    for verb, template, greedy in routes:
        named = [f"{{v{at}}}" if segment.startswith("{") else segment for at, segment in enumerate(template)]
        key = f"{verb} /{'/'.join([*named, '{rest+}'] if greedy else named)}"
        table.setdefault((verb, _shape(template, greedy)), key)
    keys = list(table.values())
    candidates = sorted(
        (_rank(shape), verb == "ANY", key)
        for (verb, shape), key in table.items()
        if verb in (method, "ANY") and _matches(shape, path)
    )
    match = Router(keys).match(method, "/" + "/".join(path))
    assert (None if match is None else keys[match.route]) == (candidates[0][2] if candidates else None)
    if match is not None and match.parameters is not None:
        filled = keys[match.route].partition(" ")[2]
        for name, value in match.parameters.items():
            filled = filled.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
        assert filled == "/" + "/".join(path), "the parameters are the path"
