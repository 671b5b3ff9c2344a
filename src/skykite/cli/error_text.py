"""How an error reads: the one shape of STYLE.md. Pure: an error in, text out."""

from __future__ import annotations

import re
import textwrap
from typing import Final

from skykite.model.events import ErrorRaised

REPORT_HINT = "please report it to Skykite's issue tracker, with the lines above and what `kite doctor` prints"


_SOURCE_LINE: Final = re.compile(r"[ >]*\d+ \|")


def format_error(error: ErrorRaised, *, width: int | None = None, mark: str = "…") -> str:
    """Several lines without the last line's end. `width` is the terminal's; without one nothing is wrapped.

    Words are never lost; only lines of source code that are too long are cut, with `mark` at their end.
    """
    blocks = [f"error: {error.error}", _indented(error.message, width)]
    if error.context:
        context = textwrap.indent(error.context.rstrip("\n"), "  ", lambda line: bool(line.strip()))
        blocks.append("\n".join(_source_cut(line, width, mark) for line in context.split("\n")))
    if error.hint:
        blocks.append(_wrapped(f"hint: {error.hint}", width, indent=""))
    if error.link:
        blocks.append(f"more: {error.link}")
    return "\n\n".join(blocks)


def _source_cut(line: str, width: int | None, mark: str) -> str:
    if width is None or len(line) <= width or not _SOURCE_LINE.match(line):
        return line
    return line[: width - len(mark)] + mark


def _indented(text: str, width: int | None) -> str:
    return "\n".join(_wrapped(line, width, indent="  ") for line in text.splitlines())


def _wrapped(line: str, width: int | None, *, indent: str) -> str:
    """Lines that the writer laid out (indented ones) and words (paths, URLs) are never broken."""
    if width is None or line.startswith(" "):
        return indent + line if line.strip() else ""
    lines = textwrap.wrap(
        line,
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)
