"""What is said of a function's bundle. Pure: an event in, lines out.

All of it is what was asked for, so it belongs on stdout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from skykite.cli.render.lines import Block, Line, Span, Tone, size
from skykite.model.events import BundledFolder, BundledPackage, BundleInspected

_WHY: Final = {
    "code": "your code",
    "copied": "copy_files",
    "hook": "made by after_build",
    "built": "made by the build",
    "map": "source map",
    "support": "Skykite's, in every zip",
    "layer": "of the layer",
    "asset": "of the asset",
}
_LARGE: Final = 1024 * 1024
"""A smaller file is not worth a line of its own."""

_Row = tuple[tuple[str, Tone], ...]


def inspected(event: BundleInspected) -> list[Block]:
    handler = f"  {event.handler}" if event.handler else ""
    lines = [_line((event.function, "bold"), (f"{handler}  {event.runtime}, {event.architecture}", "dim")), _line()]
    lines += _table(
        ("part", "zip", "unpacked", "files"),
        [
            (
                (part.name if part.kind == "code" else f"layer {part.name}", ""),
                ("" if part.zipped is None else size(part.zipped), ""),
                ("not of this app" if part.unpacked is None else size(part.unpacked), ""),
                ("" if part.files is None else str(part.files), "dim"),
            )
            for part in event.parts
        ],
    )
    owners: list[BundledPackage | BundledFolder] = [*event.packages, *event.folders]
    owners.sort(key=lambda one: -one.unpacked)
    lines += [_line(), *_table(("what", "unpacked", "files", "why"), list(map(_owner, owners)))]
    large = [file for file in event.largest if file.unpacked >= _LARGE]
    if large:
        rows: list[_Row] = [((file.path, ""), (size(file.unpacked), "")) for file in large]
        lines += [_line(), *_table(("largest files", "unpacked"), rows)]
    share = event.unpacked / event.limit
    tone: Tone = "bad" if share > 1 else "warn" if share > 0.8 else "good"
    verdict = ", which is too much: Lambda refuses it" if share > 1 else ""
    lines += [_line(), _line((f"{size(event.unpacked)} of {size(event.limit)} unpacked{verdict}", tone))]
    return [*lines]


def _owner(one: BundledPackage | BundledFolder) -> _Row:
    if isinstance(one, BundledFolder):
        name, why = one.path if one.path != "." else "files at the top", _WHY.get(one.kind, one.kind)
    else:
        name = f"{one.name} {one.version}"
        why = ", ".join(one.direct)
        if one.local:
            why = f"your package, {why}" if why else "your package"
        if one.via:
            why = f"{why}, via {_several(one.via)}" if why else f"via {_several(one.via)}"
    return (name, ""), (size(one.unpacked), ""), (str(one.files), "dim"), (why, "dim")


def _several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


def _table(heads: Sequence[str], rows: Sequence[_Row]) -> list[Line]:
    """Columns as wide as they have to be; sizes to the right."""
    right = {"zip", "unpacked", "files"}
    everything: list[_Row] = [tuple((head, "dim") for head in heads), *rows]
    widths = [max(len(row[at][0]) for row in everything) for at in range(len(heads))]
    lines = []
    for row in everything:
        spans = []
        for at, (text, tone) in enumerate(row):
            padded = text.rjust(widths[at]) if heads[at] in right else text.ljust(widths[at])
            spans.append((padded if at < len(row) - 1 or heads[at] in right else text, tone))
            spans.append(("  ", ""))
        while spans and not spans[-1][0].strip():
            spans.pop()
        lines.append(_line(("  ", ""), *spans))
    return lines


def _line(*spans: tuple[str, Tone]) -> Line:
    return Line(tuple(Span(text, tone) for text, tone in spans), data=True)
