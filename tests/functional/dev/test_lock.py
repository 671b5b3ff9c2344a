from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skykite.dev.lock import hold_stage
from skykite.errors import SkykiteError
from skykite.model.names import StageName

NOW = datetime(2026, 11, 23, 21, 41, 46, tzinfo=UTC)
ALICE = StageName("alice")

HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from skykite.dev.lock import hold_stage
with hold_stage(Path(sys.argv[1]), "alice", now=datetime.now(UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_holder_is_told_who_the_first_is_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SkykiteError) as raised, hold_stage(tmp_path, ALICE, now=NOW):
            pass
        assert raised.value.code == "stage-in-use"
        assert f"process {holder.pid}" in raised.value.message
        holder.kill()
    with hold_stage(tmp_path, ALICE, now=NOW):
        pass


def test_a_stage_can_be_held_again_after_it_was_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_stage(tmp_path, ALICE, now=NOW):
            pass
