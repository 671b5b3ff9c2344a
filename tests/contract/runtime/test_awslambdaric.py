"""The same handlers under AWS's own runtime interface client and under ours."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.lambda_service import aws_runtime
from kit.runtime import FunctionProject, running_project, write_file
from skykite.model.invocation import Failed, Succeeded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has wheels for Linux only")

HANDLERS = """
import collections, dataclasses, datetime, decimal, enum, math, uuid
Point = collections.namedtuple("Point", "x y")
class Colour(enum.IntEnum):
    RED = 1
class Name(str): pass
class Numbers(dict): pass
class Listed(list): pass
class Duck:
    def _asdict(self): return {"quack": decimal.Decimal("1")}
loop = []; loop.append(loop)
loop_odd = {"d": decimal.Decimal(1)}; loop_odd["self"] = loop_odd
deep = []
for _ in range(100_000): deep = [deep]
RESULTS = {
    "none": None, "text": "héllo \\u2028 \\x7f \\U0001f600 \\"", "float": 1e22, "nan": math.nan, "infinity": -math.inf,
    "big": 10 ** 30, "true": True, "tuple": (1, [2]), "empty": {}, "nested": {"a": [{"b": None}]},
    "int keys": {1: "a", 2.5: "b", True: "c", None: "d"},
    "decimal": decimal.Decimal("1.50"), "decimals": [decimal.Decimal("1E+3"), {"n": decimal.Decimal("-0.0")}],
    "decimal nan": decimal.Decimal("NaN"), "decimal infinity": decimal.Decimal("Infinity"),
    "named tuple": Point(1, decimal.Decimal("2")), "named tuples": [Point(1, Point(2, 3))], "duck": Duck(),
    "bytes": b'{"raw": 1}', "bytes inside": {"a": b"text", b"key": 1}, "bad bytes": {"a": b"\\xff"},
    "enum": Colour.RED, "subclasses": [Name("n"), Numbers(a=1), Listed([1])],
    "set": {1}, "object": object, "date": datetime.date(2026, 1, 1), "uuid": uuid.UUID(int=0),
    "generator": (n for n in []), "tuple key": {(1, 2): 3}, "decimal key": {decimal.Decimal(1): 2},
    "loop": loop, "odd loop": loop_odd, "lone surrogate": "\\ud800", "range": range(3), "complex": 1j, "deep": deep,
}
def results(event, context): return RESULTS[event]
def echo(event, context): return event
class Odd(Exception):
    def __str__(self): return "odd " + self.args[0]
def inner(event): raise Odd(event)
def raising(event, context):
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("first line\\nsecond") from error
def deeper(event, context): inner("one")
def silent(event, context): raise RuntimeError
def recursion(event, context): return recursion(event, context)
def generic(event, context): return event["missing"]
"""


def versions() -> list[str]:
    return ["AWS_Lambda_python3.11", "AWS_Lambda_python3.13"]


async def ours(project: FunctionProject, handler: str, payload: bytes) -> tuple[str, Any]:
    outcome = await project.invoke(handler, payload=payload, request_id="8f507cfc-1234-4697-b07a-ac58fc914c95")
    return comparable("response" if isinstance(outcome, Succeeded) else "error", outcome.payload)


def comparable(kind: str, body: bytes) -> tuple[str, Any]:
    """Results byte for byte, error documents as what they say, in order."""
    return kind, body if kind == "response" else list(json.loads(body).items())


@pytest.mark.parametrize("version", versions())
async def test_results_are_encoded_alike(tmp_path: Path, version: str) -> None:
    write_file(tmp_path, "app.py", HANDLERS)
    names = re.findall(r'^ {4}(?:"[^"]+": .*)$', HANDLERS, re.MULTILINE)
    keys = [key for line in names for key in re.findall(r'(?:^ {4}|, )"([a-z ]+)": ', line)]
    keys = [key for key in keys if key not in ("a", "b", "n", "self", "raw")]
    assert len(keys) > 30
    if version > "AWS_Lambda_python3.11":
        keys.remove("lone surrogate")  # theirs dies of it without a word; ours is a MarshalError that names it
    with aws_runtime(tmp_path, "app.results", {"AWS_EXECUTION_ENV": version}) as theirs:
        async with running_project(tmp_path) as project:
            await project.define("app.results", runtime=version.removeprefix("AWS_Lambda_"), timeout_s=30)
            different = {}
            for key in keys:
                payload = json.dumps(key).encode()
                expected = comparable(*await asyncio.to_thread(theirs.invoke, payload))
                found = await ours(project, "app.results", payload)
                if found != expected:
                    different[key] = (found, expected)
    assert different == {}


@pytest.mark.parametrize("payload", ['"ü"', "1.0", "1e400", '"NaN"', '{"a": 1, "a": 2}', "  null ", "", "\ufeff1"])
async def test_events_are_decoded_alike(tmp_path: Path, payload: str) -> None:
    write_file(tmp_path, "app.py", HANDLERS)
    with aws_runtime(tmp_path, "app.echo", {}) as theirs:
        async with running_project(tmp_path) as project:
            await project.define("app.echo")
            expected = comparable(*await asyncio.to_thread(theirs.invoke, payload.encode()))
            assert await ours(project, "app.echo", payload.encode()) == expected


@pytest.mark.parametrize("handler", ["raising", "deeper", "silent", "generic"])
async def test_exceptions_are_reported_alike(tmp_path: Path, handler: str) -> None:
    write_file(tmp_path, "app.py", HANDLERS)
    with aws_runtime(tmp_path, f"app.{handler}", {}) as theirs:
        async with running_project(tmp_path) as project:
            await project.define(f"app.{handler}")
            expected = comparable(*await asyncio.to_thread(theirs.invoke, b"{}"))
            assert await ours(project, f"app.{handler}", b"{}") == expected


@pytest.mark.parametrize(
    ("text", "handler"),
    [
        ("", "app.handler"),
        ("import surely_not_installed", "app.handler"),
        ("from json import surely_not_there", "app.handler"),
        ("def handler(e, c:\n  pass", "app.handler"),
        ("def handler(e, c):\n\tpass\n        pass", "app.handler"),
        ("x = 1 +", "app.handler"),
        ("def f(): 1 / 0\nf()", "app.handler"),
        ("class Handler: pass", "missing/app.handler"),
        ("", "sys.exit"),
    ],
)
async def test_functions_that_cannot_be_loaded_are_reported_alike(tmp_path: Path, text: str, handler: str) -> None:
    write_file(tmp_path, "app.py", text)
    with aws_runtime(tmp_path, handler, {}) as theirs:
        async with running_project(tmp_path) as project:
            await project.define(handler)
            outcome = await project.invoke(handler)
            expected = await asyncio.to_thread(theirs.init_error)
    assert isinstance(outcome, Failed)
    found: dict[str, Any] = json.loads(outcome.payload)
    for document in (found, expected):
        # Theirs shows the import machinery's frames, and the request is not known yet.
        document["stackTrace"] = [part for part in document["stackTrace"] if "importlib" not in part]
        del document["requestId"]
    assert found == expected


@pytest.mark.parametrize("payload", [b"[1, NaN]", b"-Infinity"])
async def test_numbers_that_json_has_not_are_refused_alike(tmp_path: Path, payload: bytes) -> None:
    write_file(tmp_path, "app.py", HANDLERS)
    with aws_runtime(tmp_path, "app.echo", {}) as theirs:
        async with running_project(tmp_path) as project:
            await project.define("app.echo")
            _, expected = await asyncio.to_thread(theirs.invoke, payload)
            failure = await project.invoke("app.echo", payload=payload)
    assert isinstance(failure, Failed)
    assert failure.error_type == json.loads(expected)["errorType"] == "Runtime.UnmarshalError"
