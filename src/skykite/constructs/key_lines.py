"""Where in the user's source the keys of a dict stand that a construct was given, and which are written twice.

A dict keeps the last of two equal keys, so a route or a subscriber written twice has lost its first function before the
construct is called: only the source still tells. In: source text and the line of the call. Out: the lines of the keys,
if the call gives its dict as a literal. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLines:
    """By key as written; of one written twice the last line. `twice` is the first of those: key, line, line."""

    lines: dict[str, int]
    twice: tuple[str, int, int] | None


NOWHERE = KeyLines(lines={}, twice=None)


def read_key_lines(source: str, *, line: int, prop: str, keys: Collection[str]) -> KeyLines:
    """Of the innermost call around `line` with a literal `prop={…}`, or a literal dict as an argument without a name,
    that can be the one that became `keys`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return NOWHERE
    found = [
        (last - node.lineno, literal)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.lineno <= line <= (last := node.end_lineno or node.lineno)
        for literal in _literals(node, prop)
    ]
    for _, literal in sorted(found, key=lambda one: one[0]):
        written = _keys(literal)
        if written and {text for text, _ in written} <= set(keys):
            return _read(written)
    return NOWHERE


def _literals(call: ast.Call, prop: str) -> Iterator[ast.Dict]:
    named = [keyword.value for keyword in call.keywords if keyword.arg == prop]
    for value in (*named, *call.args):
        if isinstance(value, ast.Dict):
            yield value


def _keys(literal: ast.Dict) -> list[tuple[str, int]]:
    return [
        (key.value, key.lineno) for key in literal.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]


def _read(keys: list[tuple[str, int]]) -> KeyLines:
    lines: dict[str, int] = {}
    twice: tuple[str, int, int] | None = None
    for text, line in keys:
        if text in lines and twice is None:
            twice = text, lines[text], line
        lines[text] = line
    return KeyLines(lines=lines, twice=twice)
