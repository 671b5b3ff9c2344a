"""Which modules a file imports for sure, and on which line. Pure.

What is only tried (`try: import …` with an `except` for its absence) and what only type checkers see does not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_ABSENCE: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """`module` is dotted; `names` are what `from module import …` takes of it, which may be modules, too."""

    module: str
    line: int
    names: tuple[str, ...] = ()

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports_of(source: bytes) -> tuple[Import, ...]:
    """None of a file that is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(_in(tree))


def _in(node: ast.AST) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            yield from (Import(module=one.name, line=node.lineno) for one in names)
        case ast.ImportFrom(module=str(module), level=0, names=names):
            yield Import(module=module, line=node.lineno, names=tuple(one.name for one in names))
        case ast.Try(handlers=handlers) if any(map(_expects_absence, handlers)):
            for part in (*handlers, *node.orelse, *node.finalbody):
                yield from _in(part)
        case ast.If(test=test, orelse=otherwise) if _is_type_checking(test):
            for part in otherwise:
                yield from _in(part)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _in(child)


def _expects_absence(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _ABSENCE) for kind in kinds)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
