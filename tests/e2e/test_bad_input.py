"""What goes wrong, as a user meets it: the whole text of each error, and a session that goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import dev, kite

APP = """\
from skykite import Api, App, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    Api(stack, "Api", routes={%s})
"""
HELLO = "def handler(event, context):\n    return 'hello'\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    for folder in ("stacks", "functions"):
        (root / folder).mkdir(parents=True)
    (root / "kite.toml").write_text('name = "app"\n')
    (root / "stacks" / "app.py").write_text(APP % '"GET /": "functions/hello.handler"')
    (root / "functions" / "hello.py").write_text(HELLO)
    return root


async def refused(project: Path, *args: str, env: dict[str, str] | None = None) -> str:
    result = await kite("dev", "--local", "--stage", "test", "--port", "0", *args, cwd=project, env=env)
    assert result.code == 1, result.stderr
    assert "Traceback" not in result.stderr
    return "error: " + result.stderr.split("error: ", 1)[1].replace(str(project), "PROJECT")


async def test_no_kite_toml(tmp_path: Path) -> None:
    assert await refused(tmp_path) == (
        "error: project-not-found\n\n"
        "  neither `PROJECT` nor a folder above it has a kite.toml\n\n"
        "hint: make a project with `kite init my-app`, or go to one\n"
    )


async def test_main_missing(project: Path) -> None:
    (project / "stacks" / "app.py").unlink()
    text = await refused(project)
    assert "`stacks/app.py`" in text
    assert "hint: " in text


async def test_main_with_a_syntax_error_shows_the_line(project: Path) -> None:
    (project / "stacks" / "app.py").write_text("def main(app):\n    x = (1,\n    y = 2\n")
    text = await refused(project)
    assert "stacks/app.py" in text
    assert "x = (1," in text


async def test_main_raising_shows_the_users_line_and_no_frame_of_ours(project: Path) -> None:
    (project / "stacks" / "app.py").write_text("def main(app):\n    values = {}\n    values['queue']\n")
    text = await refused(project)
    assert "KeyError: 'queue'" in text
    assert "values['queue']" in text
    assert "stacks/app.py" in text
    assert "skykite/synth" not in text


async def test_handler_function_missing_names_what_the_file_defines(project: Path) -> None:
    (project / "functions" / "hello.py").write_text(HELLO + "\n\ndef healthcheck(event, context): ...\n")
    (project / "stacks" / "app.py").write_text(APP % '"GET /": "functions/hello.main"')
    text = await refused(project)
    assert "error: handler-not-found" in text
    assert "points to `hello.main`, but `functions/hello.py` defines `handler` and `healthcheck`" in " ".join(
        text.split()
    )
    assert "hint: add `def main(event, context)` to `functions/hello.py`" in text
    assert "stacks/app.py:6" in text
    (project / "stacks" / "app.py").write_text(APP % '"GET /": "functions/hello.handle"')
    assert 'hint: change routes["GET /"] to "functions/hello.handler"' in await refused(project)


async def test_a_handler_that_is_no_function_is_refused_before_anything_starts(project: Path) -> None:
    (project / "functions" / "hello.py").write_text(HELLO + "\n\nlimit = 3\n")
    (project / "stacks" / "app.py").write_text(APP % '"GET /": "functions/hello.limit"')
    text = await refused(project)
    assert "error: handler-not-found" in text
    assert "points to `hello.limit`, which is a value and no function in `functions/hello.py`" in " ".join(text.split())
    assert "stacks/app.py:6" in text


async def test_handler_file_missing(project: Path) -> None:
    (project / "stacks" / "app.py").write_text(APP % '"GET /": "functions/helo.handler"')
    text = await refused(project)
    assert "functions/helo.py" in text
    assert "functions/hello" in text.split("hint:")[1]


async def test_two_routes_alike(project: Path) -> None:
    routes = '"GET /a/{x}": "functions/hello.handler", "GET /a/{y}": "functions/hello.handler"'
    (project / "stacks" / "app.py").write_text(APP % routes)
    text = await refused(project)
    assert "GET /a/{x}" in text
    assert "GET /a/{y}" in text
    assert "stacks/app.py:6" in text


async def test_a_route_written_twice_in_one_dict(project: Path) -> None:
    routes = '\n        "GET /a": "functions/hello.handler",\n        "GET /a": "functions/hello.handler",\n    '
    (project / "stacks" / "app.py").write_text(APP % routes)
    text = await refused(project)
    assert "has the route `GET /a` twice, in lines 7 and 8" in " ".join(text.split())
    assert "stacks/app.py:8" in text


async def test_main_without_a_stack(project: Path) -> None:
    (project / "stacks" / "app.py").write_text("def main(app):\n    pass\n")
    assert await refused(project) == (
        "error: no-stacks\n\n"
        "  `main` in `stacks/app.py` makes no stack, so there is nothing to run or deploy\n\n"
        'hint: make one in it, for instance `Stack(app, "MyStack")`; `kite remove` takes away what is deployed\n'
    )


async def test_a_port_in_use_is_named_with_who_has_it(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = await kite("dev", "--local", "--stage", "test", "--port", str(port), cwd=project)
    assert result.code == 1
    assert "error: port-in-use" in result.stderr
    assert f"`{port}`" in result.stderr or f"port {port}" in result.stderr
    assert "--port" in result.stderr.split("hint:")[1]


async def test_no_registry_on_the_first_run_says_what_to_do(project: Path, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/simple"
    env = {
        "KITE_CACHE_DIR": str(tmp_path / "cache"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_DEFAULT_INDEX": nowhere,
        "UV_INDEX_URL": nowhere,
        "PIP_INDEX_URL": nowhere,
    }
    text = await refused(project, env=env)
    assert "hint: " in text
    assert "MiniStack" in text or "embedded cloud" in text


async def test_kite_folder_that_cannot_be_written(project: Path) -> None:
    (project / ".kite").write_text("a file where the folder should be")
    text = await refused(project)
    assert ".kite" in text
    assert "hint: " in text


BROKEN = {
    "raises_at_import": "raise RuntimeError('no database')\n",
    "never_returns": "import time\ndef handler(event, context):\n    time.sleep(60)\n",
    "exits": "import sys\ndef handler(event, context):\n    sys.exit(3)\n",
    "prints": "def handler(event, context):\n    print('x' * 10_000_000)\n    return 'printed'\n",
    "unserializable": "def handler(event, context):\n    return {1, 2}\n",
    "killed": "import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    "raises": "def handler(event, context):\n    raise ValueError('not today')\n",
    "good": HELLO,
}


async def test_functions_that_misbehave_are_told_apart_and_the_session_goes_on(project: Path) -> None:
    for name, text in BROKEN.items():
        handler = text if "def handler" in text else text + "def handler(event, context): ...\n"
        (project / "functions" / f"{name}.py").write_text(handler)
    routes = ", ".join(f'"GET /{name}": {{"handler": "functions/{name}.handler", "timeout": 2}}' for name in BROKEN)
    (project / "stacks" / "app.py").write_text(APP % routes)
    async with dev(project, "--stage", "test", "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        answers = dict(
            zip(BROKEN, await asyncio.gather(*(fetch("GET", f"{url}/{name}") for name in BROKEN)), strict=True)
        )
        assert answers["good"].text == "hello"
        assert answers["prints"].text == "printed"
        for name in BROKEN.keys() - {"good", "prints"}:
            assert answers[name].status in (500, 503), name
        for _ in BROKEN:
            await session.event("invocation.finished")
        errors = {
            event["function"].rpartition("/")[2].removeprefix("GET --"): event["error"]
            for event in session.events
            if event["code"] == "invocation.finished"
        }
        assert errors["good"] is None
        assert errors["raises"]["type"] == "ValueError"
        assert errors["raises"]["message"] == "not today"
        assert "functions/raises.py" in "".join(errors["raises"]["trace"])
        assert "skykite" not in "".join(errors["raises"]["trace"])
        assert "no database" in errors["raises_at_import"]["message"]
        assert "timed out after 2.00 seconds" in errors["never_returns"]["message"]
        assert errors["exits"]["type"] == "Runtime.ExitError"
        assert "exit status 3" in errors["exits"]["message"]
        assert errors["unserializable"]["type"] == "Runtime.MarshalError"
        assert "signal: killed" in errors["killed"]["message"]
        printed = sum(
            len(e["text"]) for e in session.events if e["code"] == "invocation.log" and "/GET --prints" in e["function"]
        )
        assert printed >= 10_000_000
        assert (await fetch("GET", f"{url}/good")).text == "hello"
        # A client that hangs up, and one that does not speak HTTP.
        port = int(url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /never_returns HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        assert (await reader.read(100)).startswith(b"HTTP/1.1 400 ")
        writer.close()
        assert (await fetch("GET", f"{url}/good")).text == "hello"


async def test_a_stack_that_never_worked_is_named_before_anything_starts(project: Path) -> None:
    (project / "stacks" / "app.py").write_text(
        "from skykite import App, Function, Stack\n\n\ndef main(app: App) -> None:\n"
        "    Function(Stack(app, 'S'), 'F', 'functions/hello.handler', memory=512)\n"
    )
    result = await kite("dev", "--local", "--stage", "test", "--output", "json", "--port", "0", cwd=project)
    assert result.code == 1
    error = [e for line in result.stdout.splitlines() if (e := json.loads(line))["code"] == "error"][-1]
    assert "`S/F`" in error["message"]
    assert "memory_size" in error["message"] + (error["hint"] or "")
    assert "stacks/app.py:5" in error["message"] + (error["context"] or "")
