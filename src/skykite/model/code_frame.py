"""A few lines of the user's source around the one that matters, for an error's `context`. Pure: text in, text out."""

from __future__ import annotations


def code_frame(source: str, *, file: str, line: int, column: int | None = None, around: int = 2) -> str:
    """`file:line`, then the lines with a `>` at the one meant and, with `column` (from 1), a caret under it."""
    lines = source.splitlines()
    first, last = max(1, line - around), min(len(lines), line + around)
    width = len(str(last))
    shown = [f"{file}:{line}"]
    for number in range(first, last + 1):
        text = lines[number - 1].expandtabs(4)
        shown.append(f"{'>' if number == line else ' '} {number:>{width}} | {text}".rstrip())
        if number == line and column is not None:
            before = len(lines[number - 1][: column - 1].expandtabs(4))
            shown.append(f"  {' ' * width} | {' ' * before}^")
    return "\n".join(shown)
