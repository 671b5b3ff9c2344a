"""The environments that Poetry and PDM make are found where those tools say they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from skykite.dev.environments import find_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="programs are looked for as on POSIX"),
]


def install(folder: Path, *packages: str) -> Path:
    """An environment with these tools. Returns where its programs are."""
    python = folder / "bin" / "python"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--no-project", "--python", sys.executable, folder], check=True)
    subprocess.run([find_uv_bin(), "pip", "install", "--quiet", "--python", python, *packages], check=True)
    return folder / "bin"


def variables(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["shop", "My.Shop_with-a-very-long-name-that-Poetry-shortens-for-folders"])
def test_poetry(tmp_path: Path, name: str) -> None:
    poetry = install(tmp_path / "tools", "poetry") / "poetry"
    root = tmp_path / "a project"
    root.mkdir()
    declared = f'[project]\nname = "{name}"\nversion = "0"\nrequires-python = ">=3.9"\n'
    declared += "[tool.poetry]\npackage-mode = false\n"
    (root / "pyproject.toml").write_text(declared)
    environment = variables(tmp_path / "home")

    def ask(*command: str) -> str:
        return subprocess.run(
            [poetry, *command], cwd=root, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    ask("install", "--quiet")
    found = find_python(root, environment)
    assert (found.keeper, str(found.folder)) == ("poetry", ask("env", "info", "--path"))


@pytest.mark.timeout(300)
def test_pdm(tmp_path: Path) -> None:
    pdm = install(tmp_path / "tools", "pdm", "hishel<2") / "pdm"
    root = tmp_path / "project"
    root.mkdir()
    declared = '[project]\nname = "shop"\nversion = "0"\nrequires-python = ">=3.9"\n[tool.pdm]\ndistribution = false\n'
    (root / "pyproject.toml").write_text(declared)
    environment = {**variables(tmp_path / "home"), "PDM_CHECK_UPDATE": "false", "PDM_VENV_IN_PROJECT": "false"}

    def ask(*command: str) -> str:
        return subprocess.run(
            [pdm, *command], cwd=root, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    ask("install", "--quiet")
    found = find_python(root, environment)
    assert (found.keeper, str(found.python)) == ("pdm", ask("info", "--python"))
