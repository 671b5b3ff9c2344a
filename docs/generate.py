"""Write the reference pages from the code: `python -m docs.generate`. A test holds them up to date.

In: the commands, the events, the errors, the bridge's protocol and the constructs as they are in `src`. Out:
docs/reference/{cli,events,errors,bridge-protocol}.md and docs/reference/constructs. I/O: reads the source files,
synthesizes the constructs' examples, writes the pages.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from docs.bridge_protocol import bridge_protocol_page
from docs.constructs_reference import constructs_pages

REPOSITORY: Final = Path(__file__).parent.parent
REFERENCE: Final = REPOSITORY / "docs" / "reference"
NOTE: Final = "<!-- Written by `python -m docs.generate`; change the code instead. -->\n"

_EXIT_CODES: Final = """\
A command exits with 0 when it went well, 1 for an error of yours or of AWS, 2 for wrong usage, 70 for a bug in Skykite,
and 130 after Ctrl-C; what runs until it is stopped, as `kite dev` does, ends with 0 then. stdout is data, everything
for people goes to stderr.
"""
_ABOUT_EVENTS: Final = """\
`--output json` prints one JSON object a line. Each has a `code`, which says what it is, a `time` (ISO 8601, UTC), and
the fields below. Codes and fields stay; new ones may come, so ignore what you do not know. The wording of `message` and
`hint` may change at any time. Durations end in `_ms`.
"""
_ABOUT_ERRORS: Final = """\
Every error has a code, which stays; the words may change. `…` stands for what is known only when it happens. With
`--output json` an error is an [`error`](events.md#error) event. "Of AWS" and "of Skykite" say who is to blame where it
is not the project.
"""


def cli_page() -> str:
    """Every command with its help."""
    from skykite.cli.help_page import OPTION_HELP
    from skykite.cli.registry import SECTIONS

    parts = [
        NOTE,
        "# Commands\n",
        "Options of every command may stand before or after its name:\n",
        _table(("option", "meaning"), ((f"`{option}`", text) for option, text in OPTION_HELP.items())),
        _EXIT_CODES,
    ]
    for section in SECTIONS:
        for entry in section.commands:
            command = importlib.import_module(entry.module).command
            parts.extend(_command(command, f"kite {entry.name}", level=2))
    return "\n".join(parts)


def _command(command: click.Command, path: str, *, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    arguments = " ".join(command.collect_usage_pieces(context))
    yield f"{'#' * level} `{path}`\n"
    yield f"```\n{path} {arguments}\n```\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    records = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context))
    ]
    if records:
        yield _table(("option", "meaning"), ((f"`{names}`", text) for names, text in records))
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _command(child, f"{path} {name}", level=level + 1)


def events_page() -> str:
    """Every event with its fields."""
    from skykite.model import events

    parts = [
        NOTE,
        "# Events\n",
        _ABOUT_EVENTS,
    ]
    nested: dict[str, type] = {}
    for event in typing.get_args(events.Event):
        parts.append(f"## `{event.code}`\n")
        parts.extend(_fields(event, nested))
    parts.append("# Objects inside events\n")
    shown: set[str] = set()
    while remaining := sorted(set(nested) - shown):
        for name in remaining:
            shown.add(name)
            parts.append(f"## {name}\n")
            parts.extend(_fields(nested[name], nested))
    return "\n".join(parts)


def _fields(described: type, nested: dict[str, type]) -> Iterator[str]:
    yield inspect.cleandoc(described.__doc__ or "") + "\n"
    hints = typing.get_type_hints(described)
    names = _field_names(described)
    if names:
        yield _table(("field", "type"), ((f"`{name}`", _type(hints[name], nested)) for name in names))


def _field_names(described: Any) -> tuple[str, ...]:
    """Of a struct or a dataclass; nothing for other types."""
    if isinstance(described, type) and issubclass(described, msgspec.Struct):
        return described.__struct_fields__
    if dataclasses.is_dataclass(described):
        return tuple(field.name for field in dataclasses.fields(described))
    return ()


def _type(hint: Any, nested: dict[str, type]) -> str:
    """A Python type as the JSON it becomes."""
    if isinstance(hint, typing.NewType):
        return _type(hint.__supertype__, nested)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if origin is tuple:
        return f"array of {_type(arguments[0], nested)}"
    if origin is dict:
        return f"object of {_type(arguments[1], nested)}"
    if arguments:  # a union
        return " or ".join(_type(argument, nested) for argument in arguments)
    if _field_names(hint):
        nested[hint.__name__] = typing.cast("type", hint)
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    names = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "time", type(None): "null"}
    return names[hint]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ErrorUse:
    """One place that raises an error. Parts that are known only then are written `…`."""

    code: str
    message: str
    hint: str | None
    blame: str


def errors_page() -> str:
    """Every error code with its messages and hints."""
    uses = sorted(set(_all_errors()), key=lambda use: (use.code, use.message, use.hint or ""))
    parts = [
        NOTE,
        "# Errors\n",
        _ABOUT_ERRORS,
    ]
    last = None
    for use in uses:
        if use.code != last:
            parts.append(f"## `{use.code}`\n")
            last = use.code
        blame = {"aws": " (of AWS)", "skykite": " (of Skykite)"}.get(use.blame, "")
        parts.append(f"- {_escaped(use.message)}{blame}\n")
        if use.hint:
            parts.append(f"  Hint: {_escaped(use.hint)}\n")
    return "\n".join(parts)


_RAISERS: Final = {"SkykiteError", "PropProblem", "AwsError", "refuse"}


def _all_errors() -> Iterator[ErrorUse]:
    for file in sorted((REPOSITORY / "src" / "skykite").rglob("*.py")):
        if "templates" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) in _RAISERS:
                yield from _use(node)


def _called(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def _use(call: ast.Call) -> Iterator[ErrorUse]:
    """Only calls that name their code; others pass on what somebody else said."""
    if len(call.args) < 2 or not (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)):
        return
    code = call.args[0].value
    if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", code):
        return
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    blame = keywords.get("blame")
    yield ErrorUse(
        code=code,
        message=_text(call.args[1]),
        hint=_text(keywords["hint"]) if "hint" in keywords and not _is_none(keywords["hint"]) else None,
        blame=str(blame.value) if isinstance(blame, ast.Constant) else "user",
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(value.value if isinstance(value, ast.Constant) else "…" for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case ast.IfExp(body=body, orelse=orelse):
            choices = [_text(choice) for choice in (body, orelse) if not _is_none(choice)]
            return " / ".join(choices)
        case _:
            return "…"


def _table(head: tuple[str, str], rows: Iterator[tuple[str, str]] | Any) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    lines += [f"| {_cell(left)} | {_cell(right)} |" for left, right in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    """Placeholders such as <name> outside of code are not HTML."""
    return text.replace("\n", " ").replace("<", "&lt;")


PAGES: Final = {
    "cli.md": cli_page,
    "events.md": events_page,
    "errors.md": errors_page,
    "bridge-protocol.md": lambda: f"{NOTE}\n{bridge_protocol_page()}",
}


def all_pages() -> dict[str, str]:
    """By path below docs/reference."""
    constructs = {f"constructs/{name}": f"{NOTE}\n{page}" for name, page in constructs_pages().items()}
    return {**{name: page() for name, page in PAGES.items()}, **constructs}


def main() -> None:
    for name, page in all_pages().items():
        file = REFERENCE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
        sys.stdout.write(f"{file.relative_to(REPOSITORY)}\n")


if __name__ == "__main__":
    main()
