"""What is known of the packages that an import root declares, and how their files are read.

In: TOML files. Out: `Dependencies`, and documents. I/O: reads the files it is given.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from skykite.errors import SkykiteError
from skykite.model.manifest import PackageOptions

NEVER_INSTALLED: Final = "skykite"
"""`skykite_lambda` is in every zip; the rest of the package, with CDK and Node, is for the developer's side."""

Kind = Literal["uv", "pylock", "poetry", "pdm", "requirements", "pyproject"]
_NAME: Final = re.compile(r"^\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_ARCHIVES: Final = re.compile(r"(?m)^(?:wheels|files) = \[\n(?:[ \t]+\{.*\},?\n)*\]\n|^sdist = \{.*\}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPackage:
    """A package that is a folder of the user's: a member of the workspace, or a path dependency."""

    name: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """`main` is what is read for them, `files` everything that has a say, `installs` whether there is any package to
    fetch besides the local ones."""

    kind: Kind
    main: Path
    files: tuple[Path, ...]
    local: tuple[LocalPackage, ...] = ()
    installs: bool = True


def local_packages(found: Iterable[tuple[str, Path]]) -> tuple[LocalPackage, ...]:
    """By name and folder, without what is never installed."""
    named = ((name, folder) for name, folder in found if normalized(name) != NEVER_INSTALLED)
    return tuple(LocalPackage(name=name, folder=folder) for name, folder in sorted(named))


def normalized(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """The normalized name in `httpx[http2] >=0.27`."""
    found = _NAME.match(requirement)
    return normalized(found["name"]) if found else requirement


def read_toml(file: Path, code: str) -> dict[str, Any]:
    """Raises SkykiteError with `code`, naming the file, and the line if the parser knows it."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        again = {
            "uv.lock": "uv lock",
            "poetry.lock": "poetry lock",
            "pdm.lock": "pdm lock",
            "pylock.toml": "uv export --format pylock.toml -o pylock.toml",
        }.get(file.name)
        raise SkykiteError(
            code,
            f"`{file}` is not valid TOML: {error}",
            hint=f"run `{again}` to write it again" if again else None,
        ) from error


def read_lock(file: Path) -> dict[str, Any]:
    """A lock of uv's, Poetry's or PDM's without what its packages may be downloaded from, which is most of it and takes
    most of the time. Raises `lock-invalid`."""
    try:
        return tomllib.loads(_ARCHIVES.sub("", file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return read_toml(file, "lock-invalid")  # which knows the line


def check_known(pyproject: Mapping[str, Any], options: PackageOptions, import_root: Path) -> None:
    """Whether the extras and groups that are wanted exist. Raises `packages-unknown`."""
    extras = pyproject.get("project", {}).get("optional-dependencies", {})
    groups = pyproject.get("dependency-groups", {})
    for kind, wanted, known in (("extra", options.extras, extras), ("group", options.groups, groups)):
        for name in wanted:
            if normalized(name) not in map(normalized, known):
                listed = ", ".join(f"`{one}`" for one in sorted(known)) or "none"
                raise SkykiteError(
                    "packages-unknown",
                    f"`{import_root / 'pyproject.toml'}` defines no {kind} `{name}`",
                    hint=f"it defines {listed}",
                )
