"""A Python that differs from the one in AWS is said once, in one calm line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from skykite.dev.environments import Keeper
from skykite.dev.interpreter import Interpreter, ask_interpreter, kept_version_notices, version_notices
from skykite.model.events import Notice


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
async def test_the_interpreter_is_asked_and_one_that_does_not_answer_says_nothing(tmp_path: Path) -> None:
    ours = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = await ask_interpreter(Path(sys.executable))
    assert own is not None
    assert own.runtime == ours
    relay = tmp_path / "python"
    relay.write_text(f'#!/bin/sh\necho said by a start-up hook\nexec "{sys.executable}" "$@"\n')
    relay.chmod(0o755)
    asked = await ask_interpreter(relay)
    assert asked is not None
    assert (asked.runtime, asked.variables, asked.folders) == (own.runtime, own.variables, own.folders)
    relay.write_text("#!/bin/sh\necho no python\nexit 1\n")
    assert await ask_interpreter(relay) is None
    assert await ask_interpreter(tmp_path / "missing") is None


def test_only_another_minor_version_is_worth_a_line() -> None:
    assert version_notices(Interpreter(runtime="python3.13"), ["python3.13", "nodejs24.x"]) == ()
    assert version_notices(None, ["python3.13"]) == ()
    older = Interpreter(runtime="python3.11")
    runtimes = ["python3.13", "python3.9", "python3.11", "python3.9"]
    assert version_notices(older, runtimes) == (
        Notice(
            notice="runtime-differs",
            message="functions run on Python 3.11 here and on Python 3.9 and Python 3.13 in AWS; "
            "for the same one, `uv venv --python 3.9` or set `runtime`",
        ),
    )
    commands: dict[Keeper, str] = {
        "uv": "uv sync --python 3.13",
        "poetry": "poetry env use 3.13 && poetry install",
        "pdm": "pdm use -f 3.13 && pdm install",
    }
    for keeper, command in commands.items():
        (notice,) = version_notices(older, ["python3.13"], keeper)
        assert notice.message.endswith(f"for the same one, `{command}` or set `runtime`")


def test_a_kept_cloud_that_has_another_python_says_so_once_for_all_functions() -> None:
    own = "{}.{}".format(*sys.version_info)
    (notice,) = kept_version_notices(["python3.9", f"python{own}", "nodejs22.x", "python3.9", "python3.8"])

    assert notice.message == (
        f"deployed functions run on Python {own} here, as `kite` does, and on Python 3.8 and Python 3.9 in AWS; "
        "compiled packages for one do not load in the other"
    )
    assert notice.hint == "install Skykite into an environment of Python 3.8 for the same one"
    assert kept_version_notices([f"python{own}", "nodejs22.x"]) == ()
