"""Ctrl-C, a closed terminal and a killed `kite` while the stacks run: no traceback, and no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.kite import KITE, alive, clean_environment, descendants
from kit.stacks import write_project

if sys.platform == "win32":
    pytest.skip("needs a terminal of Unix", allow_module_level=True)

import pty

# Ready once everything runs that could be left behind: the program, its Node, and a program that it started.
ENDLESS = """
    import os, pathlib, subprocess
    from skykite import Stack

    def main(app):
        Stack(app, "NotesStack")
        subprocess.Popen(["sleep", "60"])
        pathlib.Path("ready").touch()
        while True:
            pass
"""
# A shell, as far as it matters: it leads the terminal's session, and waits for the command.
SHELL = """
import fcntl, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, lambda *_: None)
sys.exit(subprocess.call(sys.argv[1:]))
"""


class Terminal:
    """`kite synth` in the foreground of a terminal of its own, while the stacks run."""

    def __init__(self, root: Path) -> None:
        self._keyboard, screen = pty.openpty()
        try:
            self.shell = subprocess.Popen(
                [sys.executable, "-c", SHELL, KITE, "synth", "--stage", "alice"],
                cwd=root,
                env=clean_environment(),
                stdin=screen,
                stdout=screen,
                stderr=screen,
                start_new_session=True,
            )
        finally:
            os.close(screen)
        self.wait(lambda: (root / "ready").exists())
        everything = descendants(self.shell.pid)
        (self.kite,) = {pid for pid in everything if everything - {pid} == descendants(pid)}
        self.processes = everything - {self.kite}

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.read()
            time.sleep(0.01)

    def type(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def read(self) -> str:
        """Everything on the screen, until nobody can write to it any more."""
        said = b""
        while True:
            try:
                chunk = os.read(self._keyboard, 1 << 16)
            except OSError:  # how Linux says that the other side is gone
                chunk = b""
            if not chunk:
                return said.decode("utf-8", "replace")
            said += chunk

    def close(self) -> None:
        if self._keyboard >= 0:
            os.close(self._keyboard)
            self._keyboard = -1


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(write_project(tmp_path, {"stacks/app.py": ENDLESS}))
    try:
        yield terminal
    finally:
        terminal.close()
        for pid in alive({terminal.kite, *terminal.processes}):
            os.kill(pid, signal.SIGKILL)
        terminal.shell.wait(10)


def test_ctrl_c_while_the_stacks_run_prints_a_traceback_or_leaves_a_process(terminal: Terminal) -> None:
    assert len(terminal.processes) == 3, "the program, Node and sleep"
    assert os.getpgid(terminal.kite) not in {os.getpgid(pid) for pid in terminal.processes}
    terminal.type(b"\x03")
    assert terminal.shell.wait(10) == 130
    said = terminal.read()
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    terminal.wait(lambda: not alive(terminal.processes))


def test_a_closed_terminal_leaves_the_stacks_running(terminal: Terminal) -> None:
    terminal.close()
    terminal.wait(lambda: not alive({terminal.kite, *terminal.processes}))


def test_a_killed_kite_leaves_the_stacks_running(terminal: Terminal) -> None:
    os.kill(terminal.kite, signal.SIGKILL)
    terminal.wait(lambda: not alive(terminal.processes))
