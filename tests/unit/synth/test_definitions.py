"""What a handler's file defines, and code frames: text in, answers out."""

from __future__ import annotations

import pytest

from skykite.model.code_frame import code_frame
from skykite.model.handlers import read_definitions


@pytest.mark.parametrize(
    "source",
    [
        "def handler(event, context): ...",
        "async def handler(event, context): ...",
        "@wrap\ndef handler(event, context): ...",
        "handler = make()",
        "handler: Handler = make()",
        "other = handler = make()",
        "(handler, other) = make()",
        "from lib import handler",
        "from lib import main as handler",
        "import handler",
        "class handler: ...",
        "try:\n    from fast import handler\nexcept ImportError:\n    from slow import handler",
        "if DEBUG:\n    def handler(event, context): ...",
        "from lib import *",
        "def __getattr__(name): ...",
        "def setup():\n    global handler\n    handler = 1\nsetup()",
        "globals()['handler'] = 1",
        "with lib() as handler: ...",
        "handler = None\nif DEBUG:\n    handler = make()",
        "handler = None\nfor handler in made: ...",
    ],
)
def test_a_handler_that_is_there_is_reported_missing(source: str) -> None:
    assert read_definitions(source).may_define("handler")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "def other(event, context): ...",
        "class A:\n    def handler(self): ...",
        "def outer():\n    def handler(): ...\n    handler = 1",
        "print(handler)",
        "handler = 1\ndel handler",
        "f = lambda handler: handler",
        "handler = 3",
        "handler = other = 'functions.notes'",
        "handler = {'GET': 1}",
    ],
)
def test_a_handler_that_is_not_there_is_taken(source: str) -> None:
    assert not read_definitions(source).may_define("handler")


def test_a_frame_marks_another_line() -> None:
    source = "a = 1\nb = 2\nif b\n\tc = 3\nd = 4\ne = 5\n"
    assert code_frame(source, file="stacks/app.py", line=3, column=5) == (
        "stacks/app.py:3\n  1 | a = 1\n  2 | b = 2\n> 3 | if b\n    |     ^\n  4 |     c = 3\n  5 | d = 4"
    )
