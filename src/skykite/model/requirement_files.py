"""Requirements files as pip reads them: which packages they ask for, and which folders of the user's.

In: a file. Out: its lines, the files it includes, `Dependencies`. I/O: reads them.
https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from skykite.errors import SkykiteError
from skykite.model.packages import NEVER_INSTALLED, Dependencies, local_packages, name_of, read_toml
from skykite.model.path_dependencies import declaring_files, with_their_own

_INCLUDE: Final = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)?(?P<file>\S+)")
_EDITABLE: Final = re.compile(r"^(?:-e|--editable)(?:\s+|=)(?P<path>\S.*)$")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_AT: Final = re.compile(r"^\s*[A-Za-z0-9._-]+\s*(?:\[[^]]*\])?\s*@\s*(?P<url>\S+)")


def requirement_lines(file: Path) -> tuple[str, ...]:
    """Without comments and empty lines; what a backslash continues is one line."""
    text = re.sub(r"\\\r?\n", " ", file.read_text(encoding="utf-8-sig"))
    stripped = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return tuple(line for line in stripped if line)


def included_files(file: Path) -> tuple[Path, ...]:
    """A requirements file and those it includes. Raises `requirements-missing`."""
    waiting, seen = [file], dict[Path, None]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen[path] = None
        for line in requirement_lines(path):
            if found := _INCLUDE.match(line):
                included = Path(path.parent, found["file"])
                if urlsplit(found["file"]).scheme in ("http", "https"):
                    continue
                if not included.is_file():
                    raise SkykiteError(
                        "requirements-missing", f"`{path.name}` includes `{found['file']}`, which does not exist"
                    )
                waiting.append(included.resolve())
    return tuple(seen)


def local_path(line: str, beside: Path) -> Path | None:
    """The folder or file that a line of a requirements file names, if it does."""
    line = line.partition(" ;")[0].strip()
    editable = _EDITABLE.match(line)
    at = _AT.match(line)
    text = editable["path"] if editable else at["url"] if at else line
    text = re.sub(r"\[[^]]*\]$", "", text.strip())
    url = urlsplit(text)
    if url.scheme == "file":
        text = unquote(url.path)
    elif (url.scheme and len(url.scheme) > 1) or not (editable or at or text.startswith((".", "/", "~"))):
        return None
    named = Path(beside, Path(text).expanduser())
    return named.resolve() if named.exists() else None


def from_requirements(file: Path) -> Dependencies | None:
    """None if it asks for nothing. Raises `requirements-missing`."""
    files = included_files(file)
    local: dict[str, Path] = {}
    others, wheels = 0, []
    for path in files:
        for line in requirement_lines(path):
            named = local_path(line, path.parent)
            if named is not None and named.is_file():
                wheels.append(named)  # built again, it may have the same name
            if named is not None and named.is_dir():
                local[_project_name(named)] = named
            elif not line.startswith("-") and name_of(line) != NEVER_INSTALLED:
                others += 1
    if not others and not local:
        return None
    local = with_their_own(local)
    return Dependencies(
        kind="requirements",
        main=file,
        files=(*files, *wheels, *declaring_files(local.values())),
        local=local_packages(local.items()),
        installs=bool(others) or any(_declares(folder) for folder in local.values()),
    )


def _project_name(folder: Path) -> str:
    pyproject = folder / "pyproject.toml"
    if not pyproject.is_file():
        return folder.name
    document = read_toml(pyproject, "pyproject-invalid")
    name = document.get("project", {}).get("name") or document.get("tool", {}).get("poetry", {}).get("name")
    return str(name or folder.name)


def _declares(folder: Path) -> bool:
    """Whether a local package may need others."""
    pyproject = folder / "pyproject.toml"
    if not pyproject.is_file():
        return True
    project = read_toml(pyproject, "pyproject-invalid").get("project")
    return project is None or bool(project.get("dependencies")) or "dependencies" in project.get("dynamic", ())
