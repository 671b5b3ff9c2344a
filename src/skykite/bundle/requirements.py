"""What says which packages a function needs. In: an import root. Out: a `Requirements`. I/O: reads those files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from skykite.errors import SkykiteError

_INCLUDE: Final = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)(?P<file>\S+)")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """`main` is what uv reads, `files` everything that has a say in the outcome, `kind` how uv reads it."""

    kind: Literal["lock", "requirements"]
    main: Path
    files: tuple[Path, ...]


def find_requirements(import_root: Path, dependencies: Sequence[Path]) -> Requirements | None:
    """The most exact of what there is: `uv.lock`, `pylock.toml`, `requirements.txt`, `pyproject.toml`.

    `dependencies` are the files that the bundle's name covers. None if no packages are needed.
    """
    by_name = {path.name: path for path in dependencies}
    if "uv.lock" in by_name and "pyproject.toml" in by_name:
        path = by_name["pyproject.toml"]
        return Requirements(kind="lock", main=path, files=(by_name["uv.lock"], path))
    if "pylock.toml" in by_name:
        path = by_name["pylock.toml"]
        return Requirements(kind="requirements", main=path, files=(path,))
    if "requirements.txt" in by_name:
        path = by_name["requirements.txt"]
        files = tuple(dict.fromkeys(_with_includes(path, import_root)))
        if not any(_lines(file) for file in files):
            return None
        return Requirements(kind="requirements", main=path, files=files)
    if "pyproject.toml" in by_name:
        path = by_name["pyproject.toml"]
        if not _declares_packages(path, locked_by_poetry="poetry.lock" in by_name):
            return None
        return Requirements(kind="requirements", main=path, files=(path,))
    return None


def _with_includes(file: Path, import_root: Path) -> Iterator[Path]:
    """A requirements file and those it includes, which must lie where the bundle's name covers them."""
    waiting, seen = [file], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        for line in _lines(path):
            if found := _INCLUDE.match(line):
                included = (path.parent / found["file"]).resolve()
                if not included.is_relative_to(import_root.resolve()):
                    raise SkykiteError(
                        "requirements-outside",
                        f"`{path.name}` includes `{found['file']}`, which is outside of `{import_root.name}`",
                        hint="move it beside the code, so that a change of it is noticed",
                    )
                if not included.is_file():
                    raise SkykiteError(
                        "requirements-missing", f"`{path.name}` includes `{found['file']}`, which does not exist"
                    )
                waiting.append(included)


def _lines(file: Path) -> tuple[str, ...]:
    text = file.read_text(encoding="utf-8-sig")
    stripped = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return tuple(line for line in stripped if line)


def _declares_packages(file: Path, *, locked_by_poetry: bool) -> bool:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SkykiteError("pyproject-invalid", f"`{file}` is not valid TOML: {error}") from error
    project: dict[str, Any] = document.get("project", {})
    poetry: dict[str, Any] = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    if locked_by_poetry or (not project and poetry.keys() - {"python"}):
        raise SkykiteError(
            "poetry-not-read",
            f"the packages of `{file.parent.name}` are managed by Poetry, whose files Skykite does not read",
            hint="run `poetry export -o requirements.txt` beside it; `requirements.txt` is read first",
        )
    return bool(project.get("dependencies")) or "dependencies" in project.get("dynamic", ())
