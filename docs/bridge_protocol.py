"""The page about the bridge's protocol, written from its tables. `docs.generate` puts it into docs/reference.

In: `skykite_lambda.wire`. Out: Markdown. I/O: reads wire/limits.py for what it says beside each number.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from skykite_lambda.wire import envelope, items, limits, messages
from skykite_lambda.wire.dev_steps import DEV
from skykite_lambda.wire.stub_steps import STUB
from skykite_lambda.wire.transitions import Machine

_INTRODUCTION: Final = """\
How a stub in AWS Lambda and `kite dev` speak with each other: `skykite_lambda.wire`. Neither side of it does any I/O;
the network below may lose, double, delay and reorder what it is given.

1. **Frames**: each datagram is signed with the stage key and numbered.
2. **Links**: messages are cut into segments, acknowledged, sent again, put together, delivered once.
3. **Sessions**: each container is a session, and so is each run of `kite dev`. They exchange the messages below; what
   either side does about an invocation is a table.

Why it is like that: [decision 8](../decisions/0008-the-bridge-protocol.md).
"""
_MESSAGES: Final = """\
Numbers are big-endian. `text` and `bytes` have their length before them (u32), "several" their number (u32), "or
nothing" a byte that is 0 or 1; an `id` has 16 bytes. A message that is not exactly as long as its fields is not taken.
A *note* is sent once; everything else until it is acknowledged or too late.
"""
_UNIVERSAL: Final = """\
A frame of version 0 can be read by every version: it is a REJECT. Its payload is the byte 1, then the protocol its
sender speaks, then perhaps something that later versions add. Whoever gets a frame in another version than its own
answers with one; a stub that gets one, and no claim within half a second, fails with `LiveStubOutdated`.
"""
_SIDES: Final = (
    ("A stub, about its invocation", STUB),
    ("A dev session, about each invocation", DEV),
)


def bridge_protocol_page() -> str:
    parts = [
        "# The bridge's protocol\n",
        _INTRODUCTION,
        "## Frames\n",
        _layout(envelope),
        _UNIVERSAL,
        "## What a frame carries\n",
        _layout(items),
        "## Messages\n",
        _MESSAGES,
        *_messages(),
    ]
    for title, machine in _SIDES:
        parts += [f"## {title}\n", *_machine(machine)]
    parts += ["## Numbers\n", _table(("name", "value", "meaning"), _numbers())]
    return "\n".join(parts)


def _layout(module: object) -> str:
    """The indented part of a module's docstring."""
    found = re.search(r"^(?: {4}.*\n|\n)+", (inspect.getdoc(module) or "").partition("\n\n")[2], re.MULTILINE)
    return f"```\n{textwrap.dedent(found.group() if found else '').strip()}\n```\n"


def _messages() -> Iterator[str]:
    for kind, layout in sorted(messages.LAYOUTS.items(), key=lambda entry: entry[1].code):
        manner = "" if layout.reliable else ", a note"
        yield f"### {kind.__name__.upper()} ({layout.code}{manner})\n"
        yield inspect.cleandoc(kind.__doc__ or "") + "\n"
        fields = ((f"`{name}`", field.name) for name, field in zip(kind._fields, layout.fields, strict=True))
        yield _table(("field", "type"), fields)


def _machine(machine: Machine) -> Iterator[str]:
    yield _diagram(machine)
    yield _table(("state", "meaning"), machine.states.items())
    yield _table(
        ("state", "on", "which is", "then", "and does"),
        (
            (state, f"`{on}`", machine.happenings[on], step.to, "; ".join(machine.actions[a] for a in step.actions))
            for (state, on), step in machine.steps.items()
        ),
    )
    yield "What changes nothing:\n"
    yield _table(
        ("state", "on"),
        ((state, ", ".join(f"`{on}`" for on in nothing.split())) for state, nothing in machine.nothing.items()),
    )


def _diagram(machine: Machine) -> str:
    """Only what leads to another state; the table has the rest."""
    edges: dict[tuple[str, str], list[str]] = {}
    for (state, on), step in machine.steps.items():
        if step.to != state:
            edges.setdefault((state, step.to), []).append(on)
    lines = [f"    [*] --> {machine.first}"]
    lines += [f"    {state} --> {to}: {', '.join(on)}" for (state, to), on in edges.items()]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def _numbers() -> Iterator[tuple[str, str, str]]:
    source = Path(inspect.getfile(limits)).read_text(encoding="utf-8")
    for name, comment in re.findall(r"^([A-Z_]+) = [^#\n]*(?:# (.*))?$", source, re.MULTILINE):
        yield f"`{name}`", f"{getattr(limits, name)!r}", comment


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"
