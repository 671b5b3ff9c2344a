"""Which Python functions run on here: that of the project's own environment, whoever made it.

In: the project's folder, the environment variables, what the user chose. Out: an interpreter, and why it is that one.
I/O: looks whether files are there and reads small ones; runs uv only to find a Python that was asked for by version.

Where tools keep environments: https://docs.astral.sh/uv/concepts/projects/config/#project-environment-path,
https://python-poetry.org/docs/configuration/#virtualenvspath, https://pdm-project.org/latest/usage/venv/,
https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html, and pyenv's README.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from skykite.errors import SkykiteError
from skykite.model.packages import normalized
from skykite.model.uv_lock import workspace_lock

Keeper = Literal["given", "uv", "venv", "active", "conda", "poetry", "pdm", "pyenv", "own"]
"""Whose an environment is, which says how packages get into it."""

_WINDOWS: Final = sys.platform == "win32"
_IN_PROJECT_CONDA: Final = ("env", "envs", ".conda")
_VERSION: Final = re.compile(r"(?:python)?(?P<version>3(?:\.\d+){0,2})")
_POETRY_NAME: Final = 42  # characters of a project's name that Poetry keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """`why` continues "functions run on it, because it is …". `passed` are environments that come first and whose
    Python is gone: whoever made them on a Python that was removed since would not know."""

    python: Path
    keeper: Keeper
    why: str
    passed: tuple[Path, ...] = ()

    @property
    def folder(self) -> Path:
        """The environment."""
        return self.python.parent if _WINDOWS and self.keeper == "conda" else self.python.parent.parent


def find_python(project_root: Path, environment: Mapping[str, str], given: str | None = None) -> FoundPython:
    """The first there is: `given`, uv's, `.venv` in the project or its workspace, conda's in the project, PDM's, the
    active one (VIRTUAL_ENV, then CONDA_PREFIX), Poetry's, what `.python-version` names for pyenv, and `kite`'s own.

    Raises `python-not-found` for `given` alone.
    """
    if given is not None:
        return FoundPython(python=_given(given, environment), keeper="given", why=f"what `--python {given}` says")
    passed: list[Path] = []
    for folder, keeper, why in _environments(project_root, environment):
        python = _python_in(folder)
        if python is not None:
            return FoundPython(python=python, keeper=keeper, why=why, passed=tuple(passed))
        if is_virtual(folder):
            passed.append(folder)
    return FoundPython(
        python=Path(sys.executable),
        keeper="own",
        why="`kite`'s own, and the project has no environment",
        passed=tuple(passed),
    )


def places(project_root: Path, environment: Mapping[str, str]) -> frozenset[Path]:
    """Files and folders that, once they are there, may be or name an environment of the project's."""
    found = {project_root / ".venv", project_root / ".pdm-python", project_root / ".python-version"}
    found |= {project_root / name for name in _IN_PROJECT_CONDA}
    found.add(_workspace(project_root) / ".venv")
    if chosen := environment.get("UV_PROJECT_ENVIRONMENT"):
        found.add(_workspace(project_root) / chosen)
    return frozenset(found)


def _workspace(root: Path) -> Path:
    """The folder that uv keeps the environment in."""
    lock = None if (root / "uv.lock").is_file() else workspace_lock(root)
    return root if lock is None else lock.parent


def _environments(root: Path, environment: Mapping[str, str]) -> Iterator[tuple[Path, Keeper, str]]:
    """Those there may be, the first the best."""
    workspace = _workspace(root)
    if chosen := environment.get("UV_PROJECT_ENVIRONMENT"):
        yield workspace / chosen, "uv", f"what UV_PROJECT_ENVIRONMENT says, `{chosen}`"
    yield root / ".venv", _manager(root), "`.venv` of the project"
    if workspace != root:
        yield workspace / ".venv", "uv", f"`.venv` of the workspace `{workspace}`"
    for name in _IN_PROJECT_CONDA:
        if _is_there(root / name / "conda-meta"):
            yield root / name, "conda", f"the conda environment `{name}` of the project"
    if (saved := _first_line(root / ".pdm-python")) and Path(saved).is_absolute():
        yield Path(saved).parent.parent, "pdm", "what PDM remembers in `.pdm-python`"
    if active := environment.get("VIRTUAL_ENV"):
        yield Path(active), "active", "the active environment, VIRTUAL_ENV"
    if (conda := environment.get("CONDA_PREFIX")) and environment.get("CONDA_DEFAULT_ENV") != "base":
        yield Path(conda), "conda", "the active conda environment, CONDA_PREFIX"
    for folder in _poetry(root, environment):
        yield folder, "poetry", "Poetry's environment of the project"
    for folder, named in _pyenv(root, environment):
        yield folder, "pyenv", f"pyenv's `{folder.name}`, which {named} names"


def _manager(root: Path) -> Keeper:
    """Whose `.venv` is, as far as the project's files say."""
    if (root / "uv.lock").is_file():
        return "uv"
    if (root / "pdm.lock").is_file() or Path(_first_line(root / ".pdm-python")).is_relative_to(root / ".venv"):
        return "pdm"
    return "venv" if _poetry_project(root) is None else "poetry"


def _python_in(folder: Path) -> Path | None:
    """The interpreter of an environment. `exists` follows the link to the Python it was made with."""
    names = ("Scripts/python.exe", "python.exe") if _WINDOWS else ("bin/python", "bin/python3")
    return next((folder / name for name in names if _is_there(folder / name)), None)


def _is_there(path: Path) -> bool:
    """What may not be looked at, such as another user's, is not there for us."""
    try:
        return path.exists()
    except OSError:
        return False


def is_virtual(folder: Path) -> bool:
    """Whether it is a virtual environment, though its Python may be gone."""
    return _is_there(folder / "pyvenv.cfg")


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.strip() for line in lines if line.strip() and not line.strip().startswith("#")), "")


# What the user asks for


def _given(given: str, environment: Mapping[str, str]) -> Path:
    path = Path(given).expanduser()
    if path.is_dir():
        python = _python_in(path)
        if python is None:
            raise SkykiteError(
                "python-not-found",
                f"there is no Python in `{given}`",
                hint="name an environment, an interpreter, or a version: --python .venv, --python 3.13",
            )
        return python.absolute()
    if path.is_file():
        if not os.access(path, os.X_OK):
            raise SkykiteError(
                "python-not-found", f"`{given}` cannot be run", hint="name an interpreter or the folder it is in"
            )
        return path.absolute()
    found = _VERSION.fullmatch(given)
    if not found and (program := shutil.which(given, path=environment.get("PATH"))):
        return Path(program).absolute()
    python = _of_version(found["version"], environment) if found else None
    if python is None:
        what = f"Python {found['version']} on this machine" if found else f"interpreter or environment `{given}`"
        raise SkykiteError(
            "python-not-found",
            f"there is no {what}",
            hint=f"`uv python install {found['version']}` brings one"
            if found
            else "name an environment, an interpreter, or a version: --python .venv, --python 3.13",
        )
    return python


def _of_version(version: str, environment: Mapping[str, str]) -> Path | None:
    if _is_own(version):
        return Path(sys.executable)
    for folder in _pyenv_versions(version, environment):
        if python := _python_in(folder):
            return python
    from uv import find_uv_bin

    done = subprocess.run(
        [find_uv_bin(), "python", "find", "--no-project", "--system", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        env=dict(environment),
        check=False,
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _is_own(version: str) -> bool:
    return "{}.{}.{}.".format(*sys.version_info[:3]).startswith(f"{version}.")


# Poetry


def _poetry(root: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """What `poetry env info --path` would say, without running it: Poetry derives the folder's name from the project's
    name and place, and remembers which Python was chosen if there are several."""
    name = _poetry_project(root)
    if name is None:
        return
    home = _poetry_environments(root, environment)
    place = os.path.normcase(root.resolve())
    digest = base64.urlsafe_b64encode(hashlib.sha256(place.encode()).digest()).decode()[:8]
    base = re.sub(r'[ $`!*@"\\\r\n\t]', "_", normalized(name))[:_POETRY_NAME] + f"-{digest}"
    chosen = _toml(home / "envs.toml").get(base, {}).get("minor")
    if isinstance(chosen, str):
        yield home / f"{base}-py{chosen}"
    own = f"{base}-py{sys.version_info.major}.{sys.version_info.minor}"
    made = home.glob(f"{base}-py*") if _is_there(home) else ()
    yield from sorted(made, key=lambda folder: (folder.name == own, _numbers(folder.name)), reverse=True)


def _poetry_project(root: Path) -> str | None:
    """Its name, if Poetry manages the project."""
    document = _toml(root / "pyproject.toml")
    tool = document.get("tool", {}).get("poetry")
    if tool is None and not (root / "poetry.lock").is_file():
        return None
    name = document.get("project", {}).get("name") or (tool or {}).get("name") or "non-package-mode"
    return str(name) if document else None


def _poetry_environments(root: Path, environment: Mapping[str, str]) -> Path:
    """The folder they are in, by Poetry's own order: variables, the project's `poetry.toml`, the user's settings."""
    home = Path(environment.get("HOME") or environment.get("USERPROFILE") or Path.home())
    if sys.platform == "darwin":
        cache, settings = home / "Library/Caches/pypoetry", home / "Library/Application Support/pypoetry"
    elif _WINDOWS:
        cache = Path(environment.get("LOCALAPPDATA", home)) / "pypoetry/Cache"
        settings = Path(environment.get("APPDATA", home)) / "pypoetry"
    else:
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "pypoetry"
        settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pypoetry"
    settings = Path(environment.get("POETRY_CONFIG_DIR") or settings)
    files = [_toml(root / "poetry.toml"), _toml(settings / "config.toml")]
    given = environment.get("POETRY_CACHE_DIR") or next((one["cache-dir"] for one in files if "cache-dir" in one), None)
    cache = Path(str(given)) if given else cache
    path = environment.get("POETRY_VIRTUALENVS_PATH") or next(
        (found for one in files if (found := one.get("virtualenvs", {}).get("path"))), None
    )
    return Path(str(path).replace("{cache-dir}", str(cache))) if path else cache / "virtualenvs"


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # whoever needs what it says will tell what is wrong with it
        return {}


# pyenv


def _pyenv(root: Path, environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """An environment of pyenv's is always the project's own; a bare Python only if `kite` does not run on the same,
    for then it is in an environment that was made for the project."""
    named = environment.get("PYENV_VERSION", "").partition(":")[0]
    by = "PYENV_VERSION"
    if not named:
        named, by = _first_line(root / ".python-version"), "`.python-version`"
    if not named or named == "system" or "/" in named:
        return
    for folder in _pyenv_versions(named, environment):
        if is_virtual(folder) or not _is_own(folder.name):
            yield folder, by


def _pyenv_versions(named: str, environment: Mapping[str, str]) -> list[Path]:
    """That of the name, else the newest of the version."""
    home = environment.get("HOME") or environment.get("USERPROFILE") or str(Path.home())
    versions = Path(environment.get("PYENV_ROOT") or Path(home, ".pyenv")) / "versions"
    if _is_there(versions / named):
        return [versions / named]
    if not _is_there(versions):
        return []
    return sorted(versions.glob(f"{named}.*"), key=lambda folder: _numbers(folder.name), reverse=True)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))
