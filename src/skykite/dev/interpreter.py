"""Which Python functions run on here, and what to say if it is not the one they get in AWS. I/O: asks the interpreter.

Said calmly: most code does not notice, and whoever has only one Python installed is not doing anything wrong.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from skykite.model.events import Notice

_QUESTION: Final = "import sys; print('python%d.%d' % sys.version_info[:2])"


async def ask_version(interpreter: Path) -> str | None:
    """As Lambda names it: `python3.13`. None if the interpreter does not say, which shows with its first worker."""
    if interpreter == Path(sys.executable):
        return "python{}.{}".format(*sys.version_info)
    try:
        process = await asyncio.create_subprocess_exec(
            str(interpreter),
            *("-I", "-S", "-c", _QUESTION),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    answer, _ = await process.communicate()
    found = re.fullmatch(rb"(python\d+\.\d+)\s*", answer)
    return found.group(1).decode() if found else None


def version_notices(version: str | None, runtimes: Iterable[str]) -> tuple[Notice, ...]:
    """One line if any function gets another Python in AWS than `version`."""
    others = sorted(
        {runtime for runtime in runtimes if runtime.startswith("python") and runtime != version}, key=_numbers
    )
    if version is None or not others:
        return ()
    wanted = " and ".join(map(_spoken, others))
    remedy = f"for the same one, `uv venv --python {others[0].removeprefix('python')}`"
    return (
        Notice(
            notice="runtime-differs",
            message=f"functions run on {_spoken(version)} here and on {wanted} in AWS; {remedy} or set `runtime`",
        ),
    )


def kept_version_notices(runtimes: Iterable[str]) -> tuple[Notice, ...]:
    """One line if any deployed function gets another Python in AWS than in a kept cloud, which has `kite`'s own."""
    own = "python{}.{}".format(*sys.version_info)
    others = sorted({runtime for runtime in runtimes if runtime.startswith("python") and runtime != own}, key=_numbers)
    if not others:
        return ()
    wanted = " and ".join(map(_spoken, others))
    return (
        Notice(
            notice="runtime-differs",
            message=f"deployed functions run on {_spoken(own)} here, as `kite` does, and on {wanted} in AWS; "
            "compiled packages for one do not load in the other",
            hint=f"install Skykite into an environment of {_spoken(others[0])} for the same one",
        ),
    )


def _spoken(runtime: str) -> str:
    return runtime.replace("python", "Python ")


def _numbers(runtime: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", runtime)))
