"""What is installed beside what would be deployed, and the one line that is said of it."""

from __future__ import annotations

import pytest

from skykite.dev.differences import Difference, compare, differences_notice, remedy_for


def pinned(**versions: str | None) -> dict[str, frozenset[str]]:
    return {name: frozenset([version] if version else []) for name, version in versions.items()}


def test_other_versions_come_before_missing_packages_and_what_is_not_deployed_does_not_count() -> None:
    found = compare({"b": "2", "c": "1.0", "pytest": "9"}, pinned(a="1", b="1", c="1", d=None))
    assert found == (
        Difference(name="b", locked="1", here="2"),
        Difference(name="a", locked="1", here=None),
        Difference(name="d", locked=None, here=None),
    )


@pytest.mark.parametrize(
    ("here", "locked"),
    [("1.0", "1"), ("1.0.0", "1.0"), ("1.0rc1", "1.0-rc.1"), ("1.0.post1", "1.0-post1"), ("2.5+cpu", "2.5+CPU"),
     ("2024.2.0", "2024.2"), ("1.0b0", "1.0beta")],
)  # fmt: skip
def test_one_version_in_two_spellings_is_no_difference(here: str, locked: str) -> None:
    assert compare({"a": here}, pinned(a=locked)) == ()


@pytest.mark.parametrize(("here", "locked"), [("1.1", "1"), ("10", "1"), ("1.0rc1", "1.0"), ("1.0", "1.0+cpu")])
def test_two_versions_are_a_difference(here: str, locked: str) -> None:
    assert len(compare({"a": here}, pinned(a=locked))) == 1


def test_any_of_several_locked_versions_will_do() -> None:
    assert compare({"a": "2"}, {"a": frozenset({"1", "2"})}) == ()


def test_a_line_names_three_and_counts_the_others() -> None:
    differences = [Difference(name=name, locked="2", here=None) for name in "abcdef"]
    differences[0] = Difference(name="a", locked="2", here="1")
    notice = differences_notice(differences, lock="uv.lock", environment="`.venv`", remedy="uv sync")
    assert notice is not None
    assert notice.message == (
        "`.venv` is not what `uv.lock` would deploy: `a` is 1 instead of 2, `b` is not installed, `c` is not installed "
        "and 3 more differ"
    )
    assert notice.hint == "run `uv sync`"
    assert differences_notice([], lock="uv.lock", environment="`.venv`", remedy="uv sync") is None


def test_the_remedy_is_the_command_of_the_tool_whose_lock_it_is() -> None:
    assert remedy_for("uv", file="pyproject.toml", keeper="venv", pip="pip") == "uv sync"
    assert (
        remedy_for("uv", file="x", keeper="active", pip="pip", extras=["web"], groups=["jobs"], shared=True)
        == "uv sync --all-packages --extra web --group jobs --active"
    )
    assert remedy_for("uv", file="x", keeper="venv", pip="pip", beside="backend") == "cd backend && uv sync"
    assert remedy_for("poetry", file="x", keeper="poetry", pip="pip", groups=["jobs"]) == "poetry install --with jobs"
    assert remedy_for("pdm", file="x", keeper="pdm", pip="pip") == "pdm install"
    assert remedy_for("requirements", file="a/requirements.txt", keeper="venv", pip="pip", beside="a") == (
        "pip install -r a/requirements.txt"
    )
    assert remedy_for("requirements", file="requirements.txt", keeper="own", pip="pip") == (
        "uv venv && uv pip install -r requirements.txt"
    )
    assert remedy_for("requirements", file="requirements.txt", keeper="given", pip="pip", given="../other") == (
        "uv pip install --python ../other -r requirements.txt"
    )
    assert remedy_for("pyproject", file="pyproject.toml", keeper="given", pip="pip", given="env") == (
        "uv pip install --python env -r pyproject.toml"
    )
    assert remedy_for("pyproject", file="pyproject.toml", keeper="poetry", pip="pip") == "poetry install"
