"""`RESULTS.md`: a section for each benchmark, replaced when that benchmark runs with `--write`.

In: a title, lines of Markdown. Out: the file, its other sections as they were. I/O: that one file, `/proc/cpuinfo`.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
ORDER = (
    "Targets",
    "Triggers",
    "The bridge",
    "The stub",
    "Wire protocol",
    "Python bundles",
    "TypeScript bundles",
    "Side by side",
    "Command line",
)
INTRODUCTION = """# Results

Each section is written by the command it names, on one machine, in one run. Absolute times differ from machine to
machine; ratios hold.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something the project promised itself, and what came out. `reached` is None for what is only reported."""

    what: str
    wanted: str
    measured: str
    reached: bool | None


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table that also reads well on a terminal: first column left, the others right."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(3, *(len(cell) for cell in column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return [line(headings), line(rule), *(line(row) for row in rows)]


def targets_table(targets: Sequence[Target]) -> list[str]:
    said = {True: "yes", False: "**no**", None: "–"}
    rows = [(t.what, t.wanted, t.measured, said[t.reached]) for t in targets]
    return table(("what", "wanted", "measured", "reached"), rows)


def machine() -> str:
    """What ran it, in general terms."""
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{processor()}, {cores} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, {python}"


def processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def options(description: str) -> argparse.ArgumentParser:
    """What every benchmark takes. A polite kill ends a benchmark as Ctrl-C does, so that its servers are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help="record the figures in benchmarks/RESULTS.md")
    parser.add_argument("--note", default="", help="a sentence beside the figures, such as what else was running")
    return parser


def report(title: str, lines: Sequence[str], arguments: argparse.Namespace, *, module: str) -> None:
    """Print the figures, and with `--write` record them with what made them."""
    print("\n".join(lines), flush=True)
    if not arguments.write:
        return
    words = [word for word in sys.argv[1:] if word != "--write" and word != arguments.note and word != "--note"]
    command = shlex.join(["python", "-m", module, *words, "--write"])
    note = [f"**{arguments.note}**", ""] if arguments.note else []
    made = f"`{command}` on {datetime.now(UTC):%Y-%m-%d}. {machine()}."
    replace(title, [*note, made, "", *lines])


def replace(title: str, lines: Sequence[str]) -> None:
    text = RESULTS.read_text() if RESULTS.exists() else INTRODUCTION
    introduction, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    sections = {name.strip(): body.strip() for name, _, body in (part.partition("\n") for part in parts)}
    sections[title] = "\n".join(lines)
    known = [name for name in ORDER if name in sections]
    others = [name for name in sections if name not in ORDER]
    body = "\n\n".join(f"## {name}\n\n{sections[name]}" for name in [*known, *others])
    RESULTS.write_text(f"{introduction.rstrip()}\n\n{body}\n")
