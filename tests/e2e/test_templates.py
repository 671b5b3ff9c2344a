"""What `kite init` makes, and the examples, from outside: each does what its README says, in `--local` and over the
bridge alike.

One set of assertions for both: what works without an account works as it does on AWS.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kit.http import fetch
from kit.kite import Dev, dev, kite
from skykite.cli.scaffold import TEMPLATES

EXAMPLES = Path(__file__).parents[2] / "examples"
BRIDGE = pytest.param(("--bridge",), marks=pytest.mark.slow)
MODES = pytest.mark.parametrize("mode", [("--port", "0"), BRIDGE], ids=["local", "bridge"])


@asynccontextmanager
async def running(folder: Path, template: str, mode: tuple[str, ...]) -> AsyncIterator[tuple[Dev, str]]:
    """A new project, or an example, under `kite dev`, and where its API is."""
    if template in TEMPLATES:
        made = await kite("init", template, "--template", template, cwd=folder)
        assert made.code == 0, made.stderr
    else:
        shutil.copytree(EXAMPLES / template, folder / template, ignore=shutil.ignore_patterns(".kite", "__pycache__"))
    async with dev(folder / template, *mode) as session:
        ready = await session.ready()
        outputs: dict[str, str] = next(iter(ready["outputs"].values()))
        yield session, outputs["ApiEndpoint"].rstrip("/")
        begun = {one["request_id"] for one in session.events if one["code"] == "invocation.started"}
        for request in begun - {one["request_id"] for one in session.events if one["code"] == "invocation.finished"}:
            session.seen = 0
            await session.event("invocation.finished", lambda one, wanted=request: one["request_id"] == wanted)  # type: ignore[misc]
    # `error` is also what validation has against a template.
    assert [one for one in session.events if one["code"] == "error"] == []
    assert [one for one in session.events if one["code"] == "invocation.finished" and one["error"]] == []


async def until(url: str, holds: Callable[[Any], bool], timeout: float = 30) -> Any:
    """What is to be read there once it `holds`."""
    document: Any = None
    try:
        async with asyncio.timeout(timeout):
            while True:
                answer = await fetch("GET", url)
                assert answer.status == 200, answer.text
                document = answer.json()
                if holds(document):
                    return document
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"still {document}") from None


@MODES
async def test_hello(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "hello", mode) as (_, url):
        answer = await fetch("GET", url)
        assert answer.status == 200
        assert answer.text.startswith("Hello, World! The time in Lambda is ")


@MODES
async def test_typescript(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "typescript", mode) as (session, url):
        answer = await fetch("GET", url)
        assert answer.status == 200
        assert answer.text.startswith("Hello, World! The time in Lambda is ")
        await session.event("invocation.log", lambda one: one["text"].strip() == "GET /")
        source = tmp_path / "typescript" / "src" / "lambda.ts"
        source.write_text(source.read_text().replace("Hello, World!", "Hello again!"))
        assert (await fetch("GET", url)).text.startswith("Hello again!")


@MODES
async def test_api(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "api", mode) as (_, url):
        created = await fetch("POST", f"{url}/notes", json.dumps({"text": "buy milk"}))
        assert created.status == 201, created.text
        note = created.json()
        assert (await fetch("GET", f"{url}/notes/{note['id']}")).json() == note
        assert (await fetch("GET", f"{url}/notes")).json() == {"notes": [note], "next": None}
        assert (await fetch("GET", f"{url}/notes/nope")).status == 404


@MODES
async def test_pubsub(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "pubsub", mode) as (session, url):
        placed = await fetch("POST", f"{url}/orders", json.dumps({"item": "kite", "quantity": 2}))
        assert placed.status == 202, placed.text
        order = placed.json()
        done = await until(f"{url}/orders/{order['id']}", lambda found: len(found["steps"]) == 3)
        assert done == {**order, "steps": {"receipt": "sent", "stock": "reserved", "shipping": "planned"}}
        assert (await fetch("POST", f"{url}/orders", "{")).status == 400
    triggers = [one["trigger"] for one in session.events if one["code"] == "invocation.finished"]
    assert [one["kind"] for one in triggers].count("event") == 3
    assert {one["label"] for one in triggers if one["kind"] == "event"} == {"sns ShopStack/OrderPlaced"}


@MODES
async def test_jobs(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "jobs", mode) as (session, url):
        submitted = await fetch("POST", f"{url}/jobs", json.dumps({"task": "fly"}))
        assert submitted.status == 202, submitted.text
        worked = await session.event("invocation.finished", lambda one: one["function"] == "JobsStack/Worker")
        assert worked["trigger"]["kind"] == "event"


@MODES
async def test_orders(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "orders", mode) as (session, url):

        async def order(card: str) -> str:
            placed = await fetch("POST", f"{url}/orders", json.dumps({"item": "kite", "card": card}))
            assert placed.status == 202, placed.text
            return f"{url}/orders/{placed.json()['id']}"

        declined, paid = await order("declined"), await order("4242")
        assert (await until(paid, lambda found: found["status"] != "placed"))["status"] == "paid"
        assert (await until(declined, lambda found: found["status"] != "placed"))["status"] == "failed"
    lines = [one["text"] for one in session.events if one["code"] == "invocation.log"]
    assert sum("is not paid: the card was declined" in line for line in lines) == 2
    assert sum("is paid" in line for line in lines) == 1
    assert sum("failed for good" in line for line in lines) == 1


@MODES
async def test_streams(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "streams", mode) as (session, url):
        joined = await fetch("POST", f"{url}/members", json.dumps({"name": "Ada"}))
        assert joined.status == 201, joined.text
        member = joined.json()
        welcomed = await until(f"{url}/members/{member['id']}", lambda found: found["welcomed"])
        assert welcomed == {**member, "welcomed": True}
        await session.event("invocation.log", lambda event: "MemberJoined: Ada" in event["text"])
    lines = [one["text"] for one in session.events if one["code"] == "invocation.log"]
    assert sum("1 joined" in line for line in lines) == 1  # that somebody was welcomed is no news to the bus
    assert sum("welcome, Ada!" in line for line in lines) == 1


@MODES
async def test_uploads(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "uploads", mode) as (_, url):

        async def upload(data: bytes) -> Any:
            begun = await fetch("POST", f"{url}/pictures")
            assert begun.status == 201, begun.text
            sent = await fetch("PUT", begun.json()["upload"], data)
            assert sent.status == 200, sent.text
            return await until(f"{url}/pictures/{begun.json()['id']}", lambda found: found["status"] != "awaited")

        picture = io.BytesIO()
        Image.new("RGB", (1600, 800), "orange").save(picture, "JPEG")
        found = await upload(picture.getvalue())
        assert (found["status"], found["width"], found["height"]) == ("ready", 160, 80)
        thumbnail = await fetch("GET", found["thumbnail"])
        assert thumbnail.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(thumbnail.body)) as small:
            assert (small.format, small.size) == ("PNG", (160, 80))
        assert (await upload(b"not a picture"))["status"] == "refused"


@pytest.mark.slow
@pytest.mark.timeout(240)
@MODES
async def test_cron(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with running(tmp_path, "cron", mode) as (session, url):
        assert (await fetch("GET", url)).json() == {"ticks": []}
        ticked = await session.event("invocation.finished", lambda one: one["trigger"]["kind"] != "http", timeout=90)
        assert ticked["function"] == "TicksStack/EveryMinute/Job"
        assert len((await until(url, lambda found: found["ticks"]))["ticks"]) == 1
