"""What the Python is like that functions run on here, and what to say if it is not the one they get in AWS. I/O: asks
the interpreter.

Said calmly: most code does not notice, and whoever has only one Python installed is not doing anything wrong.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from skykite.dev.description import describe
from skykite.dev.environments import Keeper
from skykite.model.events import Notice

_QUESTION: Final = Path(__file__).with_name("description.py")


class Interpreter(msgspec.Struct, frozen=True):
    """What one says of itself. `runtime` is as Lambda names it, `python3.13`; `folders` are those that installed
    packages are imported from, the first one first; `variables` those of environment markers."""

    runtime: str
    folders: tuple[str, ...] = ()
    variables: dict[str, str] = {}


async def ask_interpreter(interpreter: Path) -> Interpreter | None:
    """None if the interpreter does not say, which shows with its first worker. It is asked as workers are started."""
    if interpreter == Path(sys.executable):
        return msgspec.convert(describe(), type=Interpreter)
    try:
        process = await asyncio.create_subprocess_exec(
            str(interpreter),
            *("-I", "-X", "utf8", str(_QUESTION)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    answer, _ = await process.communicate()
    try:
        return msgspec.json.decode(answer.splitlines()[-1], type=Interpreter)
    except (IndexError, msgspec.MsgspecError):
        return None


_REMEDIES: Final[Mapping[Keeper, str]] = {
    "uv": "`uv sync --python {0}`",
    "poetry": "`poetry env use {0} && poetry install`",
    "pdm": "`pdm use -f {0} && pdm install`",
    "conda": "`conda install python={0}`",
    "pyenv": "`pyenv local {0}`",
    "given": "`--python {0}`",
}


def version_notices(
    interpreter: Interpreter | None, runtimes: Iterable[str], keeper: Keeper = "venv"
) -> tuple[Notice, ...]:
    """One line if any function gets another Python in AWS than here, where `keeper` has the environment."""
    version = interpreter.runtime if interpreter else None
    others = sorted(
        {runtime for runtime in runtimes if runtime.startswith("python") and runtime != version}, key=_numbers
    )
    if version is None or not others:
        return ()
    wanted = " and ".join(map(_spoken, others))
    made = _REMEDIES.get(keeper, "`uv venv --python {0}`").format(others[0].removeprefix("python"))
    remedy = f"for the same one, {made}"
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
