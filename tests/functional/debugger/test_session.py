"""The process under the debugger and the one it starts beside itself: F5, the terminal, Ctrl-C, Stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

from functional.debugger.conftest import HOST, LAUNCH, Host, run_host
from functional.debugger.test_workers import HELLO
from kit.dap import editor
from kit.kite import alive, descendants
from skykite.runtime.debugger import DEBUGGER_VARIABLE, DebuggerEndpoint, detect_debugger, run_outside_debugger

LOOP = """\
import threading

def handler(event, context):
    wait = threading.Event()
    while not wait.is_set():
        wait.wait(0.01)
    return "done"
"""


async def all_end(processes: set[int]) -> None:
    async with asyncio.timeout(10):
        while alive(processes):
            await asyncio.sleep(0.02)


async def test_stop_ends_the_untraced_process_cleanly_though_the_traced_one_is_killed(tmp_path: Path) -> None:
    async with run_host(tmp_path, subprocesses="by event") as host:
        assert {key: host.facts[key] for key in ("debugger", "traced", "variable")} == {
            "debugger": True,
            "traced": False,
            "variable": False,
        }
        path = host.write("hello.py", HELLO)
        await host.window.set_breakpoints(path, 3)
        call = await host.call(path, {"name": "Ann"})
        assert await (await host.window.stopped()).evaluate("event") == "{'name': 'Ann'}"
        assert host.window.terminal_process is not None
        started = {host.facts["pid"], *descendants(host.window.terminal_process.pid)}
        await host.window.press_stop()
        await host.window.sees("host stops cleanly", timeout=10)
        await all_end(started)
        call.writer.close()


async def test_ctrl_c_in_the_terminal_reaches_the_untraced_process_and_its_status_is_the_session_s(
    tmp_path: Path,
) -> None:
    async with run_host(tmp_path, {"subProcess": False}) as host:
        path = host.write("hello.py", HELLO)
        await host.window.set_breakpoints(path, 3)
        call = await host.call(path, {"name": "Ann"})
        await (await host.window.stopped()).resume()
        assert (await call.end())[-2:] == [{"say": "result", "value": "Hello, Ann"}, {"say": "exit", "code": 0}]
        host.window.type("what the user answers\n")
        await host.window.sees("host was told: what the user answers")
        host.window.type("\x03")
        await host.window.sees("host stops cleanly", timeout=10)
        await host.window.until(host.window.sessions[0].ended.is_set, "end of the session")
        assert host.window.sessions[0].exit_code == 3
        assert host.window.stops.empty()  # leaving with a status is no exception to stop at


async def test_a_client_that_attaches_late_debugs_the_workers_that_run_and_its_loss_harms_none(tmp_path: Path) -> None:
    """`python -m debugpy --listen`, for editors that attach instead of launching."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = {"host": "127.0.0.1", "port": server.getsockname()[1]}
    path = tmp_path / "hello.py"
    path.write_text(LOOP)
    facts = tmp_path / "facts.json"
    listen = ["-Xfrozen_modules=off", "-m", "debugpy", "--listen", f"{address['host']}:{address['port']}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *listen, str(HOST), str(facts),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"host is ready\n"
    async with editor(tmp_path) as window:
        host = Host(window, json.loads(facts.read_text()), tmp_path)
        early = await host.call(path)
        assert (await early.hears("attached"))["reason"] is None
        await window.set_breakpoints(path, 6)
        configuration = {"name": "attach", "type": "debugpy", "request": "attach", "connect": address}
        await window.start(configuration)
        stop = await window.stopped()
        assert stop.top.path == str(path)
        await stop.evaluate("wait.set()")
        await stop.resume()
        assert (await early.hears("result"))["value"] == "done"

        late = await host.call(path)
        stop = await window.stopped()
        await stop.evaluate("wait.set()")
        for session in window.sessions:
            await session.disconnect()
        assert (await late.hears("result"))["value"] == "done"
    os.kill(host.facts["pid"], signal.SIGTERM)
    assert await process.wait() == 128 + signal.SIGTERM


def test_where_no_debugger_is_nothing_happens() -> None:
    environment = {"PATH": "/bin"}
    run_outside_debugger(["dev"], environment, program=["/nowhere"])
    assert detect_debugger(environment) is None
    assert environment == {"PATH": "/bin"}


def test_the_endpoint_survives_the_way_to_the_untraced_process() -> None:
    endpoint = DebuggerEndpoint(
        host="127.0.0.1",
        port=1,
        access_token="a",
        server_token=None,
        parent_pid=2,
        debugpy_path="/d",
        options={"PYDEVD_X": "1"},
    )
    environment = {DEBUGGER_VARIABLE: json.dumps({"endpoint": json.loads(endpoint.encode()), "lifeline": None})}
    assert detect_debugger(environment) == endpoint
    assert environment == {}


def test_every_python_template_and_the_guide_have_the_launch_configuration_that_is_tested() -> None:
    root = Path(__file__).parents[3]
    tested = LAUNCH.read_text()
    templates = [folder for folder in LAUNCH.parents[2].iterdir() if (folder / "kite.toml").exists()]
    templates = [folder for folder in templates if folder.name != "typescript"]  # runs in Node: another debugger
    assert len(templates) >= 2
    for folder in (*templates, root / "examples/hello"):
        assert (folder / ".vscode/launch.json").read_text() == tested
    assert f"```json\n{tested}```\n" in (root / "docs/guides/debugging.md").read_text()
