"""What the terminal and plain renderers write, before any of it becomes bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Tone = Literal["", "dim", "bold", "accent", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Span:
    """Text in one tone."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `data` belongs on stdout, everything else on stderr."""

    spans: tuple[Span, ...]
    data: bool = False

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Something to find again after scrolling: a title, rows of name and value, and a line under it.

    `data` are the rows that also belong on stdout.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]
    footer: str


Block = Line | Panel


def line(*spans: Span | str) -> Line:
    """Strings have no tone."""
    return Line(tuple(span if isinstance(span, Span) else Span(span) for span in spans))


def shortened(whole: Line, width: int | None, *, mark: str) -> Line:
    """The line cut to `width`, ending in `mark` if something is missing. For what can be looked up elsewhere."""
    if width is None or len(whole.text) <= width:
        return whole
    left = max(width - len(mark), 0)
    spans = []
    for span in whole.spans:
        spans.append(Span(span.text[:left], span.tone))
        left -= len(span.text)
        if left < 0:
            break
    return Line((*spans, Span(mark, spans[-1].tone)), data=whole.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """Marks that the terminal's encoding can show."""

    good: str
    bad: str
    reload: str
    cut: str
    bar: str
    dot: str
    replace: str


UNICODE: Final = Symbols(good="✓", bad="✗", reload="↻", cut="…", bar="│", dot="·", replace="±")
ASCII: Final = Symbols(good="+", bad="x", reload="~", cut="...", bar="|", dot="-", replace="!")


def symbols_for(encoding: str | None) -> Symbols:
    """The nicest marks that `encoding` has."""
    try:
        "".join(getattr(UNICODE, name) for name in UNICODE.__dataclass_fields__).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def duration(milliseconds: float) -> str:
    """Three digits at most: `3.2 ms`, `412 ms`, `1.2 s`, `2 min 5 s`."""
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def size(count: int) -> str:
    """Bytes as people read them, in steps of 1024: `812 B`, `3.4 KB`, `41 MB`."""
    if count < 1024:
        return f"{count} B"
    for unit, step in (("KB", 1024), ("MB", 1024**2), ("GB", 1024**3)):
        number = count / step
        if number < 999.5 or unit == "GB":
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"


_COLOUR: Final = r"\x1b\[[0-9;:]*m"
_OTHER_ESCAPE: Final = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\^_])"
_ESCAPES: Final = re.compile(f"({_COLOUR})|{_OTHER_ESCAPE}")
_STRAY_ESCAPE: Final = re.compile(rf"\x1b(?!{_COLOUR[4:]})")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\x80-\x9f]")


def clean(text: str, *, colour: bool) -> str:
    """What a function wrote, unable to move the cursor or clear the screen. Colours stay if `colour`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x1b" in text:
        text = _ESCAPES.sub(lambda match: (match[1] or "") if colour else "", text)
        text = _STRAY_ESCAPE.sub(r"\\x1b", text)
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
