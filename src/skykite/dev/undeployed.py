"""Packages that functions use here and would not find on AWS, and what to say of modules that are not found here.

In: what is installed, what would be deployed, what functions import. Out: findings, hints. I/O: through `Installed`,
which reads records of installed packages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from skykite.dev.imports import Import
from skykite.dev.installed import Installed
from skykite.model.packages import normalized

IN_LAMBDA: Final = frozenset({"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"})
"""What the Python runtimes have: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html"""

_OURS: Final = frozenset({"skykite", "skykite_lambda"})
_OTHER_NAMES: Final = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "yaml": "pyyaml",
}
_NOT_FOUND: Final = re.compile(r"No module named '(?P<module>[^']+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeployed:
    """An import of a package that would not be there. `imported` is what the user wrote."""

    package: str
    imported: str
    file: str
    line: int


def find_undeployed(
    imports: Mapping[str, Iterable[Import]],
    loaded: Collection[str],
    *,
    import_root: Path,
    installed: Installed,
    deployed: Collection[str],
) -> list[Undeployed]:
    """The first import of each. `imports` is by file; `loaded` are top-level modules that workers have in memory."""
    found: dict[str, Undeployed] = {}
    for file, listed in sorted(imports.items()):
        for one in listed:
            if one.top not in loaded or one.top in _OURS or one.top in sys.stdlib_module_names:
                continue
            if _is_own(one.top, import_root):
                continue
            owners = installed.owners(one.module, one.names)
            if owners and not owners & (set(deployed) | IN_LAMBDA | _OURS):
                package = min(owners)
                found.setdefault(package, Undeployed(package=package, imported=one.module, file=file, line=one.line))
    return list(found.values())


def missing_module(error_type: str, message: str) -> str | None:
    """The module that an error of a worker's is about."""
    if error_type not in ("Runtime.ImportModuleError", "ModuleNotFoundError"):
        return None
    found = _NOT_FOUND.search(message)
    return found["module"] if found else None


def explain_missing(
    module: str,
    *,
    import_root: Path,
    handler: str,
    installed: Installed,
    locked: Collection[str] | None,
    lock: str | None,
    environment: str,
    sync: str,
    add: str,
) -> str | None:
    """Whether it is only missing here, or would be on AWS, too. None for a module of the user's own. `lock` is what
    lists the packages, `sync` the command that installs them, `add` says how to list one more, with `{}` for it."""
    top = module.partition(".")[0]
    if top == re.split(r"[./]", handler)[0] or _is_own(top, import_root) or top in _OURS:
        return None
    package = _package_of(top, locked or ())
    if locked is not None and package in locked:
        if package in installed.versions:
            return None
        return f"`{package}` is in `{lock}` but not installed in {environment}: run `{sync}`"
    wanted = _OTHER_NAMES.get(top, top)
    where = f"in `{lock}`" if lock else "listed anywhere"
    return f"`{wanted}` is neither installed in {environment} nor {where}, so that it would fail on AWS, too: " + (
        add.format(wanted)
    )


def _package_of(top: str, locked: Collection[str]) -> str:
    """The distribution of that module, as far as names tell."""
    name = normalized(top)
    likely = (name, _OTHER_NAMES.get(top, name), f"python-{name}", f"py{name}", f"{name}-binary")
    return next((one for one in likely if one in locked), name)


def _is_own(top: str, import_root: Path) -> bool:
    folders = (import_root, import_root / "src")
    return any((folder / top).is_dir() or (folder / f"{top}.py").is_file() for folder in folders)


Kind = Literal["uv", "pylock", "poetry", "pdm", "requirements", "pyproject"]


def adding(kind: Kind | None, file: str, beside: str = "") -> str:
    """How one more package is listed; `{}` stands for it, `beside` is the folder of a tool's command."""
    into = f"cd {beside} && " if beside else ""
    match kind:
        case "uv" | "poetry" | "pdm":
            return f"`{into}{kind} add {{}}`"
        case None:
            return "name it in a `requirements.txt` beside `kite.toml`"
        case _:
            return f"add it to `{file}`"
