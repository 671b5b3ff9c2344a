"""The lines of an Api's routes, read from the source that made it."""

from __future__ import annotations

from skykite.constructs.route_lines import NOWHERE, RouteLines, read_route_lines

SOURCE = """\
api = Api(
    stack,
    "Api",
    routes={
        "GET /a": "f.a",
        f"GET /{name}": "f.b",
        "GET /a": "f.c",
    },
)
other = Api(stack, "Other", routes={"GET /b": "f.b", **more})
passed = Api(stack, "Passed", routes=routes)
"""


def test_a_route_lost_to_a_later_one_of_its_key_is_not_seen() -> None:
    assert read_route_lines(SOURCE, line=1, routes={"GET /a", "GET /x"}) == RouteLines(
        lines={"GET /a": 7}, twice=("GET /a", 5, 7)
    )


def test_the_lines_of_another_call_are_taken() -> None:
    assert read_route_lines(SOURCE, line=10, routes={"GET /b", "GET /c"}).lines == {"GET /b": 10}
    assert read_route_lines(SOURCE, line=10, routes={"GET /c"}) == NOWHERE
    assert read_route_lines(SOURCE, line=11, routes={"GET /a"}) == NOWHERE


def test_a_file_that_is_being_edited_breaks_the_run() -> None:
    assert read_route_lines("Api(routes={", line=1, routes={"GET /a"}) == NOWHERE
