"""Python code compiled ahead for a function's runtime, where a folder of packages asks for it.

In: a folder, a target. Out: `__pycache__` folders in it, the same to the byte wherever they are made. I/O: uv looks for
an interpreter of the target's version, which compiles.

Lambda's file system is read-only, so that without this each new environment compiles what it imports. The files carry a
hash instead of a time, and Python is told not to check it: https://peps.python.org/pep-0552/
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from skykite.bundle.target import Target
from skykite.errors import SkykiteError


async def compile_for(folder: Path, target: Target, environment: Mapping[str, str]) -> None:
    """Raises `bytecode-python-missing` if there is no interpreter of that version on this machine."""
    python = await asyncio.to_thread(_interpreter, target.python, environment)
    process = await asyncio.create_subprocess_exec(
        python,
        "-I",
        "-m",
        "compileall",
        "-q",
        "-j0",
        "--invalidation-mode=unchecked-hash",
        # Tracebacks name the place in Lambda, whatever this folder is called.
        f"-s{folder}",
        "-p/opt/python",
        str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    # It also fails for files that are no Python of this version: templates, or code for another. They stay as they are.
    await process.wait()


def _interpreter(version: str, environment: Mapping[str, str]) -> str:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    from uv import find_uv_bin

    found = subprocess.run(
        [find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if found.returncode != 0:
        raise SkykiteError(
            "bytecode-python-missing",
            f"there is no Python {version} on this machine to compile packages with",
            hint=f"install one, for instance with `uv python install {version}`, or leave out `bytecode`",
        )
    return found.stdout.strip()
