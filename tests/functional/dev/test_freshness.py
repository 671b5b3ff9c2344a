"""The gate against real files; the reload is played by the test."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from skykite.dev.freshness import FreshnessGate, FrontGate, GatedInvoker, PolitelyAsking
from skykite.model.invocation import Invocation, Outcome, Report, Succeeded, Trigger
from skykite.model.names import FunctionId, RequestId


class Answering:
    async def invoke(self, invocation: Invocation) -> Outcome:
        return Succeeded(payload=b"1", report=Report(duration_ms=0))


def from_the_cloud() -> Invocation:
    return Invocation(
        request_id=RequestId("r"), function=FunctionId("S/F"), payload=b"{}", trigger=Trigger(kind="event")
    )


async def passing(gate: FreshnessGate) -> bool:
    """A request from outside and an invocation out of the cloud, through the gate."""
    front = FrontGate(gate)
    if not front.is_open():
        await front.wait()
    outcome = await GatedInvoker(gate, Answering()).invoke(from_the_cloud())
    return isinstance(outcome, Succeeded)


def settled(path: Path) -> tuple[FreshnessGate, list[str]]:
    calls: list[str] = []
    gate = FreshnessGate(lambda: calls.append("stale"))
    gate.settle(gate.take_marks([path]))
    return gate, calls


async def held(task: asyncio.Task[bool]) -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


async def test_an_invocation_passes_while_nothing_was_saved(tmp_path: Path) -> None:
    gate, calls = settled(tmp_path / ".env")
    assert await passing(gate)
    assert calls == []


async def test_an_invocation_after_a_save_waits_until_the_new_version_runs(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    gate, calls = settled(path)
    path.write_text("A=1")
    task = asyncio.create_task(passing(gate))
    assert await held(task)
    assert calls == ["stale"]
    gate.enter("deploying")
    assert await held(task)
    gate.settle(gate.take_marks([path]))
    assert await task


async def test_a_save_with_old_times_and_the_same_size_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("a = 1")
    gate, _ = settled(path)
    before = path.stat()
    path.write_text("a = 2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert gate.must_wait(from_outside=True)


async def test_a_deleted_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1")
    gate, _ = settled(path)
    path.unlink()
    assert gate.stale() == (path,)


async def test_a_second_save_during_the_reload_keeps_holding(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    gate, calls = settled(path)
    path.write_text("A=1")
    task = asyncio.create_task(passing(gate))
    assert await held(task)
    marks = gate.take_marks([path])
    path.write_text("A=22")
    gate.settle(marks)
    assert await held(task)
    assert calls == ["stale", "stale"]
    gate.settle(gate.take_marks([path]))
    await task


async def test_a_deployment_never_waits_for_a_function_that_waits_for_it(tmp_path: Path) -> None:
    gate, _ = settled(tmp_path / ".env")
    gate.enter("deploying")
    assert not gate.must_wait(from_outside=False)
    assert gate.must_wait(from_outside=True)


async def test_an_open_question_holds_nobody_up(tmp_path: Path) -> None:
    gate, _ = settled(tmp_path / ".env")
    gate.enter("deploying")
    asked, answer = asyncio.Event(), asyncio.Event()

    class User:
        async def confirm(self, question: str, message: str, *, default: bool) -> bool:
            asked.set()
            await answer.wait()
            return True

    question = asyncio.create_task(PolitelyAsking(gate, User()).confirm("q", "really?", default=False))
    await asked.wait()
    assert not gate.must_wait(from_outside=True)
    answer.set()
    assert await question
    assert gate.must_wait(from_outside=True)
