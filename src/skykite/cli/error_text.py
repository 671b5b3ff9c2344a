"""How an error reads: the one shape of STYLE.md. Pure: an error in, text out."""

from __future__ import annotations

import textwrap

from skykite.model.events import ErrorRaised

REPORT_HINT = "please report it to Skykite's issue tracker, with the lines above and what `kite doctor` prints"


def format_error(error: ErrorRaised, *, width: int | None = None) -> str:
    """Several lines without the last line's end. `width` is the terminal's; without one nothing is wrapped."""
    blocks = [f"error: {error.error}", _indented(error.message, width)]
    if error.context:
        blocks.append(textwrap.indent(error.context.rstrip("\n"), "  ", lambda line: bool(line.strip())))
    if error.hint:
        blocks.append(_wrapped(f"hint: {error.hint}", width, indent=""))
    if error.link:
        blocks.append(f"more: {error.link}")
    return "\n\n".join(blocks)


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
