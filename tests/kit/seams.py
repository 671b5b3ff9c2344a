"""What `skykite_cloud` takes from MiniStack's insides: every attribute and call, found in our source.

A name is followed where it is imported from MiniStack, and where a parameter bears the name of one of its modules, as
the functions given to `when_imported` do. I/O: reads our source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "skykite_cloud"
_ANY = ("Any", "ModuleType")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """`module.name`; when it is called, with how many arguments and with which keywords. `stars` leave that open."""

    module: str
    name: str
    where: str
    called: bool = False
    arguments: int = 0
    keywords: tuple[str, ...] = ()
    stars: bool = False


def seams(modules: dict[str, str]) -> Iterator[Seam]:
    """`modules`: MiniStack's modules by the last part of their names."""
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        where = str(file.relative_to(SOURCE))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _in_function(function, modules, where)


def _in_function(
    function: ast.FunctionDef | ast.AsyncFunctionDef, modules: dict[str, str], where: str
) -> Iterator[Seam]:
    known = {
        argument.arg: modules[argument.arg]
        for argument in function.args.args
        if argument.arg in modules and isinstance(argument.annotation, ast.Name) and argument.annotation.id in _ANY
    }
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in modules.values():
                    known[alias.asname or alias.name] = full
                else:
                    yield Seam(module=str(node.module), name=alias.name, where=where)
    stored = {
        id(node) for node in ast.walk(function) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (found := _attribute(node.func, known)):
            stars = any(isinstance(one, ast.Starred) for one in node.args) or any(
                one.arg is None for one in node.keywords
            )
            names = tuple(one.arg for one in node.keywords if one.arg)
            yield Seam(
                module=found[0],
                name=found[1],
                where=where,
                called=True,
                arguments=len(node.args),
                keywords=names,
                stars=stars,
            )
        elif isinstance(node, ast.Attribute) and (found := _attribute(node, known)) and id(node) not in stored:
            yield Seam(module=found[0], name=found[1], where=where)


def _attribute(node: ast.expr, known: dict[str, str]) -> tuple[str, str] | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
        return known[node.value.id], node.attr
    return None
