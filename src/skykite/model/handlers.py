"""What a Python file defines, without running it: how a handler is checked before anything is deployed.

In: source text. Out: the names a handler could be, or that nobody can tell. Pure.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final

_LITERALS: Final = (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Set, ast.Tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """`functions` are defined by `def`, in the file's order; `names` is everything bound at module level, `values` what
    of it can be nothing but a number, a text or the like. An `open` module (a star import, a module `__getattr__`, a
    call of `globals` or `exec`) may have any name at run time."""

    functions: tuple[str, ...]
    names: frozenset[str]
    values: frozenset[str]
    open: bool

    def may_define(self, name: str) -> bool:
        return self.open or (name in self.names and name not in self.values)


def read_definitions(source: str | bytes) -> Definitions:
    """Raises SyntaxError as `ast.parse` does."""
    visitor = _ModuleLevel()
    visitor.visit(ast.parse(source))
    names = frozenset(visitor.names)
    return Definitions(
        functions=tuple(visitor.functions),
        names=names,
        values=frozenset(visitor.values - visitor.others) & names,
        open=visitor.open or "__getattr__" in names,
    )


class _ModuleLevel(ast.NodeVisitor):
    """Binds what runs at import, and never enters a function or class of its own scope."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.names: set[str] = set()
        self.values: set[str] = set()  # bound to a literal somewhere
        self.others: set[str] = set()  # bound to anything else somewhere
        self.open = False

    def _bind(self, *names: str) -> None:
        self.names.update(names)
        self.others.update(names)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name)
        if node.name not in self.functions:
            self.functions.append(node.name)
        for statement in ast.walk(node):
            if isinstance(statement, ast.Global):
                self._bind(*statement.names)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A scope of its own."""

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name) and isinstance(node.value, _LITERALS):
                self.names.add(target.id)
                self.values.add(target.id)
            else:
                self.visit(target)
        self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        elif isinstance(node.ctx, ast.Del):
            self.names.discard(node.id)

    def visit_alias(self, node: ast.alias) -> None:
        if node.name == "*":
            self.open = True
        else:
            self._bind(node.asname or node.name.partition(".")[0])

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in ("globals", "exec", "setattr"):
            self.open = True
        self.generic_visit(node)
