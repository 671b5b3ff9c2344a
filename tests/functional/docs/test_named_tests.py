"""Decisions name the tests that hold them: those tests are there, and where it is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FAILURES_ELSEWHERE = ROOT / "docs/decisions/0007-what-fails-elsewhere-in-live-development.md"


def rows() -> list[str]:
    lines = FAILURES_ELSEWHERE.read_text().splitlines()
    return [line for line in lines if line.startswith("| ") and "---" not in line][1:]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip()[:40])
def test_what_users_of_others_met_has_tests_that_are_there(row: str) -> None:
    named = re.findall(r"`([^`]+)`", row.split("|")[3])
    files = [name for name in named if name.endswith(".py")]
    tests = [name for name in named if name.startswith("…")]
    assert files or tests or "as above" in row or "benchmarks" in row
    for file in files:
        assert list((ROOT / "tests").rglob(file.removeprefix("tests/"))), f"no file of tests is called {file}"
    everything = " ".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py") if file != Path(__file__))
    for test in tests:
        pattern = r"def test_[a-z0-9_]*" + "[a-z0-9_]*".join(re.escape(part) for part in test.split("…") if part)
        assert re.search(pattern, everything), f"no test is called {test}"
