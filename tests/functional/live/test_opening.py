"""Whether the session that held the lease before certainly runs nothing any more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from skykite.live.lease import LeaseDocument, holder_name
from skykite.live.opening import _has_ended

SESSION = "0f" * 16


def lease(*, pid: int, who: str | None = None, open: bool = True, session: str = SESSION) -> LeaseDocument:
    return LeaseDocument(epoch=1, session=session, who=holder_name() if who is None else who, pid=pid, open=open)


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(sys.platform == "win32", reason="there no process is judged")
def test_a_process_of_ours_that_was_killed_has_ended_and_one_that_lives_has_not() -> None:
    assert _has_ended(lease(pid=ended_process()))
    assert not _has_ended(lease(pid=os.getpid()))


def test_of_another_machine_only_what_said_so_has_ended() -> None:
    assert not _has_ended(lease(pid=ended_process(), who="bob@elsewhere"))
    assert _has_ended(lease(pid=os.getpid(), who="bob@elsewhere", open=False))


def test_a_lease_without_a_session_says_nothing_of_one() -> None:
    assert not _has_ended(lease(pid=1, open=False, session=""))
    assert not _has_ended(lease(pid=1, open=False, session="zz" * 16))
