"""Functions that go while something is under way for them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from kit.runtime import FunctionProject, eventually, invocation_of
from skykite.model.invocation import Failed


def record_failures() -> list[dict[str, Any]]:
    """What goes wrong in callbacks of the loop, where no test sees it."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    return failures


async def test_what_waits_while_a_worker_is_ended_by_a_stop_starts_no_other(project: FunctionProject) -> None:
    failures = record_failures()
    project.write("app.py", "import time\ndef handler(e, c):\n    print('in', flush=True)\n    time.sleep(60)\n")
    await project.define("app.handler")
    calls = [asyncio.create_task(project.failure("app.handler")) for _ in range(12)]
    await eventually(lambda: "in" in project.output_so_far())
    began = time.monotonic()
    await project.runtime.stop()
    assert time.monotonic() - began < 0.8, "it waited for what never came"
    assert {(await call).kind for call in calls} == {"unavailable"}
    assert failures == []


async def test_an_invocation_whose_worker_is_stale_and_whose_function_is_gone_is_refused(
    project: FunctionProject, tmp_path: Path
) -> None:
    failures = record_failures()
    late = project.write("late.py", "VALUE = 1\n")
    project.write(
        "app.py",
        """
        import os, threading
        from pathlib import Path
        def read():
            import late
            Path(os.environ["DONE"]).touch()
        def handler(event, context):
            if event: threading.Timer(0.05, read).start()
        """,
    )
    done = tmp_path / "done"
    await project.define("app.handler", environment={"DONE": str(done)})
    assert await project.result("app.handler", True) is None
    await eventually(done.exists)  # after its answer, so that only the worker knows of it
    late.write_text("VALUE = 'another'\n")
    running = asyncio.create_task(project.runtime.invoke(invocation_of("app.handler", False)))
    await asyncio.sleep(0)  # it is on its way to the worker
    await project.runtime.configure([])
    outcome = await asyncio.wait_for(running, 10)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.hint) == ("unavailable", "the function was removed")
    assert failures == []
