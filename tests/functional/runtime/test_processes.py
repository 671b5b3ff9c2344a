"""No process is ever left behind, and nothing a worker does harms the session."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kit.runtime import FunctionProject, eventually, invocation_of, is_running, running_project, write_file
from skykite.model.events import InvocationFinished, InvocationStarted
from skykite.model.invocation import Failed, Trigger
from skykite.model.names import RequestId
from skykite_lambda.wire import failures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at processes as POSIX shows them")

WITH_CHILD = """
import os, subprocess, time
def handler(event, context):
    child = subprocess.Popen(["sleep", "100"])
    if event == "hang":
        print(os.getpid(), child.pid, flush=True)
        while True: pass
    return [os.getpid(), child.pid]
"""


async def test_stop_leaves_nothing_within_a_second(project: FunctionProject) -> None:
    project.write("app.py", WITH_CHILD)
    await project.define("app.handler")
    pids = await project.result("app.handler")
    in_flight = asyncio.create_task(project.failure("app.handler", "hang"))
    await eventually(lambda: len(project.events.events) >= 4)
    started = time.monotonic()
    await project.runtime.stop()
    assert time.monotonic() - started < 1
    assert (await in_flight).kind == "unavailable"
    await eventually(lambda: not any(map(is_running, pids)), within=1)
    assert workers_of(os.getpid()) == []


async def test_what_came_over_the_bridge_is_told_as_its_caller_is_when_all_is_stopped(tmp_path: Path) -> None:
    async with running_project(tmp_path, max_workers=1) as project:
        project.write("app.py", WITH_CHILD)
        await project.define("app.handler")
        over_the_bridge = invocation_of(
            "app.handler", "hang", bridge_ms=1.0, trigger=Trigger(kind="http", label="GET /")
        )
        runs = asyncio.create_task(project.runtime.invoke(over_the_bridge))
        await eventually(project.output_so_far)
        hung_up = asyncio.create_task(
            project.runtime.invoke(replace(over_the_bridge, request_id=RequestId("not begun")))
        )
        await eventually(lambda: len([e for e in project.events.events if isinstance(e, InvocationStarted)]) == 2)
        project.runtime.stopping()
        hung_up.cancel()
        await asyncio.wait({hung_up})
        await project.runtime.stop()
        outcome = await runs
        assert isinstance(outcome, Failed)
        assert outcome.error_type == "LiveDevLost"
        finished = [event for event in project.events.events if isinstance(event, InvocationFinished)]
        assert {event.request_id for event in finished} == {over_the_bridge.request_id, "not begun"}
        for event in finished:
            assert event.error is not None
            assert (event.error.type, event.http_status) == ("LiveDevLost", 503)
            assert event.error.message == failures.ended().message


@pytest.mark.skipif(sys.platform != "linux", reason="such processes are found through /proc")
async def test_stop_ends_what_a_function_put_into_a_session_of_its_own(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os, subprocess
        def handler(event, context):
            read, write = os.pipe()
            if os.fork() == 0:  # a daemon as Unix has made them: nobody's child, in no group of ours
                os.setsid()
                if os.fork() == 0:
                    os.write(write, str(os.getpid()).encode())
                    os.execvp("sleep", ["sleep", "100"])
                os._exit(0)
            detached = subprocess.Popen(["sleep", "100"], start_new_session=True)
            return [int(os.read(read, 20)), detached.pid]
        """,
    )
    await project.define("app.handler")
    pids = await project.result("app.handler")
    assert all(map(is_running, pids))
    await project.runtime.stop()
    await eventually(lambda: not any(map(is_running, pids)), within=1)


async def test_timeout_ends_what_the_function_started(project: FunctionProject) -> None:
    project.write("app.py", WITH_CHILD)
    await project.define("app.handler", timeout_s=0.5)
    await project.failure("app.handler", "hang")
    pids = [int(pid) for pid in project.output().split()]
    assert len(pids) == 2
    await eventually(lambda: not any(map(is_running, pids)), within=1)


async def test_crash_ends_what_the_function_started(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os, subprocess
        def handler(event, context):
            print(subprocess.Popen(["sleep", "100"]).pid)
            os._exit(1)
        """,
    )
    await project.define("app.handler")
    await project.failure("app.handler")
    pid = int(project.output())
    await eventually(lambda: not is_running(pid), within=1)


@pytest.mark.parametrize("mode", ["fork", "spawn"])
async def test_killed_session_leaves_no_worker(tmp_path: Path, mode: str) -> None:
    write_file(tmp_path, "app.py", WITH_CHILD)
    script = f"""
    import asyncio, sys
    from pathlib import Path
    sys.path[:0] = {sys.path!r}
    from kit.runtime import running_project
    async def main():
        async with running_project(Path({str(tmp_path)!r}), mode={mode!r}) as project:
            await project.define("app.handler")
            print(*await project.result("app.handler"), *{{t for t in [project.starter._zygote] if t}} and
                  [project.starter._zygote._process.pid], flush=True)
            asyncio.create_task(project.invoke("app.handler", "hang"))
            while not project.output_so_far(): await asyncio.sleep(0.01)
            print(project.output_so_far().strip(), flush=True)
            await asyncio.sleep(100)
    asyncio.run(main())
    """
    file = write_file(tmp_path.parent, f"{tmp_path.name}-session.py", script)
    session = await asyncio.create_subprocess_exec(sys.executable, file, stdout=subprocess.PIPE)
    assert session.stdout is not None
    pids = [int(pid) for _ in range(2) for pid in (await session.stdout.readline()).split()]
    assert len(pids) >= 4
    assert all(map(is_running, pids))
    session.send_signal(signal.SIGKILL)
    await session.wait()
    await eventually(lambda: not any(map(is_running, pids)), within=2)


async def test_interrupt_in_the_terminal_does_not_reach_workers(project: FunctionProject) -> None:
    project.write("app.py", "import os\ndef handler(e, c): return [os.getpgrp(), os.getsid(0)]")
    await project.define("app.handler")
    group, session = await project.result("app.handler")
    assert group != os.getpgrp()
    assert session != os.getsid(0)


@pytest.mark.parametrize(
    "garbage", ["b'\\xff' * 100", "b'\\x13\\x00\\x00\\x00\\x02{}'", "b'\\x11\\x00\\x00\\x00\\x02[]'", "b'\\x01'"]
)
async def test_garbage_in_the_channel_ends_only_the_worker(project: FunctionProject, garbage: str) -> None:
    project.write(
        "app.py",
        f"""
        import os, stat, time
        def handler(event, context):
            if event:
                for fd in range(3, 64):
                    try:
                        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, {garbage})
                    except OSError: pass
                time.sleep(event)
            return "fine"
        """,
    )
    await project.define("app.handler", timeout_s=1)
    outcome = await project.invoke("app.handler", 5)
    assert isinstance(outcome, Failed)
    assert outcome.kind in ("exit", "timeout")
    assert await project.result("app.handler", 0) == "fine"


async def test_child_that_user_code_forks_cannot_answer_in_the_workers_place(project: FunctionProject) -> None:
    project.write(
        "app.py",
        """
        import os
        def handler(event, context):
            pid = os.fork()
            if pid == 0:
                return "child"
            os.waitpid(pid, 0)
            return "parent"
        """,
    )
    await project.define("app.handler")
    assert await project.result("app.handler") == "parent"
    assert await project.result("app.handler") == "parent"


async def test_loopback_channel_works_where_sockets_cannot_be_inherited(tmp_path: Path) -> None:
    """What Windows gets: a port and a token, and output read by a thread."""
    async with running_project(tmp_path, channel="loopback") as project:
        project.write(
            "app.py",
            """
            import sys
            def handler(event, context):
                for n in range(event): print(n)
                print("end", file=sys.stderr)
                return event
            """,
        )
        await project.define("app.handler")
        for count in (3, 20_000, 0):
            assert await project.result("app.handler", count) == count
            assert project.output() == "".join(f"{n}\n" for n in range(count)) + "end\n"
        project.write("app.py", "import os\ndef handler(e, c):\n    print('bye')\n    os._exit(1)")
        assert (await project.failure("app.handler")).kind == "exit"
        assert project.output() == "bye\n"


def workers_of(pid: int) -> list[int]:
    """Workers and zygotes started by a process; whatever else the tests of this run have started does not count."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if is_running(int(child)) and b"skykite_lambda" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
