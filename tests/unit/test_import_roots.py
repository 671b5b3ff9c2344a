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


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("root", ALLOWED)
def test_nothing_but_the_standard_library_is_imported(root: str) -> None:
    files = sorted((SOURCE / root).rglob("*.py"))
    assert files
    foreign = {
        f"{file.relative_to(SOURCE)}: {name}"
        for file in files
        for name in imported(file)
        if (top := name.partition(".")[0]) not in ALLOWED[root] and top not in sys.stdlib_module_names
    }
    assert not foreign


def test_what_runs_in_functions_is_python_3_9() -> None:
    for file in sorted((SOURCE / "skykite_lambda").rglob("*.py")):
        ast.parse(file.read_bytes(), filename=str(file), feature_version=(3, 9))
