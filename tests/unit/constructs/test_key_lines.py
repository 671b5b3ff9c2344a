"""The lines of the keys a construct was given, read from the source that made it."""

from __future__ import annotations

from skykite.constructs.key_lines import NOWHERE, KeyLines, read_key_lines

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
topic.add_subscribers({"receipt": "f.a"}, other={})
"""


def test_a_route_lost_to_a_later_one_of_its_key_is_not_seen() -> None:
    assert read_key_lines(SOURCE, line=1, prop="routes", keys={"GET /a", "GET /x"}) == KeyLines(
        lines={"GET /a": 7}, twice=("GET /a", 5, 7)
    )


def test_the_lines_of_another_call_are_taken() -> None:
    assert read_key_lines(SOURCE, line=10, prop="routes", keys={"GET /b", "GET /c"}).lines == {"GET /b": 10}
    assert read_key_lines(SOURCE, line=10, prop="routes", keys={"GET /c"}) == NOWHERE
    assert read_key_lines(SOURCE, line=11, prop="routes", keys={"GET /a"}) == NOWHERE


def test_a_dict_without_a_name_is_not_seen() -> None:
    assert read_key_lines(SOURCE, line=12, prop="subscribers", keys={"receipt"}).lines == {"receipt": 12}


def test_a_file_that_is_being_edited_breaks_the_run() -> None:
    assert read_key_lines("Api(routes={", line=1, prop="routes", keys={"GET /a"}) == NOWHERE
