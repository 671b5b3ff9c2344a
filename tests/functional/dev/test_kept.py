"""The kept cloud seen from outside: found while its keeper lives, missed when that was killed, stopped in any case."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skykite.dev.control import ControlPlace
from skykite.dev.kept import DiedKeeper, KeptCloud, find_keeper, forget_died, hold_keeper, kept_cloud, wait_for_keeper
from skykite.errors import SkykiteError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SRC = Path(__file__).resolve().parents[3] / "src"
HOLDER = textwrap.dedent(
    """
    import pathlib, sys, time
    from datetime import datetime, UTC
    sys.path.insert(0, {src!r})
    from skykite.cloud.filelock import FileLock
    from skykite.dev.control import ControlPlace
    from skykite.dev.kept import hold_keeper
    directory = pathlib.Path({directory!r})
    (directory / "cloud").mkdir(exist_ok=True)
    cloud = FileLock(directory / "cloud" / "lock", at=1 << 30)
    assert cloud.acquire()
    with hold_keeper(directory, now=datetime.now(UTC), log="/l") as holder:
        if {port}:
            holder.ready(ControlPlace(port={port}, token="t"))
        print("held", flush=True)
        time.sleep(60)
    """
)


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def hold(processes: ExitStack, directory: Path, *, port: int = 1) -> int:
    """A process that holds the directory and hears nothing; its number."""
    script = HOLDER.format(src=str(SRC), directory=str(directory), port=port)
    process = processes.enter_context(
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    )
    processes.callback(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process.pid


def test_a_keeper_is_found_while_it_lives_and_forgotten_when_it_left(tmp_path: Path) -> None:
    assert find_keeper(tmp_path) is None
    with hold_keeper(tmp_path, now=NOW, log="/l") as holder:
        found = find_keeper(tmp_path)
        assert isinstance(found, KeptCloud)
        assert (found.note.pid, found.note.since, found.note.log, found.ready) == (os.getpid(), NOW, "/l", False)
        assert kept_cloud(tmp_path) is None  # nothing can be asked of it yet
        holder.ready(ControlPlace(port=1, token="t"))
        assert kept_cloud(tmp_path) is not None
        holder.left()
    assert find_keeper(tmp_path) is None


def test_the_note_with_its_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    with hold_keeper(tmp_path, now=NOW, log=None) as holder:
        holder.ready(ControlPlace(port=1, token="t"))
        assert (tmp_path / "keeper.json").stat().st_mode & 0o077 == 0


def test_a_second_keeper_is_told_who_the_first_is(tmp_path: Path, processes: ExitStack) -> None:
    pid = hold(processes, tmp_path)

    with pytest.raises(SkykiteError) as refused, hold_keeper(tmp_path, now=NOW, log=None):
        pass

    assert str(refused.value) == (f"cloud-kept: process {pid} keeps the embedded cloud of `{tmp_path}` running already")


def test_a_killed_keeper_is_missed_until_that_is_told(tmp_path: Path, processes: ExitStack) -> None:
    pid = hold(processes, tmp_path)
    os.kill(pid, signal.SIGKILL)
    processes.close()

    died = find_keeper(tmp_path)

    assert isinstance(died, DiedKeeper)
    assert (died.note.pid, died.note.log) == (pid, "/l")
    forget_died(tmp_path)
    assert find_keeper(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
async def test_a_keeper_that_does_not_answer_is_killed(tmp_path: Path, processes: ExitStack) -> None:
    pid = hold(processes, tmp_path)
    kept = kept_cloud(tmp_path)
    assert kept is not None
    with pytest.raises(SkykiteError) as silent:
        await kept.status()
    assert str(silent.value) == f"cloud-unresponsive: the kept cloud in process {pid} does not answer"
    assert silent.value.hint == "`kite cloud stop` ends it; its log is `/l`"

    assert await kept.stop() == "killed"

    assert find_keeper(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
async def test_a_keeper_of_the_same_place_that_came_later_is_not_killed_for_it(
    tmp_path: Path, processes: ExitStack
) -> None:
    first = hold(processes, tmp_path)
    kept = kept_cloud(tmp_path)
    assert kept is not None
    os.kill(first, signal.SIGKILL)
    while isinstance(find_keeper(tmp_path), KeptCloud):
        await asyncio.sleep(0.005)
    second = hold(processes, tmp_path)

    assert await kept.stop() == "stopped"

    found = find_keeper(tmp_path)
    assert isinstance(found, KeptCloud)
    assert found.note.pid == second


async def test_who_waits_for_a_keeper_that_is_starting_learns_when_it_fails(
    tmp_path: Path, processes: ExitStack
) -> None:
    pid = hold(processes, tmp_path, port=0)
    assert await wait_for_keeper(tmp_path, patience_s=0.1) is None
    os.kill(pid, signal.SIGKILL)

    assert await wait_for_keeper(tmp_path, patience_s=10) is None
    assert isinstance(find_keeper(tmp_path), DiedKeeper)
