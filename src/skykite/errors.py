"""What a user can meet: one exception type with a stable code. Imports nothing of Skykite's; no I/O."""

from __future__ import annotations

from typing import Literal

Blame = Literal["user", "aws", "skykite"]


class SkykiteError(Exception):
    """Something went wrong in a way we foresaw.

    `code` is kebab-case and stable; tests and `--output json` rely on it. `message` says what is wrong with the
    offending value in backticks, lower-case start, no final period; it may span lines. `context` is material to
    look at (a code frame, a trace of the user's frames). `hint` says what to do. `blame` decides whether a
    traceback of ours is of interest: only `skykite` errors print one without `--debug`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        context: str | None = None,
        hint: str | None = None,
        link: str | None = None,
        blame: Blame = "user",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.context = context
        self.hint = hint
        self.link = link
        self.blame = blame

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
