"""Debuggers of Node: one address for all workers, breakpoints before any code runs, and time that stands still."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from kit.cdp import attach, targets
from kit.node import running_node_project
from kit.runtime import FunctionProject, RealClock, RecordedEvents, eventually
from skykite.errors import SkykiteError
from skykite.model.events import DebuggerAttached
from skykite.model.invocation import Succeeded
from skykite.runtime.inspector import Inspector
from skykite.synth.node import find_node


@dataclass
class Inspected:
    project: FunctionProject
    inspector: Inspector

    async def define(self, name: str, source: str, **changes: object) -> None:
        self.project.write(f"{name}.mjs", source)
        await self.project.define(f"{name}.handler", kind="node", runtime="nodejs24.x", **changes)

    def invoke(self, name: str, event: object = None) -> asyncio.Task[object]:
        return asyncio.create_task(self.project.result(f"{name}.handler", event))


@pytest.fixture
async def inspected(tmp_path: Path) -> AsyncIterator[Inspected]:
    inspector = Inspector(0, find_node=lambda: find_node({}), clock=RealClock(), events=RecordedEvents())
    async with running_node_project(tmp_path, inspector=inspector) as project:
        yield Inspected(project, inspector)


STOPS = """
export const handler = async (event, context) => {
  const before = context.getRemainingTimeInMillis();
  const doubled = event * 2;
  return [doubled, before - context.getRemainingTimeInMillis()];
};
"""


async def test_breakpoint_holds_an_invocation_beyond_its_timeout(inspected: Inspected) -> None:
    await inspected.define("app", STOPS, timeout_s=0.3)
    async with attach(inspected.inspector.port) as debugger:
        answer = inspected.invoke("app", 21)
        worker = await debugger.next_worker(("app.mjs", 3))
        paused = await debugger.next("Debugger.paused")
        frame = paused.params["callFrames"][0]
        shown = await debugger.ask(
            "Debugger.evaluateOnCallFrame", worker, callFrameId=frame["callFrameId"], expression="event"
        )
        assert (frame["functionName"], shown["result"]["value"]) == ("handler", 21)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(answer), 1.0)
        await debugger.ask("Debugger.resume", worker)
        doubled, spent = await answer  # type: ignore[misc]
    assert doubled == 42
    assert spent < 250  # of the handler's own clock, which was held for a second
    assert inspected.project.output() == ""
    assert any(isinstance(event, DebuggerAttached) for event in inspected.project.events.events)


async def test_stepping_keeps_the_clock_still(inspected: Inspected) -> None:
    await inspected.define("app", STOPS, timeout_s=0.3)
    async with attach(inspected.inspector.port) as debugger:
        answer = inspected.invoke("app", 1)
        worker = await debugger.next_worker(("app.mjs", 3))
        for command in ("stepOver", "stepOver", "resume"):  # each once it is held: Node takes commands as they come
            await debugger.next("Debugger.paused")
            await asyncio.wait([answer], timeout=0.2)
            await debugger.ask(f"Debugger.{command}", worker)
        doubled, spent = await answer  # type: ignore[misc]
    assert doubled == 2
    assert spent < 250


async def test_breakpoints_survive_a_save_and_stop_in_the_new_code(inspected: Inspected) -> None:
    await inspected.define("app", STOPS)
    async with attach(inspected.inspector.port) as debugger:
        for factor in (2, 3):
            inspected.project.write("app.mjs", STOPS.replace("* 2", f"* {factor}"))
            answer = inspected.invoke("app", 10)
            worker = await debugger.next_worker(("app.mjs", 3))
            await debugger.next("Debugger.paused")
            await debugger.ask("Debugger.resume", worker)
            assert (await answer)[0] == 10 * factor  # type: ignore[index]


async def test_breakpoint_at_the_top_of_a_module_stops_before_it_runs(inspected: Inspected) -> None:
    await inspected.define(
        "app", "globalThis.loaded = true;\nexport const handler = async () => loaded;", timeout_s=0.3
    )
    async with attach(inspected.inspector.port) as debugger:
        answer = inspected.invoke("app")
        worker = await debugger.next_worker(("app.mjs", 1))
        await debugger.next("Debugger.paused")
        value = await debugger.ask("Runtime.evaluate", worker, expression="typeof loaded")
        assert value["result"]["value"] == "undefined"
        await debugger.ask("Debugger.resume", worker)
        assert await answer is True


async def test_several_functions_are_held_at_once(inspected: Inspected) -> None:
    await inspected.define("one", STOPS)
    await inspected.define("two", STOPS)
    async with attach(inspected.inspector.port) as debugger:
        first, second = inspected.invoke("one", 1), inspected.invoke("two", 2)
        workers = [await debugger.next_worker((".mjs", 3)) for _ in range(2)]
        held = {(await debugger.next("Debugger.paused")).worker for _ in range(2)}
        assert held == set(workers)
        names = {target["title"].partition(" ")[0] for target in await targets(inspected.inspector.port)}
        assert names == {"kite", "one.handler", "two.handler"}
        for worker in workers:
            await debugger.ask("Debugger.resume", worker)
        assert [(await first)[0], (await second)[0]] == [2, 4]  # type: ignore[index]


async def test_worker_that_runs_already_can_be_stopped_by_who_comes_later(inspected: Inspected) -> None:
    await inspected.define("app", STOPS, timeout_s=0.3)
    await inspected.invoke("app", 1)
    async with attach(inspected.inspector.port) as debugger:
        worker = await debugger.next_worker(("app.mjs", 3))
        answer = inspected.invoke("app", 1)
        await debugger.next("Debugger.paused")
        await asyncio.wait([answer], timeout=0.5)
        await debugger.ask("Debugger.resume", worker)
        await answer


async def test_debugger_that_goes_lets_go_of_what_it_held(inspected: Inspected) -> None:
    await inspected.define("app", STOPS)
    async with attach(inspected.inspector.port) as debugger:
        answer = inspected.invoke("app", 1)
        await debugger.next_worker(("app.mjs", 3))
        await debugger.next("Debugger.paused")
    assert (await answer)[0] == 2  # type: ignore[index]


async def test_debugger_that_goes_before_it_let_a_worker_run(inspected: Inspected) -> None:
    await inspected.define("app", STOPS)
    async with attach(inspected.inspector.port) as debugger:
        answer = inspected.invoke("app", 1)
        await debugger.next("NodeWorker.attachedToWorker")
    assert (await answer)[0] == 2  # type: ignore[index]


async def test_debugger_may_attach_to_one_worker(inspected: Inspected) -> None:
    await inspected.define("app", STOPS)
    await inspected.invoke("app", 1)
    (url,) = [one["webSocketDebuggerUrl"] for one in await targets(inspected.inspector.port) if one["title"] != "kite"]
    async with connect(url, proxy=None) as worker:
        await worker.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": "6 * 7"}}))
        assert json.loads(await worker.recv())["result"]["result"]["value"] == 42


async def test_process_that_fails_while_debugged_ends_at_once(inspected: Inspected) -> None:
    source = """
    export const handler = async (bad) => {
      if (bad) { Promise.reject(new Error('x')); await new Promise((done) => setTimeout(done, 5000)); }
      return 1;
    };
    """
    await inspected.define("app", source)
    async with attach(inspected.inspector.port) as debugger:
        answer = inspected.invoke("app")
        worker = await debugger.next_worker()
        assert await answer == 1
        await inspected.project.invoke("app.handler", True)
        await debugger.next("NodeWorker.detachedFromWorker", lambda heard: heard.params["sessionId"] == worker)
    await eventually(lambda: "Waiting" not in inspected.project.output_so_far())


async def test_without_a_debugger_nothing_waits(inspected: Inspected) -> None:
    await inspected.define("app", STOPS)
    outcome = await inspected.project.invoke("app.handler", 1)
    assert isinstance(outcome, Succeeded)
    assert outcome.report.init_ms is not None
    assert outcome.report.init_ms < 5000


async def test_pages_of_a_browser_are_refused(inspected: Inspected) -> None:
    address = f"http://127.0.0.1:{inspected.inspector.port}/json/list"
    request = urllib.request.Request(address, headers={"Host": "evil.example:9229"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        await asyncio.to_thread(urllib.request.urlopen, request, timeout=10)


async def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        inspector = Inspector(port, find_node=lambda: find_node({}), clock=RealClock(), events=RecordedEvents())
        with pytest.raises(SkykiteError, match=f"port {port}, where debuggers of Node are to find functions, is taken"):
            await inspector.start()
