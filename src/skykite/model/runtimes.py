"""Lambda's runtimes: which there are, and what a function in a file of some kind runs on. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from __future__ import annotations

import re
from typing import Final

from skykite.model.invocation import FunctionKind

PYTHON_RUNTIMES: Final = ("python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14")
NODE_RUNTIMES: Final = ("nodejs20.x", "nodejs22.x", "nodejs24.x")
EXECUTABLE_RUNTIMES: Final = ("provided.al2023", "provided.al2")
RUNTIMES: Final = (*PYTHON_RUNTIMES, *NODE_RUNTIMES, *EXECUTABLE_RUNTIMES)
DEFAULT_PYTHON: Final = "python3.13"
DEFAULT_NODE: Final = "nodejs24.x"

NODE_SUFFIXES: Final = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")
"""Of files with code for Node, in the order in which one is chosen to be shown."""


def kind_of(runtime: str) -> FunctionKind:
    """How functions of a runtime are built and run."""
    if runtime.startswith("nodejs"):
        return "node"
    return "executable" if runtime.startswith("provided") else "python"


def node_version(runtime: str) -> int:
    """`nodejs24.x` has 24."""
    found = re.fullmatch(r"nodejs(\d+)\.x", runtime)
    return int(found[1]) if found else 0
