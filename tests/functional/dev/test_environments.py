"""Which interpreter is the project's own, by everything that tools leave behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from skykite.dev.environments import FoundPython, find_python, places
from skykite.errors import SkykiteError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="environments are laid out as on POSIX")


def environment(folder: Path, *, venv: bool = True) -> Path:
    """A folder that looks like one, with this test's Python."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    if venv:
        (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def found(root: Path, **variables: str) -> tuple[str, Path]:
    one = find_python(root, {"HOME": str(root.parent / "home"), **variables})
    return one.keeper, one.folder


def test_without_any_it_is_that_of_kite(root: Path) -> None:
    assert find_python(root, {"HOME": str(root)}) == FoundPython(
        python=Path(sys.executable), keeper="own", why="`kite`'s own, and the project has no environment"
    )


def test_the_order_is_that_of_the_guide(root: Path) -> None:
    home = root.parent / "home"
    pyenv = environment(home / ".pyenv" / "versions" / "project-env")
    (root / ".python-version").write_text("# for pyenv\nproject-env\n")
    assert found(root) == ("pyenv", pyenv)
    conda = environment(root.parent / "conda", venv=False)
    assert found(root, CONDA_PREFIX=str(conda), CONDA_DEFAULT_ENV="base") == ("pyenv", pyenv)
    assert found(root, CONDA_PREFIX=str(conda), CONDA_DEFAULT_ENV="work") == ("conda", conda)
    active = environment(root.parent / "active")
    variables = {"CONDA_PREFIX": str(conda), "CONDA_DEFAULT_ENV": "work", "VIRTUAL_ENV": str(active)}
    assert found(root, **variables) == ("active", active)
    pdm = environment(root.parent / "pdm")
    (root / ".pdm-python").write_text(str(pdm / "bin" / "python"))
    assert found(root, **variables) == ("pdm", pdm)
    inside = environment(root / "env", venv=False)
    (inside / "conda-meta").mkdir()
    assert found(root, **variables) == ("conda", inside)
    venv = environment(root / ".venv")
    assert found(root, **variables) == ("venv", venv)
    uv = environment(root / "uv-env")
    assert found(root, UV_PROJECT_ENVIRONMENT="uv-env", **variables) == ("uv", uv)
    assert find_python(root, variables, str(active)).python == active / "bin" / "python"


def test_a_member_of_a_workspace_has_the_environment_of_the_workspace(root: Path) -> None:
    (root.parent / "uv.lock").write_text("")
    (root.parent / "pyproject.toml").write_text("")
    workspace = environment(root.parent / ".venv")
    assert found(root) == ("uv", workspace)
    assert root.parent / ".venv" in places(root, {})
    chosen = environment(root.parent / "chosen")
    assert found(root, UV_PROJECT_ENVIRONMENT="chosen") == ("uv", chosen)


@pytest.mark.parametrize(
    ("file", "text", "manager"),
    [
        ("uv.lock", "", "uv"),
        ("pdm.lock", "", "pdm"),
        (".pdm-python", "{root}/.venv/bin/python", "pdm"),
        (".pdm-python", "/elsewhere/bin/python", "venv"),
        ("poetry.lock", "", "poetry"),
        ("requirements.txt", "", "venv"),
    ],
)
def test_an_environment_in_the_project_is_its_tools_so_that_hints_name_its_commands(
    root: Path, file: str, text: str, manager: str
) -> None:
    inside = environment(root / ".venv")
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (root / file).write_text(text.format(root=root))
    assert found(root) == (manager, inside)


def test_an_environment_whose_python_is_gone_is_passed_over_and_told(root: Path) -> None:
    broken = environment(root / ".venv")
    (broken / "bin" / "python").unlink()
    (broken / "bin" / "python").symlink_to(root / "removed")
    active = environment(root.parent / "active")
    one = find_python(root, {"VIRTUAL_ENV": str(active)})
    assert (one.keeper, one.passed) == ("active", (broken,))


def test_poetrys_environment_is_found_by_the_project_and_its_place(root: Path) -> None:
    # As `poetry env info --path` says for these; the digest is of the project's folder.
    import base64
    import hashlib

    digest = base64.urlsafe_b64encode(hashlib.sha256(str(root.resolve()).encode()).digest()).decode()[:8]
    cache = root.parent / "home" / ".cache" / "pypoetry" / "virtualenvs"
    (root / "pyproject.toml").write_text('[tool.poetry]\nname = "My App"\n')
    older, newer = environment(cache / f"my_app-{digest}-py3.9"), environment(cache / f"my_app-{digest}-py3.10")
    environment(cache / "my_app-elsewhere-py3.12")
    if sys.platform == "linux":
        assert found(root) == ("poetry", newer)
        (cache / "envs.toml").write_text(f'[my_app-{digest}]\nminor = "3.9"\npatch = "3.9.18"\n')
        assert found(root) == ("poetry", older)
    elsewhere = environment(root.parent / "envs" / f"my_app-{digest}-py3.11")
    assert found(root, POETRY_VIRTUALENVS_PATH=str(elsewhere.parent)) == ("poetry", elsewhere)
    (root / "poetry.toml").write_text(f'cache-dir = "{root.parent}"\nvirtualenvs.path = "{{cache-dir}}/envs"\n')
    assert found(root) == ("poetry", elsewhere)


def test_the_newest_python_of_pyenv_that_fits_is_taken_unless_kite_runs_on_it(root: Path) -> None:
    versions = root.parent / "home" / ".pyenv" / "versions"
    environment(versions / "3.7.9", venv=False)
    newer = environment(versions / "3.7.16", venv=False)
    own = "{}.{}.{}".format(*sys.version_info)
    environment(versions / own, venv=False)
    (root / ".python-version").write_text("3.7\n")
    assert found(root) == ("pyenv", newer)
    (root / ".python-version").write_text(f"{own}\n")
    assert find_python(root, {"HOME": str(root.parent / "home")}).keeper == "own"
    (root / ".python-version").write_text("system\n")
    assert find_python(root, {"HOME": str(root.parent / "home")}).keeper == "own"


def test_python_on_the_command_line_is_an_environment_an_interpreter_or_a_version(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(root / "somewhere")
    monkeypatch.chdir(root)
    python = given / "bin" / "python"
    assert find_python(root, {}, "somewhere").python == python
    assert find_python(root, {}, "somewhere/bin/python").python == python
    own = "{}.{}".format(*sys.version_info)
    assert find_python(root, {}, own).python == Path(sys.executable)
    assert find_python(root, {}, f"python{own}").python == Path(sys.executable)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing/python", "there is no interpreter or environment `missing/python`"),
        ("empty", "there is no Python in `empty`"),
        ("text.txt", "`text.txt` cannot be run"),
        ("3.2", "there is no Python 3.2 on this machine"),
    ],
)
def test_what_is_no_python_is_named(root: Path, given: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "empty").mkdir()
    (root / "text.txt").write_text("")
    monkeypatch.chdir(root)
    with pytest.raises(SkykiteError) as raised:
        find_python(root, {"HOME": str(root), "PATH": ""}, given)
    assert (raised.value.code, raised.value.message) == ("python-not-found", message)


def test_a_place_that_the_system_will_not_look_at_is_passed_over(root: Path) -> None:
    (root.parent / "home" / ".pyenv" / "versions").mkdir(parents=True)
    (root / ".python-version").write_text("x" * 300)  # too long for a file's name; another user's folder is alike
    assert found(root)[0] == "own"
