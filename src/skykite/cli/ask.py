"""Puts yes-or-no questions to the user, also while a renderer holds the terminal and an event loop runs.

In: a question with its default. Out: the answer, as events too. I/O: reads lines from the terminal on a daemon thread;
nothing is read, and nothing waits, off a terminal or with `--yes`.
"""

from __future__ import annotations

import asyncio
import os
import threading
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
    """Lines typed at a terminal. What is typed while nobody asks is thrown away.

    One thread reads for as long as the process lives, because a read of a terminal cannot be cancelled; it reads the
    file descriptor, because a daemon thread inside `sys.stdin` would hold a lock the interpreter wants when it exits.
    """

    def __init__(self, descriptor: int, *, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._reader: threading.Thread | None = None
        self._deliver: Callable[[str | None], None] | None = None
        self._ended = False

    async def line(self) -> str | None:
        """The next line, or None at the end of input."""
        if self._ended:
            return None
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str | None] = loop.create_future()

        def settle(text: str | None) -> None:
            if not typed.done():
                typed.set_result(text)

        def deliver(text: str | None) -> None:
            loop.call_soon_threadsafe(settle, text)

        self._deliver = deliver
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="skykite-keyboard", daemon=True)
            self._reader.start()
        try:
            return await typed
        finally:
            self._deliver = None

    def _read(self) -> None:
        pending = b""
        while True:
            try:
                data = os.read(self._descriptor, 4096)
            except OSError:  # the terminal is gone
                data = b""
            if not data:
                self._ended = True
                self._hand_over(None)
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._hand_over(line.decode(self._encoding, "replace"))

    def _hand_over(self, text: str | None) -> None:
        deliver = self._deliver
        if deliver is not None:
            deliver(text)
