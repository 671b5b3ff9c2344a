"""What a file imports for sure."""

from __future__ import annotations

from skykite.dev.imports import imports_of

SOURCE = b"""
import json, httpx.auth as auth
from google.cloud import storage, bigquery
from . import beside
from .beside import thing
if TYPE_CHECKING:
    import only_types
else:
    import at_run_time
if typing.TYPE_CHECKING:
    from only import types
try:
    import orjson
except (ImportError, ValueError):
    import slower
try:
    import needed
except OSError:
    pass


def handler(event, context):
    import late
"""


def test_what_is_only_tried_or_only_for_type_checkers_is_no_import() -> None:
    found = {(one.module, one.line, one.names) for one in imports_of(SOURCE)}
    assert found == {
        ("json", 2, ()),
        ("httpx.auth", 2, ()),
        ("google.cloud", 3, ("storage", "bigquery")),
        ("at_run_time", 9, ()),
        ("slower", 15, ()),
        ("needed", 17, ()),
        ("late", 23, ()),
    }


def test_a_file_that_is_no_python_imports_nothing() -> None:
    assert imports_of(b"import (") == ()
    assert imports_of(b"\x00") == ()
