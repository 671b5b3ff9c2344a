"""Locks as Poetry, PDM and uv write them: taken as they are, whatever the tool's rule is, and refused when they no
longer fit. Slow: the tools are fetched; what they lock comes from an index here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from kit.package_index import package_index
from kit.wheels import make_wheel
from skykite.errors import SkykiteError
from skykite.model.dependencies import read_dependencies
from skykite.model.manifest import PackageOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

POETRYS = ["1.5.1", "1.8.5", "2.0.1", "2.1.4", "2.5.1"]
OLD = """\
[tool.poetry]
name = "x"
version = "1"
description = ""
authors = []

[tool.poetry.dependencies]
python = "^3.9"
parcel = "^1.0"
quill = {version = "*", optional = true}
ink = [{version = "^1.0", python = "<3.10"}, {version = "^2.0", python = ">=3.10"}]

[tool.poetry.extras]
mail = ["quill"]

[tool.poetry.group.dev.dependencies]
stamp = ">=1"
"""
NEW = """\
[project]
name = "x"
version = "1"
requires-python = ">=3.9"
dependencies = ["parcel (>=1.0,<2)", "ink>=1; python_version < '3.8'"]

[project.optional-dependencies]
mail = ["quill"]

[dependency-groups]
Dev_Tools = ["stamp>=1"]
"""
POETRY_2 = "[tool.poetry]\npackage-mode = false\n\n[tool.poetry.group.docs.dependencies]\nink = '^1.0'\n"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index with some wheels."""
    folder = tmp_path / "index"
    for name in ("parcel", "stamp", "ink", "quill"):
        for version in ("1.0", "1.5", "2.0"):
            make_wheel(folder / name, name, version)
    with package_index(folder) as url:
        yield url


def lock(root: Path, package: str, *command: str) -> None:
    """Run the lock command of a tool, which uv fetches."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment |= {"POETRY_VIRTUALENVS_CREATE": "false", "NO_PROXY": "127.0.0.1", "HOME": str(root.parent)}
    environment |= {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))}
    done = subprocess.run(
        [find_uv_bin(), "tool", "run", "--python", sys.executable, "--from", package, "--with=hishel<2", *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def refused(root: Path) -> str | None:
    """Why, after the last colon of the message; None if the lock is taken."""
    try:
        read_dependencies(root, PackageOptions())
    except SkykiteError as error:
        found = error
    else:
        return None
    assert found.code == "lock-outdated"
    return found.message.rpartition("`: ")[2]


def after(root: Path, text: str, old: str, new: str) -> str | None:
    assert old in text
    (root / "pyproject.toml").write_text(text.replace(old, new))
    return refused(root)


def a_project(tmp_path: Path, text: str) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text(text)
    return root


@pytest.mark.parametrize("version", POETRYS)
def test_poetrys_lock_of_a_project_of_its_own_kind(tmp_path: Path, index: str, version: str) -> None:
    priority = "default" if version == "1.5.1" else "primary"
    text = f'{OLD}\n[[tool.poetry.source]]\nname = "here"\nurl = "{index}"\npriority = "{priority}"\n'
    root = a_project(tmp_path, text)
    lock(root, f"poetry=={version}", "poetry", "lock", "--no-interaction", "--no-cache")
    assert refused(root) is None
    assert after(root, text, 'description = ""', 'description = "other"') is None
    assert after(root, text, 'parcel = "^1.0"', 'parcel = "^2.0"') == "`parcel` is 1.5 in it, and `^2.0` is asked for"
    assert after(root, text, 'parcel = "^1.0"', 'parcel = "^1.0"\nstamps = "*"') == "`stamps` is not in it"
    assert after(root, text, 'stamp = ">=1"', 'stamp = ">1"') == "what Poetry locks has changed since"
    assert after(root, text, 'parcel = "^1.0"', 'parcel = "^1.1"') == "what Poetry locks has changed since"


@pytest.mark.parametrize("version", [one for one in POETRYS if one >= "2"])
def test_poetrys_lock_of_a_project_by_the_standard(tmp_path: Path, index: str, version: str) -> None:
    text = f'{NEW}\n{POETRY_2}\n[[tool.poetry.source]]\nname = "here"\nurl = "{index}"\n'
    root = a_project(tmp_path, text)
    lock(root, f"poetry=={version}", "poetry", "lock", "--no-interaction", "--no-cache")
    assert "ink" in (root / "poetry.lock").read_text()
    assert refused(root) is None
    assert after(root, text, "package-mode = false", "package-mode = false\nrequires-poetry = '>=2'") is None
    wrong = "`parcel` is 1.5 in it, and `>=2.0,<3` is asked for"
    assert after(root, text, "parcel (>=1.0,<2)", "parcel (>=2.0,<3)") == wrong
    assert after(root, text, '"parcel', '"stamps", "parcel') == "`stamps` is not in it"
    assert after(root, text, '"quill"', '"quill>1"') == "what Poetry locks has changed since"
    assert after(root, text, "ink = '^1.0'", "ink = '^1.1'") == "what Poetry locks has changed since"


def test_pdms_lock(tmp_path: Path, index: str) -> None:
    text = (
        f'{NEW}\n[tool.pdm.resolution.overrides]\nparcel = "==1.0"\n\n'
        f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{index}"\nverify_ssl = false\n'
    )
    root = a_project(tmp_path, text)
    lock(root, "pdm==2.29.4", "pdm", "lock", "--no-isolation")
    assert refused(root) is None
    assert after(root, text, 'name = "x"', 'name = "y"') is None
    assert after(root, text, "parcel (>=1.0,<2)", "parcel (>=2.0,<3)") is None, "an override was not counted"
    plain = text.replace("[tool.pdm.resolution.overrides]", "[tool.pdm.scripts]")
    assert after(root, plain, "parcel (>=1.0,<2)", "parcel (>=2.0,<3)") == (
        "`parcel` is 1.0 in it, and `>=2.0,<3` is asked for"
    )
    assert after(root, text, '"parcel', '"stamps", "parcel') == "`stamps` is not in it"

    (root / "pyproject.toml").write_text(text)
    locked = (root / "pdm.lock").read_text()
    (root / "pdm.lock").write_text(locked.replace('name = "parcel"', 'name = "parcels"'))
    assert refused(root) is None, "its own hash says that it is as it should be"
    assert after(root, plain, "ink>=1", "ink>=1.1") == "`parcel` is not in it"


def test_uvs_lock(tmp_path: Path, index: str) -> None:
    text = f'{NEW}\n[tool.uv]\n[[tool.uv.index]]\nurl = "{index}"\ndefault = true\n'
    root = a_project(tmp_path, text)
    done = subprocess.run([find_uv_bin(), "lock", "--quiet", "--python", sys.executable], cwd=root, check=False)
    assert done.returncode == 0
    assert refused(root) is None
    assert after(root, text, "parcel (>=1.0,<2)", "Parcel<2, >=1.0") is None
    assert after(root, text, "parcel (>=1.0,<2)", "parcel >=1.2") is None, "what is locked will do"
    wrong = "`parcel` is 1.5 in it, and `>=2.0,<3` is asked for"
    assert after(root, text, "parcel (>=1.0,<2)", "parcel (>=2.0,<3)") == wrong
    assert after(root, text, "parcel (>=1.0,<2)", "parcel[fast]") == "`parcel[fast]` is not in it"
    assert after(root, text, '"parcel', '"stamps", "parcel') == "`stamps` is not in it"
