"""Questions on a real terminal (a pseudo-terminal with `kite`'s console on its other end), and off one."""

from __future__ import annotations

import asyncio
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.kite import KITE, clean_environment
from kit.project import make_project
from skykite.cli.ask import ConsoleAsker
from skykite.cli.clock import SystemClock
from skykite.cli.render import open_renderer

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are made otherwise there", allow_module_level=True)

import pty

ASKING = """
import asyncio, sys
from skykite.cli.console import open_console
from skykite.cli.settings import Settings
from skykite.model.events import Notice, StepStarted

async def work():
    with open_console(Settings()) as (events, asker):
        events.emit(StepStarted(step="deploy", message="Deploying"))
        for number in range(2):
            asking = asyncio.create_task(asker.confirm("destructive-changes", f"Question {number}?", default=False))
            await asyncio.sleep(0)
            events.emit(Notice(notice="busy", message=f"the loop runs during question {number}"))
            answer = await asking
            events.emit(Notice(notice="done", message=f"answer {number} is {answer}"))

asyncio.run(work())
"""


class Terminal:
    """A process with a pseudo-terminal as its stdin, stdout and stderr."""

    def __init__(self, *command: str, cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = clean_environment({"TERM": "xterm", "COLUMNS": "100", "LINES": "30", "NO_COLOR": "1"})
        environment |= {"USER": "Alice", "LOGNAME": "Alice"}
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.text = ""
        self._seen = 0

    def read_until(self, wanted: str) -> None:
        """In what came since the last time."""
        deadline = time.monotonic() + 30
        while (found := self.text.find(wanted, self._seen)) < 0:
            assert time.monotonic() < deadline, self.text
            assert self._read(), self.text
        self._seen = found + len(wanted)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, and again if it came in the instant before the process began to read the terminal."""
        for _ in range(10):
            os.killpg(self.process.pid, signal.SIGINT)
            try:
                self.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                continue
            return

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait(timeout=30)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], 30)
        assert ready, self.text
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)


def test_questions_are_answered_by_typing_and_nothing_is_written_over_them(tmp_path: Path) -> None:
    terminal = Terminal(sys.executable, "-c", ASKING, cwd=tmp_path)
    terminal.read_until("[y/N]")
    terminal.type("maybe\n")
    terminal.read_until("please answer yes or no")
    terminal.read_until("[y/N]")
    terminal.type("Yes\n")
    terminal.read_until("Question 1?")
    terminal.read_until("[y/N]")
    terminal.type("\n")
    assert terminal.end() == 0
    shown = terminal.text
    assert "the loop runs" not in shown[: shown.index("Yes\n")]
    assert "answer 0 is True" in shown
    assert "answer 1 is False" in shown


def test_what_was_typed_before_the_question_does_not_answer_it(tmp_path: Path) -> None:
    waiting = ASKING.replace(
        "        for number in range(2):\n",
        "        print('type', flush=True)\n        while not os.path.exists('typed'): await asyncio.sleep(0.01)\n"
        "        for number in range(1):\n",
    ).replace("import asyncio, sys", "import asyncio, os, sys")
    terminal = Terminal(sys.executable, "-c", waiting, cwd=tmp_path)
    terminal.read_until("type")
    terminal.type("y\n")
    terminal.read_until("y\n")  # the terminal's own echo: it has the line
    (tmp_path / "typed").touch()
    terminal.read_until("[y/N]")
    terminal.type("n\n")
    assert terminal.end() == 0
    assert "answer 0 is False" in terminal.text


def test_the_end_of_input_takes_the_default(tmp_path: Path) -> None:
    terminal = Terminal(sys.executable, "-c", ASKING, cwd=tmp_path)
    terminal.read_until("[y/N]")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert "answer 0 is False" in terminal.text
    assert "answer 1 is False" in terminal.text


def test_ctrl_c_during_a_question_ends_the_command(tmp_path: Path) -> None:
    terminal = Terminal(sys.executable, "-c", ASKING, cwd=tmp_path)
    terminal.read_until("[y/N]")
    terminal.interrupt()
    assert terminal.end() != 0
    assert "Fatal Python error" not in terminal.text
    assert "KeyboardInterrupt" in terminal.text  # of the program above; `kite` itself shows none


def test_the_stage_is_asked_once_with_the_login_name_as_default(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    terminal = Terminal(KITE, "outputs", cwd=tmp_path)
    terminal.read_until("Name of your stage [alice]: ")
    terminal.type("\n")
    assert terminal.end() == 1
    assert "stage `alice` of `notes` has no outputs yet" in terminal.text
    assert (project.state / "stage").read_text() == "alice\n"

    again = Terminal(KITE, "outputs", cwd=tmp_path)
    assert again.end() == 1
    assert "Name of your stage" not in again.text


def test_a_stage_name_that_cannot_be_one_is_asked_about_again(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    terminal = Terminal(KITE, "outputs", cwd=tmp_path)
    terminal.read_until("Name of your stage [alice]: ")
    terminal.type("Bob.Smith\n")
    terminal.read_until("Name of your stage [bob-smith]: ")
    assert "`Bob.Smith` cannot name a stage" in terminal.text
    terminal.type("\n")
    assert terminal.end() == 1
    assert (project.state / "stage").read_text() == "bob-smith\n"


def test_ctrl_c_at_the_stage_question_exits_with_130_and_remembers_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    terminal = Terminal(KITE, "outputs", cwd=tmp_path)
    terminal.read_until("Name of your stage [alice]: ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.text
    assert not (project.state / "stage").exists()


@pytest.mark.parametrize(
    ("yes", "default", "answer", "by"),
    [(True, False, True, "yes"), (False, False, False, "default"), (False, True, True, "default")],
)
async def test_off_a_terminal_nothing_waits(yes: bool, default: bool, answer: bool, by: str) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    renderer = open_renderer("json", stdout=stdout, stderr=io.StringIO(), environment={}, clock=SystemClock())
    asker = ConsoleAsker(renderer=renderer, keyboard=None, stderr=io.StringIO(), yes=yes)
    async with asyncio.timeout(5):
        assert await asker.confirm("destructive-changes", "Replace?", default=default) is answer
    renderer.stop()
    stdout.seek(0)
    asked, answered = map(json.loads, stdout)
    assert (asked["code"], asked["question"], asked["default"]) == ("question.asked", "destructive-changes", default)
    assert (answered["code"], answered["answer"], answered["by"]) == ("question.answered", answer, by)
