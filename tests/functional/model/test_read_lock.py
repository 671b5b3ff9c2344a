"""Locks are read without what packages may be downloaded from: fast, and nothing else is lost."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from skykite.errors import SkykiteError
from skykite.model.packages import read_lock

UV = """\
version = 1

[[package]]
name = "alpha"
version = "1.0"
source = { registry = "x" }
dependencies = [
    { name = "beta" },
]
sdist = { path = "alpha-1.0.tar.gz", hash = "sha256:00" }
wheels = [
    { path = "alpha-1.0-cp311-none-any.whl", hash = "sha256:00" },
    { path = "alpha-1.0-cp312-none-any.whl", hash = "sha256:00" },
]

[package.optional-dependencies]
fast = [
    { name = "gamma", marker = "sys_platform == 'linux'" },
]

[[package]]
name = "beta"
version = "2.0"
wheels = [
    { path = "beta-2.0-py3-none-any.whl", hash = "sha256:00" },
]
"""
POETRY = """\
[[package]]
name = "alpha"
version = "1.0"
groups = ["main"]
files = [
    {file = "alpha-1.0-py3-none-any.whl", hash = "sha256:00"},
    {file = "alpha-1.0.tar.gz", hash = "sha256:00"},
]

[package.dependencies]
beta = {version = ">=1", extras = ["fast"]}
"""


@pytest.mark.parametrize("text", [UV, POETRY], ids=["uv", "poetry"])
def test_all_but_archives_is_there(text: str, tmp_path: Path) -> None:
    file = tmp_path / "some.lock"
    file.write_text(text)
    whole = tomllib.loads(text)
    for package in whole["package"]:
        for name in ("files", "wheels", "sdist"):
            package.pop(name, None)
    assert read_lock(file) == whole


def test_the_line_of_an_error_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "uv.lock"
    file.write_text(UV + "\n[[package]\n")
    with pytest.raises(SkykiteError) as raised:
        read_lock(file)
    assert raised.value.code == "lock-invalid"
    assert f"line {UV.count(chr(10)) + 2}" in raised.value.message
