"""F5 in an editor on a project that `kite init` made: `kite dev --local` under debugpy, as its launch.json says."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from pathlib import Path

import pytest

from kit.dap import Editor, editor
from kit.http import Answer, fetch
from kit.kite import alive, clean_environment, descendants, dev, kite

STACK = """
from skykite import Api, App, Stack


class HelloStack(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
        Api(
            self,
            "Api",
            defaults={"function": {"timeout": 1}},
            routes={"GET /": "functions/hello.handler", "GET /bye": "functions/bye.handler"},
        )


def main(app: App) -> None:
    HelloStack(app, "HelloStack")
"""

HANDLER = """
from functions.words import greet


def handler(event, context):
    name = event["queryStringParameters"]["name"]
    text = greet("{word}", name)
    return {{"text": text, "remaining": context.get_remaining_time_in_millis()}}
"""

WORDS = """
def greet(word, name):
    line = f"{word}, {name}"
    return line
"""

TIMEOUT_S = 1


async def greeting_project(folder: Path) -> Path:
    """Two functions that say their word to somebody, and the module that they share."""
    made = await kite("init", "hello", "--template", "hello", cwd=folder)
    assert made.code == 0, made.stderr
    project = folder / "hello"
    (project / "stacks/app.py").write_text(STACK)
    for name, text in (("hello", HANDLER.format(word="Hello")), ("bye", HANDLER.format(word="Bye")), ("words", WORDS)):
        (project / f"functions/{name}.py").write_text(text)
    return project


async def held_for(seconds: float) -> None:
    """A person who looks at variables; there is no event to wait for, time itself is what is tested."""
    await asyncio.sleep(seconds)


async def test_f5_stops_at_breakpoints_past_the_timeout_after_saves_and_in_two_functions_at_once(
    tmp_path: Path,
) -> None:
    project = await greeting_project(tmp_path)
    hello, bye, words = (project / f"functions/{name}.py" for name in ("hello", "bye", "words"))

    async with editor(project, environment=clean_environment({"LOGNAME": "root"})) as window:
        await window.set_breakpoints(hello, 7)
        await window.run("kite dev --local")
        await window.sees("Name of your stage: ")  # the first time, as `root` is nobody's name
        window.type("ann\n")
        url = await endpoint(window)

        # The first request of a new worker stops, shows the event, is held past the timeout, and is answered.
        request = ask(url, "/?name=Ann")
        stop = await window.stopped()
        assert (stop.reason, stop.top.name, stop.top.path, stop.top.line) == ("breakpoint", "handler", str(hello), 7)
        assert [frame.path for frame in stop.frames] == [str(hello)]  # nothing of ours under it
        assert await stop.evaluate("event['queryStringParameters']") == "{'name': 'Ann'}"
        assert (await stop.locals())["name"] == "'Ann'"
        await held_for(2 * TIMEOUT_S)
        await stop.step_in()
        stop = await window.stopped()
        assert (stop.top.name, stop.top.path) == ("greet", str(words))
        await held_for(TIMEOUT_S)
        await stop.resume()
        answer = (await request).json()
        assert answer["text"] == "Hello, Ann"
        assert 0 < answer["remaining"] <= TIMEOUT_S * 1000

        # Saved code runs in a new worker, and stops there.
        first_worker = stop.session.pid
        hello.write_text("import json\n" + HANDLER.format(word="Good day"))
        await window.set_breakpoints(hello, 8)
        request = ask(url, "/?name=Bob")
        stop = await window.stopped()
        assert (stop.top.path, stop.top.line, await stop.evaluate("name")) == (str(hello), 8, "'Bob'")
        assert stop.session.pid != first_worker
        await held_for(2 * TIMEOUT_S)
        await stop.resume()
        assert (await request).json()["text"] == "Good day, Bob"

        # Two functions, and two requests of one, held at once.
        await window.set_breakpoints(bye, 7)
        requests = [ask(url, path) for path in ("/?name=Ann", "/?name=Bob", "/bye?name=Cid")]
        stops = [await window.stopped() for _ in requests]
        shown = [(stop.top.path, await stop.evaluate("name")) for stop in stops]
        assert sorted(shown) == [(str(bye), "'Cid'"), (str(hello), "'Ann'"), (str(hello), "'Bob'")]
        assert len({stop.session.pid for stop in stops}) == 3
        await held_for(2 * TIMEOUT_S)
        for stop in reversed(stops):
            await stop.resume()
        assert [(await request).json()["text"] for request in requests] == [
            "Good day, Ann",
            "Good day, Bob",
            "Bye, Cid",
        ]

        # A function that runs too long on its own still times out.
        await window.set_breakpoints(hello)
        hello.write_text("import time\n\ndef handler(event, context):\n    time.sleep(60)\n")
        assert (await ask(url, "/")).status in (500, 504)

        # Stop ends everything, in a moment, and cleanly.
        assert window.terminal_process is not None
        started = await processes(window)
        began = time.monotonic()
        await window.press_stop()
        await window.sees("stopped", 10)
        while alive(started) and time.monotonic() - began < 10:
            await asyncio.sleep(0.02)
        assert alive(started) == set()
        assert time.monotonic() - began < 2
        assert "Traceback" not in window.terminal.decode()


async def test_a_breakpoint_holds_an_invocation_that_came_over_the_bridge_past_its_timeout(tmp_path: Path) -> None:
    project = await greeting_project(tmp_path)
    hello = project / "functions/hello.py"
    async with editor(project, environment=clean_environment()) as window:
        await window.set_breakpoints(hello, 7)
        await window.run(
            "kite dev --local", {"args": ["dev", "--local", "--bridge", "--stage", "ann", "--output", "plain"]}
        )
        url = await endpoint(window)
        request = ask(url, "/?name=Ann")
        stop = await window.stopped()
        assert await stop.evaluate("event['queryStringParameters']") == "{'name': 'Ann'}"
        await held_for(3 * TIMEOUT_S)
        await stop.resume()
        assert (await request).json()["text"] == "Hello, Ann"
        await window.press_stop()
        await window.sees("stopped", 10)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_breakpoints_that_are_held_outlive_a_save_and_a_take_over(tmp_path: Path) -> None:
    """Each of the three is tested by itself; together: old code, new code, and another session's, at the same time."""
    ours = await greeting_project(tmp_path)
    theirs = shutil.copytree(ours, tmp_path / "theirs")
    (theirs / "functions/hello.py").write_text(HANDLER.format(word="Theirs"))
    hello = ours / "functions/hello.py"
    started = await kite("cloud", "start", cwd=ours)
    assert started.code == 0, started.stderr
    try:
        told = await kite("cloud", "env", "--format", "json", cwd=ours)
        variables = {name: value for name, value in json.loads(told.stdout).items() if value}
        async with editor(ours, environment=clean_environment()) as window:
            await window.set_breakpoints(hello, 7)
            await window.run(
                "kite dev --local", {"args": ["dev", "--local", "--bridge", "--stage", "ann", "--output", "plain"]}
            )
            url = await endpoint(window)
            before = ask(url, "/?name=Ann")
            old = await window.stopped()
            hello.write_text(HANDLER.format(word="Saved"))
            after = ask(url, "/?name=Ben")
            new = await window.stopped()
            async with dev(theirs, "--stage", "ann", env=variables, local=False) as second:
                await second.ready()
                await window.sees("taken over by", 30)
                assert (await ask(url, "/?name=Cy")).json()["text"] == "Theirs, Cy"
                await held_for(2 * TIMEOUT_S)
                await new.resume()
                assert (await after).json()["text"] == "Saved, Ben"
                await old.resume()
                assert (await before).json()["text"] == "Hello, Ann"
                await window.sees("stopped", 30)
    finally:
        assert (await kite("cloud", "stop", cwd=ours)).code == 0


def ask(url: str, path: str) -> asyncio.Task[Answer]:
    return asyncio.create_task(fetch("GET", url + path, timeout=60))


async def endpoint(window: Editor) -> str:
    found = re.compile(rb"http://127\.0\.0\.1:\d+")
    await window.until(lambda: found.search(window.terminal) is not None, "endpoint in the terminal", 90)
    match = found.search(window.terminal)
    assert match is not None
    return match[0].decode()


async def processes(window: Editor) -> set[int]:
    """`kite` and all below it: its process, unlike the one that debugpy traces, leads a group of its own."""
    assert window.terminal_process is not None
    return descendants(window.terminal_process.pid)
