"""Whether the npm packages of an import root are there, and those that are installed beside a bundle.

In: an import root. Out: nothing, or an error that names the command to run; a folder of packages for a function's
machine. I/O: reads `package.json`; runs npm; the cache folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from skykite.bundle.esbuild_tool import run_npm
from skykite.bundle.kept import keep, working_folder
from skykite.errors import SkykiteError
from skykite.model.node_source import lock_files

_INSTALLS: Final = {
    "pnpm-lock.yaml": "pnpm install",
    "yarn.lock": "yarn install",
    "bun.lock": "bun install",
    "bun.lockb": "bun install",
}
_MODULES: Final = "node_modules"
_MACHINES: Final = {"x86_64": "x64", "arm64": "arm64"}


def read_package(import_root: Path) -> dict[str, Any]:
    """Its `package.json`, empty if there is none. Raises `package-json-invalid`."""
    file = import_root / "package.json"
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SkykiteError("package-json-invalid", f"`{file}` is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise SkykiteError("package-json-invalid", f"`{file}` holds no JSON object")
    return document


def check_installed(import_root: Path) -> None:
    """Raises `packages-not-installed` if what `package.json` depends on is not in `node_modules`."""
    wanted = read_package(import_root).get("dependencies", {})
    missing = [name for name in wanted if _installed(name, import_root) is None]
    if not missing:
        return
    locks = lock_files(import_root)
    install = _INSTALLS.get(locks[0].name, "npm install") if locks else "npm install"
    listed = ", ".join(f"`{name}`" for name in missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
    raise SkykiteError(
        "packages-not-installed",
        f"`{import_root / 'package.json'}` depends on {listed}, not to be found in `{_MODULES}`",
        hint=f"run `{install}` there",
    )


def is_installed(name: str, folder: Path) -> bool:
    """Whether modules in the folder find a package."""
    return _installed(name, folder) is not None


def _installed(name: str, folder: Path) -> Path | None:
    for above in (folder, *folder.parents):
        place = above / _MODULES / name
        if place.exists():
            return place
    return None


async def install_beside(
    names: Sequence[str],
    import_root: Path,
    architecture: Literal["x86_64", "arm64"],
    *,
    node: Path,
    cache: Path,
    environment: Mapping[str, str],
) -> Path:
    """A folder with a `node_modules` that holds these packages in the versions that are installed here, for Lambda's
    system and the function's architecture. Raises `packages-not-installed`, `registry-unreachable`."""
    versions = {name: _version(name, import_root) for name in names}
    digest = hashlib.sha256(json.dumps([versions, architecture]).encode()).hexdigest()[:40]
    folder = cache / "node-packages" / digest
    if folder.is_dir():
        return folder
    async with working_folder(folder.parent) as work:
        (work / "package.json").write_text(json.dumps({"private": True, "dependencies": versions}))
        arguments = ["install", "--os=linux", f"--cpu={_MACHINES[architecture]}", "--libc=glibc", "--omit=dev"]
        what = ", ".join(f"`{name}`" for name in names)
        await run_npm(node, work, arguments, environment, what=what)
        keep(work, folder)
    return folder


def _version(name: str, import_root: Path) -> str:
    place = _installed(name, import_root)
    if place is None:
        raise SkykiteError(
            "packages-not-installed",
            f'`node={{"install": ["{name}"]}}` names a package that is not in `{_MODULES}` of `{import_root}`',
            hint=f"run `npm install {name}` there",
        )
    return str(read_package(place).get("version", "*"))
