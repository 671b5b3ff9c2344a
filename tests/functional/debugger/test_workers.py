"""Breakpoints in workers, seen from the editor. debugpy's adapter, workers and interpreters are real."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from functional.debugger.conftest import Host
from kit.dap import Breakpoint

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = """\
def handler(event, context):
    name = event["name"]
    text = f"Hello, {name}"
    return text
"""

FORKS = """\
import multiprocessing, threading

def work(results):
    results.put("worked")

def handler(event, context):
    stop = threading.Event()
    helper = threading.Thread(target=stop.wait)
    helper.start()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=work, args=(results,))
    process.start()
    value = results.get()
    process.join()
    stop.set()
    return value
"""


def interpreters(*versions: str) -> list[str]:
    """Those of these versions that are on this machine, with nothing of Skykite's in them."""
    folders = [*Path.home().glob(".pyenv/versions/*/bin"), *(Path(folder) for folder in os.get_exec_path())]
    found: dict[str, str] = {}
    for folder in folders:
        for version in versions:
            python = folder / f"python{version}"
            if version not in found and python.is_file() and folder.name != "shims":
                found[version] = str(python)
    return list(found.values())


async def test_a_breakpoint_stops_a_worker_and_shows_the_event_in_every_python(host: Host) -> None:
    path = host.write("hello.py", HELLO)
    await host.window.set_breakpoints(path, 3)
    for python in (sys.executable, *interpreters("3.9", "3.13")):
        call = await host.call(path, {"name": "Ann"}, python)
        stop = await host.window.stopped()
        assert (stop.reason, stop.top.name, stop.top.path, stop.top.line) == ("breakpoint", "handler", str(path), 3)
        assert await stop.evaluate("event") == "{'name': 'Ann'}"
        assert await stop.locals() == {"context": "None", "event": "{'name': 'Ann'}", "name": "'Ann'"}
        await stop.step_over()
        stop = await host.window.stopped()
        assert (stop.reason, stop.top.line, await stop.evaluate("text")) == ("step", 4, "'Hello, Ann'")
        await stop.resume()
        assert await call.end() == [
            {"say": "suspended"},
            {"say": "resumed"},
            {"say": "suspended"},
            {"say": "resumed"},
            {"say": "result", "value": "Hello, Ann"},
            {"say": "exit", "code": 0},
        ]
        assert call.said[0]["reason"] is None
        assert call.said[0]["changed"] == []  # no variable of the debugger's in the function's environment
        await host.window.until(lambda: host.window.workers == [], "end of the worker's session")


async def test_each_worker_is_a_session_of_its_own_and_the_code_it_loads_is_the_saved_one(host: Host) -> None:
    path = host.write("ann.py", HELLO)
    other = host.write("bob.py", HELLO.replace("Hello", "Bye"))
    await host.window.set_breakpoints(path, 3)
    await host.window.set_breakpoints(other, 3)
    calls = [await host.call(path, {"name": "Ann"}), await host.call(other, {"name": "Bob"})]
    stops = [await host.window.stopped(), await host.window.stopped()]
    assert sorted(stop.top.path for stop in stops) == [str(path), str(other)]
    assert len({stop.session.pid for stop in stops}) == 2
    for stop in stops:
        await stop.resume()
    assert [(await call.hears("result"))["value"] for call in calls] == ["Hello, Ann", "Bye, Bob"]

    host.write("ann.py", "import json\n\n" + HELLO.replace("Hello", "Good day"))
    await host.window.set_breakpoints(path, 5)
    call = await host.call(path, {"name": "Ann"})
    stop = await host.window.stopped()
    assert (stop.top.path, stop.top.line) == (str(path), 5)
    await stop.resume()
    assert (await call.hears("result"))["value"] == "Good day, Ann"


async def test_conditions_and_log_points_work(host: Host) -> None:
    window = host.window
    path = host.write("conditions.py", HELLO)
    await window.set_breakpoints(
        path, Breakpoint(line=2, condition="event['name'] == 'Bob'"), Breakpoint(line=3, log_message="it is {name}")
    )
    calls = [await host.call(path, {"name": name}) for name in ("Ann", "Bob")]
    stop = await window.stopped()
    assert (stop.top.line, await stop.evaluate("event['name']")) == (2, "'Bob'")
    await stop.resume()
    assert [(await call.hears("result"))["value"] for call in calls] == ["Hello, Ann", "Hello, Bob"]
    await window.until(lambda: {"it is Ann\n", "it is Bob\n"} <= set(window.output), "message of the log point")


async def test_threads_that_stop_together_are_one_suspension_and_forks_of_user_code_speak_for_themselves(
    host: Host,
) -> None:
    path = host.write("forks.py", FORKS)
    await host.window.set_breakpoints(path, 4, 17)
    call = await host.call(path)
    in_fork = await host.window.stopped()
    worker = (await call.hears("attached"))["pid"]
    assert (in_fork.top.line, in_fork.session.pid != worker) == (4, True)
    await in_fork.resume()
    in_worker = await host.window.stopped()
    assert (in_worker.top.line, in_worker.session.pid) == (17, worker)
    await in_worker.resume()
    assert await call.end() == [
        {"say": "suspended"},
        {"say": "resumed"},
        {"say": "result", "value": "worked"},
        {"say": "exit", "code": 0},
    ]


async def test_a_stopped_worker_that_is_killed_ends_its_session_and_no_other(host: Host) -> None:
    path = host.write("killed.py", HELLO)
    await host.window.set_breakpoints(path, 3)
    call = await host.call(path, {"name": "Ann"})
    stop = await host.window.stopped()
    assert stop.session.pid is not None
    os.kill(stop.session.pid, signal.SIGKILL)
    await host.window.until(stop.session.ended.is_set, "end of the session")
    assert (await call.hears("exit"))["code"] == -signal.SIGKILL
    assert not host.window.sessions[0].ended.is_set()


async def test_a_stopped_worker_goes_on_when_its_session_is_disconnected(host: Host) -> None:
    path = host.write("disconnected.py", HELLO)
    await host.window.set_breakpoints(path, 3)
    call = await host.call(path, {"name": "Ann"})
    await (await host.window.stopped()).session.disconnect()
    assert await call.end() == [
        {"say": "suspended"},
        {"say": "resumed"},
        {"say": "result", "value": "Hello, Ann"},
        {"say": "exit", "code": 0},
    ]


async def test_a_worker_that_the_editor_does_not_care_for_says_so_and_runs(host: Host) -> None:
    path = host.write("ignored.py", HELLO)
    host.window.subprocesses = "ignored"
    call = await host.call(path, {"name": "Ann"}, limit=1)
    assert (await call.hears("attached"))["reason"] == "the debugger had not set its breakpoints after 1 s"
    host.window.subprocesses = "by request"
    assert (await call.hears("result"))["value"] == "Hello, Ann"
