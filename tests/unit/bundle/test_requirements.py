"""What says which packages a function needs, and for which machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from skykite.bundle.requirements import find_requirements
from skykite.bundle.target import Target, target_of
from skykite.errors import SkykiteError
from skykite.model.source import dependency_files


def test_the_most_exact_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["a"]\n')

    def main() -> str:
        found = find_requirements(tmp_path, dependency_files(tmp_path, tmp_path))
        assert found is not None
        return f"{found.kind} {found.main.name}"

    assert main() == "requirements pyproject.toml"
    (tmp_path / "requirements.txt").write_text("a==1\n")
    assert main() == "requirements requirements.txt"
    (tmp_path / "pylock.toml").write_text("")
    assert main() == "requirements pylock.toml"
    (tmp_path / "uv.lock").write_text("")
    assert main() == "lock pyproject.toml"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "# nothing yet\n\n"),
        ("pyproject.toml", "[tool.ruff]\n"),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = []\n'),
    ],
)
def test_files_that_ask_for_nothing_need_no_packages(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert find_requirements(tmp_path, dependency_files(tmp_path, tmp_path)) is None


def test_an_include_from_elsewhere_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "service"
    root.mkdir()
    (tmp_path / "shared.txt").write_text("a\n")
    (root / "requirements.txt").write_text("-r ../shared.txt\n")
    with pytest.raises(SkykiteError) as raised:
        find_requirements(root, dependency_files(root, tmp_path))
    assert raised.value.message == "`requirements.txt` includes `../shared.txt`, which is outside of `service`"


def test_poetry_is_told_how_to_export(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.poetry.dependencies]\npython = "^3.12"\nrequests = "*"\n')
    with pytest.raises(SkykiteError) as raised:
        find_requirements(tmp_path, dependency_files(tmp_path, tmp_path))
    assert (raised.value.code, raised.value.hint) == (
        "poetry-not-read",
        "run `poetry export -o requirements.txt` beside it; `requirements.txt` is read first",
    )


def test_the_machine_follows_from_runtime_and_architecture() -> None:
    assert target_of("python3.11", "x86_64") == Target(python="3.11", platform="x86_64-manylinux2014")
    assert target_of("python3.14", "arm64") == Target(python="3.14", platform="aarch64-manylinux_2_34")
    with pytest.raises(SkykiteError, match="nodejs22"):
        target_of("nodejs22.x", "arm64")
