"""The main job from outside: the `kite` command, files in a folder, HTTP. Nothing of ours is imported."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import alive, descendants, dev, kite

STACK_WITH_TIMEOUT = """
from skykite import Api, App, Stack


class HelloStack(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        api = Api(self, "Api", routes={"GET /": "functions/hello.handler"%s})
        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    HelloStack(app, "HelloStack")
"""


@pytest.fixture
async def hello(tmp_path: Path) -> Path:
    made = await kite("init", "hello", "--template", "hello", cwd=tmp_path)
    assert made.code == 0, made.stderr
    return tmp_path / "hello"


def save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def endpoint(ready: dict) -> str:
    return ready["endpoints"][0]["url"]


async def test_hello_answers_and_ctrl_c_leaves_no_process(hello: Path) -> None:
    async with dev(hello, "--port", "0") as session:
        ready = await session.ready()
        answer = await fetch("GET", endpoint(ready))
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text.startswith("Hello, World! The time in Lambda is ")
        outputs = next(iter(ready["outputs"].values()))
        assert outputs["ApiEndpoint"].rstrip("/") == endpoint(ready).rstrip("/")
        finished = await session.event("http.finished")
        assert (finished["method"], finished["path"], finished["status"]) == ("GET", "/", 200)
        processes = descendants(session.pid)
        assert processes
        before = time.monotonic()
        assert await session.stop() == 0
        assert time.monotonic() - before < 2
        assert not alive(processes)


async def test_notes_keep_their_data_when_everything_is_killed(tmp_path: Path) -> None:
    assert (await kite("init", "notes", "--template", "api", cwd=tmp_path)).code == 0
    project = tmp_path / "notes"
    async with dev(project, "--port", "0") as session:
        url = endpoint(await session.ready())
        created = await fetch("POST", f"{url}/notes", json.dumps({"text": "buy milk"}))
        assert created.status in (200, 201), created.text
        note = created.json()
        assert (await fetch("GET", f"{url}/notes/{note['id']}")).json()["text"] == "buy milk"
        await asyncio.sleep(1.2)  # the embedded cloud promises to save within a second
        children = descendants(session.pid)
        session.process.kill()
        await session.process.wait()
        async with asyncio.timeout(5):
            while alive(children):
                await asyncio.sleep(0.02)
    async with dev(project, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("GET", f"{url}/notes/{note['id']}")).json()["text"] == "buy milk"
        assert (await fetch("GET", f"{url}/notes/nope")).status == 404


async def test_a_save_is_never_followed_by_an_answer_of_the_old_code(hello: Path) -> None:
    handler = hello / "functions" / "hello.py"
    save(hello / "functions" / "words.py", "WORD = 'zero'\n")
    save(handler, "from functions import words\n\ndef handler(event, context):\n    return words.WORD\n")
    async with dev(hello, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("GET", url)).text == "zero"
        for number in range(20):
            save(hello / "functions" / "words.py", f"WORD = 'n{number:03}'\n")
            assert (await fetch("GET", url)).text == f"n{number:03}"
        save(handler, "def handler(event, context):\n    return 'direct'\n")
        assert (await fetch("GET", url)).text == "direct"


async def test_saving_a_stack_file_applies_it_and_an_error_leaves_the_rest_running(hello: Path) -> None:
    stacks = hello / "stacks"
    for file in stacks.glob("*.py"):
        file.unlink()
    save(stacks / "app.py", STACK_WITH_TIMEOUT % "")
    save(
        hello / "functions" / "hello.py",
        "import os\n\ndef handler(event, context):\n    return os.environ.get('GREETING', 'none')\n",
    )
    async with dev(hello, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("GET", url)).text == "none"

        greeting = ', "GET /new": "functions/hello.handler"}, defaults={"function": {"environment": {"GREETING": "%s"}}'
        save(stacks / "app.py", STACK_WITH_TIMEOUT.replace('"%s})', '"' + greeting % "hi" + "})"))
        assert (await fetch("GET", f"{url}/new")).text == "hi"
        assert (await fetch("GET", url)).text == "hi"

        save(stacks / "app.py", "def main(app):\n    this is not python\n")
        failed = await session.event("error")
        assert "stacks/app.py" in json.dumps(failed)
        await session.event("reload.failed")
        assert (await fetch("GET", url)).text == "hi"


async def test_mending_what_the_stacks_missed_needs_no_save_of_the_stacks(hello: Path) -> None:
    stacks = hello / "stacks"
    for file in stacks.glob("*.py"):
        file.unlink()
    save(stacks / "app.py", STACK_WITH_TIMEOUT % "")
    save(hello / "functions" / "hello.py", "def handler(event, context):\n    return 'hello'\n")
    async with dev(hello, "--port", "0") as session:
        url = endpoint(await session.ready())

        async def error() -> str:
            assert (await fetch("GET", url)).text == "hello"
            return str((await session.event("error"))["error"])

        save(stacks / "app.py", STACK_WITH_TIMEOUT % ', "GET /new": "functions/new.handler"')
        assert await error() == "handler-not-found"
        save(hello / "functions" / "new.py", "def other(event, context):\n    return 'other'\n")
        assert await error() == "handler-not-found"
        save(hello / "functions" / "new.py", "def handler(event, context):\n    return 'new'\n")
        assert (await fetch("GET", f"{url}/new")).text == "new"

        save(stacks / "app.py", "import stacks.names\n" + STACK_WITH_TIMEOUT % "")
        assert await error() == "main-failed"
        (hello / "names.py").write_text("X = 1\n")
        (hello / "names.py").rename(stacks / "names.py")
        assert (await fetch("GET", f"{url}/new")).status == 404


async def test_a_changed_env_file_reaches_the_next_request(hello: Path) -> None:
    for file in (hello / "stacks").glob("*.py"):
        file.unlink()
    save(
        hello / "stacks" / "app.py",
        "import os\n"
        + STACK_WITH_TIMEOUT.replace(
            '"%s})', '"}, defaults={"function": {"environment": {"WORD": os.environ["WORD"]}}})'
        ),
    )
    save(
        hello / "functions" / "hello.py",
        "import os\n\ndef handler(event, context):\n    return os.environ['WORD']\n",
    )
    save(hello / ".env", "WORD=one\n")
    async with dev(hello, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("GET", url)).text == "one"
        save(hello / ".env", "WORD=two\n")
        assert (await fetch("GET", url)).text == "two"
        save(hello / ".env.local", "WORD=three\n")
        assert (await fetch("GET", url)).text == "three"


async def test_a_second_session_on_the_stage_says_who_holds_it(hello: Path) -> None:
    async with dev(hello, "--port", "0") as session:
        await session.ready()
        second = await kite("dev", "--local", cwd=hello)
        assert second.code == 1
        assert f"process {session.pid}" in second.stderr
        assert "stage-in-use" in second.stderr


async def test_an_unchanged_project_starts_without_synth_or_deploy(hello: Path) -> None:
    async with dev(hello, "--port", "0") as session:
        await session.ready()
    async with dev(hello, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("GET", url)).status == 200
        skipped = {event["step"] for event in session.events if event["code"] == "step.finished" and event["skipped"]}
        assert {"synth", "deploy"} <= skipped
        assert not [event for event in session.events if event["code"] == "deploy.resource"]


async def test_removing_a_table_is_refused_off_a_terminal_without_yes(tmp_path: Path) -> None:
    assert (await kite("init", "notes", "--template", "api", cwd=tmp_path)).code == 0
    project = tmp_path / "notes"
    app = project / "stacks" / "app.py"
    async with dev(project, "--port", "0") as session:
        url = endpoint(await session.ready())
        assert (await fetch("GET", f"{url}/notes")).status == 200
        save(app, STACK_WITH_TIMEOUT.replace("%s", "").replace("HelloStack", "NotesStack"))
        save(project / "functions" / "hello.py", "def handler(event, context):\n    return 'hi'\n")
        error = await session.event("error")
        assert error["error"] == "destructive-change-refused"
        assert (await fetch("GET", f"{url}/notes")).status == 200


async def test_every_save_of_a_handler_is_told_once_and_a_broken_one_with_its_place(hello: Path) -> None:
    handler = hello / "functions" / "hello.py"
    async with dev(hello, "--port", "0") as session:
        url = endpoint(await session.ready())

        def told() -> list[str]:
            return [e["code"] for e in session.events if e["code"] == "error" or e["code"].startswith("reload.")]

        save(handler, "def ee(\n")  # nobody has called it yet
        failed = await session.event("reload.failed")
        assert (failed["kind"], failed["files"]) == ("code", ["functions/hello.py"])
        (error,) = (e for e in session.events if e["code"] == "error")
        assert "(hello.py, line 1)" in error["message"]
        assert f'File "{handler}" Line 1' in error["context"]
        save(handler, "def handler(event, context):\n    return 'one'\n")
        assert (await fetch("GET", url)).text == "one"  # most likely before anybody has watched
        await session.event("reload.finished")
        save(handler, "def handler(event, context):\n    return 'two'\n")
        await session.event("reload.finished")
        assert (await fetch("GET", url)).text == "two"
        assert told() == ["error", "reload.failed", "reload.finished", "reload.finished"]


async def test_a_port_that_is_taken_is_noticed_before_anything_is_made(hello: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = await kite("dev", "--local", "--port", str(port), "--output", "json", cwd=hello)
    assert finished.code == 1
    events = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [(event["code"], event.get("error")) for event in events if not event["code"].startswith("dev.")] == [
        ("error", "port-in-use")
    ]
    assert events[0]["message"].startswith(f"the first API cannot be served on port `{port}`: ")
