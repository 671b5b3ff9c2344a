"""What the import contracts cannot say: the two small roots bring nothing from outside with them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
ALLOWED = {
    # debugpy and its pydevd are loaded by path, and only where a debugger is.
    "skykite_lambda": {"skykite_lambda", "debugpy", "pydevd", "_pydev_bundle", "_pydevd_bundle"},
    "skykite_cloud": {"skykite_cloud", "ministack", "hypercorn"},
}


# What AWS has in every Python function anyway: to be imported when it is used, and not by who does not use it.
ALLOWED_IN_FUNCTIONS = {"skykite_lambda": {"boto3", "botocore"}, "skykite_cloud": set[str]()}


def imported(node: ast.AST, *, in_function: bool = False) -> Iterator[tuple[str, bool]]:
    """Modules, and whether they are imported only when a function is called."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, in_function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module, in_function
        yield from imported(
            child, in_function=in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        )


@pytest.mark.parametrize("root", ALLOWED)
def test_nothing_but_the_standard_library_is_imported(root: str) -> None:
    files = sorted((SOURCE / root).rglob("*.py"))
    assert files
    foreign = {
        f"{file.relative_to(SOURCE)}: {name}"
        for file in files
        for name, in_function in imported(ast.parse(file.read_bytes()))
        if (top := name.partition(".")[0]) not in ALLOWED[root]
        and top not in sys.stdlib_module_names
        and not (in_function and top in ALLOWED_IN_FUNCTIONS[root])
    }
    assert not foreign


def test_what_runs_in_functions_is_python_3_9() -> None:
    for file in sorted((SOURCE / "skykite_lambda").rglob("*.py")):
        ast.parse(file.read_bytes(), filename=str(file), feature_version=(3, 9))
