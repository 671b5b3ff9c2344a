"""The log of a keeper that nobody watches: every line has its time, and the file does not grow for ever."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="renames a file that is open")

SCRIPT = textwrap.dedent(
    """
    import os, pathlib, sys
    from skykite.cli import keeper_log
    from skykite.cli.clock import SystemClock
    from skykite.cli.keeper_log import DetachedSink, LogStream
    from skykite.dev import detach
    from skykite.model.events import Notice

    keeper_log.LOG_LIMIT = detach.LOG_LIMIT = 300
    stream = LogStream(pathlib.Path(sys.argv[1]), SystemClock())
    class Log:
        def emit(self, event):
            stream.write(event.message + "\\n")
    sink = DetachedSink(Log(), SystemClock())
    for number in range(20):
        sink.emit(Notice(notice="n", message=f"line {number}\\nand more ü"))
    os.write(2, b"a crash, for instance\\n")
    """
)


def test_lines_have_their_time_and_a_full_log_makes_room(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    with log.open("ab") as stream:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, log], stdout=subprocess.PIPE, stderr=stream, check=False, timeout=60
        )

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 20  # as events, for whoever started it
    text = log.read_text()
    assert len(text) <= 300 + 200
    assert text.endswith("a crash, for instance\n")
    *lines, _ = text.splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (line \d+|and more ü)", line) for line in lines)
    before = (tmp_path / "keeper.log.1").read_text().splitlines()
    assert lines[0].split(" ", 2)[2] != before[-1].split(" ", 2)[2]
