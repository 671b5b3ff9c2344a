"""Puts yes-or-no questions to the user, also while a renderer holds the terminal and an event loop runs.

In: a question with its default. Out: the answer, as events too. I/O: reads lines from the terminal on a daemon thread;
nothing is read, and nothing waits, off a terminal or with `--yes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, TextIO

from skykite.cli.render import Renderer
from skykite.model.events import QuestionAnswered, QuestionAsked

_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False}


class ConsoleAsker:
    """The real `skykite.ports.Asker`. `keyboard` is None off a terminal."""

    def __init__(self, *, renderer: Renderer, keyboard: Keyboard | None, stderr: TextIO, yes: bool) -> None:
        self._renderer = renderer
        self._keyboard = keyboard
        self._stderr = stderr
        self._yes = yes
        self._one_at_a_time = asyncio.Lock()

    async def confirm(self, question: str, message: str, *, default: bool) -> bool:
        async with self._one_at_a_time:
            self._renderer.emit(QuestionAsked(question=question, message=message, default=default))
            answer, by = await self._answer(default)
            self._renderer.emit(QuestionAnswered(question=question, answer=answer, by=by))
            return answer

    async def _answer(self, default: bool) -> tuple[bool, Literal["user", "yes", "default"]]:
        if self._yes:
            return True, "yes"
        if self._keyboard is None:
            return default, "default"
        with self._renderer.suspended():
            while True:
                self._keyboard.forget()  # before the prompt: whoever answers it at once is heard
                self._stderr.write(f"  [{'Y/n' if default else 'y/N'}] ")
                self._stderr.flush()
                line = await self._keyboard.line()
                if line is None:
                    self._stderr.write("\n")
                    return default, "default"
                text = line.strip().lower()
                if not text:
                    return default, "user"
                if text in _ANSWERS:
                    return _ANSWERS[text], "user"
                self._stderr.write("  please answer yes or no\n")


class Keyboard:
    """Lines typed at a terminal. What was typed while nobody asked is thrown away by `forget`.

    One thread reads for as long as the process lives, because a read of a terminal cannot be cancelled; it reads the
    file descriptor, because a daemon thread inside `sys.stdin` would hold a lock the interpreter wants when it exits.
    """

    def __init__(self, descriptor: int, *, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()
        self._typed: deque[str] = deque()
        self._wake: Callable[[], object] | None = None
        self._ended = False

    def forget(self) -> None:
        """Forget what was typed so far, and listen from now on."""
        with self._lock:
            _discard_waiting_input(self._descriptor)
            self._typed.clear()
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="skykite-keyboard", daemon=True)
            self._reader.start()

    async def line(self) -> str | None:
        """The next line since `forget`, or None at the end of input."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        while True:
            with self._lock:
                if self._typed:
                    return self._typed.popleft()
                if self._ended:
                    return None
                news.clear()
                self._wake = lambda: loop.call_soon_threadsafe(news.set)
            try:
                await news.wait()
            finally:
                with self._lock:
                    self._wake = None

    def _read(self) -> None:
        pending = b""
        while True:
            try:
                data = os.read(self._descriptor, 4096)
            except OSError:  # the terminal is gone
                data = b""
            *lines, pending = (pending + data).split(b"\n")
            with self._lock:
                self._typed.extend(line.decode(self._encoding, "replace") for line in lines)
                self._ended = not data
                if self._wake is not None:
                    self._wake()
            if not data:
                return


if sys.platform == "win32":
    import msvcrt

    def _discard_waiting_input(descriptor: int) -> None:
        while msvcrt.kbhit():
            msvcrt.getwch()

else:
    import termios

    def _discard_waiting_input(descriptor: int) -> None:
        """What the terminal holds for whoever reads next: it was typed before there was a question."""
        with contextlib.suppress(termios.error):  # no longer a terminal
            termios.tcflush(descriptor, termios.TCIFLUSH)
