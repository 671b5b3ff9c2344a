"""Where in the user's source the routes of an `Api` stand, and which of them are written twice.

A dict keeps the last of two equal keys, so a route written twice has lost its first function before `Api` is called:
only the source still tells. In: source text and the line of the call. Out: the lines of the keys, if the call gives
its routes as a dict literal. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLines:
    """By route key as written; of one written twice the last line. `twice` is the first of those: key, line, line."""

    lines: dict[str, int]
    twice: tuple[str, int, int] | None


NOWHERE = RouteLines(lines={}, twice=None)


def read_route_lines(source: str, *, line: int, routes: Collection[str]) -> RouteLines:
    """Of the innermost call around `line` with a literal `routes=` that can be the one that became `routes`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return NOWHERE
    found = [
        (last - node.lineno, keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.lineno <= line <= (last := node.end_lineno or node.lineno)
        for keyword in node.keywords
        if keyword.arg == "routes" and isinstance(keyword.value, ast.Dict)
    ]
    for _, literal in sorted(found, key=lambda one: one[0]):
        keys = _keys(literal)
        if {text for text, _ in keys} <= set(routes):
            return _read(keys)
    return NOWHERE


def _keys(literal: ast.Dict) -> list[tuple[str, int]]:
    return [
        (key.value, key.lineno) for key in literal.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]


def _read(keys: list[tuple[str, int]]) -> RouteLines:
    lines: dict[str, int] = {}
    twice: tuple[str, int, int] | None = None
    for text, line in keys:
        if text in lines and twice is None:
            twice = text, lines[text], line
        lines[text] = line
    return RouteLines(lines=lines, twice=twice)
