"""What uv is told to install, from whatever a project pins its packages with.

In: `Dependencies`, options. Out: a requirements file in a working folder, and the options that go with it. I/O: reads
the project's files, writes into the working folder; runs uv where only uv can read a lock, or has to resolve around the
user's own packages.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from skykite.bundle.target import Target
from skykite.bundle.uv import Uv
from skykite.errors import SkykiteError
from skykite.model.manifest import PackageOptions
from skykite.model.packages import NEVER_INSTALLED, Dependencies, normalized, read_lock, read_toml

_BOTO3_BRINGS: Final = ("botocore", "s3transfer", "jmespath")
"""What only boto3 needs of what it brings; a lock that lists packages one by one does not say so."""


async def wanted_packages(
    uv: Uv, dependencies: Dependencies, options: PackageOptions, target: Target, work: Path
) -> list[str]:
    """The options of `uv pip install` that name the packages. Raises what `Uv.run` does."""
    match dependencies.kind:
        case "uv":
            return await _from_uv_lock(uv, dependencies, options, work)
        case "pylock":
            return _from_pylock(dependencies, options, work)
        case "poetry" | "pdm":
            return _from_pinned(uv, dependencies, options, work)
        case "requirements" | "pyproject":
            return await _resolved(uv, dependencies, options, target, work)


async def _from_uv_lock(uv: Uv, dependencies: Dependencies, options: PackageOptions, work: Path) -> list[str]:
    beside, pinned = dependencies.main.parent, work / "requirements.txt"
    await uv.run(
        beside,
        "export",
        "--frozen",
        "--no-default-groups",
        "--no-emit-local",
        "--no-header",
        "--no-annotate",
        *(f"--extra={name}" for name in options.extras),
        *(f"--group={name}" for name in options.groups),
        *(f"--prune={name}" for name in (NEVER_INSTALLED, *options.without)),
        f"--project={beside}",
        f"--output-file={pinned}",
    )
    if explicit := _explicit_indexes(dependencies):
        listed = "".join(f"--extra-index-url {url}\n" for url in explicit)
        pinned.write_text(listed + pinned.read_text(encoding="utf-8"), encoding="utf-8")
        # The lock says which version and which files; without this, an index that also has a package would hide others.
        return ["--no-deps", "--index-strategy=unsafe-best-match", f"--requirement={pinned}"]
    return ["--no-deps", f"--requirement={pinned}"]


def _explicit_indexes(dependencies: Dependencies) -> list[str]:
    """Those that `[tool.uv.sources]` name for some packages. uv installs from them only where it knows the project, and
    a list of what is pinned does not say."""
    lock = dependencies.files[0]
    sources = (one.get("source", {}) for one in read_lock(lock).get("package", ()))
    used = {source["registry"].rstrip("/") for source in sources if "registry" in source}
    found = dict[str, None]()
    for file in (lock.with_name("uv.toml"), lock.with_name("pyproject.toml"), dependencies.main):
        if file.is_file():
            document = read_toml(file, "pyproject-invalid")
            settings = document if file.name == "uv.toml" else document.get("tool", {}).get("uv", {})
            for index in settings.get("index", ()):
                if index.get("explicit") and str(index.get("url", "")).rstrip("/") in used:
                    found[index["url"]] = None
    return list(found)


def _from_pylock(dependencies: Dependencies, options: PackageOptions, work: Path) -> list[str]:
    """The file as it is, but for the packages that are not to be installed."""
    text = dependencies.main.read_text(encoding="utf-8")
    head, *packages = re.split(r"(?m)^(?=\[\[packages\]\])", text)
    left_out = {normalized(name) for name in (NEVER_INSTALLED, *_all(options.without))}
    left_out |= {normalized(package.name) for package in dependencies.local}
    kept = [package for package in packages if _name_in(package) not in left_out]
    if options.extras or options.groups:
        raise SkykiteError(
            "packages-unknown",
            f"`{dependencies.main}` holds no extras or groups to choose from",
            hint="write the lock with what functions need in it, for instance `uv export --extra … --format "
            "pylock.toml -o pylock.toml`",
        )
    pinned = work / "pylock.toml"
    pinned.write_text(head + "".join(_moved(package, dependencies.main.parent) for package in kept), encoding="utf-8")
    return ["--no-deps", f"--requirement={pinned}"]


def _moved(package: str, folder: Path) -> str:
    """With its paths, which are relative to the lock file, as they are from anywhere."""
    return re.sub(
        r"""\bpath\s*=\s*(?:"(?P<basic>[^"]+)"|'(?P<literal>[^']+)')""",
        lambda found: "path = " + json.dumps(str(Path(folder, found["basic"] or found["literal"]).resolve())),
        package,
    )


def _name_in(package: str) -> str:
    found = re.search(r'(?m)^name\s*=\s*["\']([^"\']+)["\']', package)
    return normalized(found[1]) if found else ""


def _from_pinned(uv: Uv, dependencies: Dependencies, options: PackageOptions, work: Path) -> list[str]:
    from skykite.bundle.locks import own_indexes, pinned_lines

    left_out = {normalized(name) for name in (NEVER_INSTALLED, *_all(options.without))}
    left_out |= {normalized(package.name) for package in dependencies.local}
    lines = [line for name, line in pinned_lines(dependencies, options) if normalized(name) not in left_out]
    pinned = work / "requirements.txt"
    indexes = own_indexes(dependencies)
    # In the file uv fills in `${VARIABLES}`, so that no secret is among the options, which all users of a machine see.
    lines = [f"--extra-index-url {url}" for url in indexes.by_name.values() if "${" in url] + lines
    pinned.write_text("\n".join([*lines, ""]), encoding="utf-8")
    if not indexes.by_name:
        return ["--no-deps", f"--requirement={pinned}"]
    # Named, for the variables with their credentials. As options they are in the place of the environment's.
    named = [f"{name}={url}" for name, url in indexes.by_name.items() if "${" not in url]
    named += uv.environment.get("UV_INDEX", "").split()
    strategy = ["--index-strategy=unsafe-best-match"] if indexes.alike else []
    return ["--no-deps", *(f"--index={one}" for one in named), *strategy, f"--requirement={pinned}"]


async def _resolved(
    uv: Uv, dependencies: Dependencies, options: PackageOptions, target: Target, work: Path
) -> list[str]:
    """Where nothing is pinned. The user's own packages take part in the resolution and are not installed here."""
    overrides = work / "overrides.txt"
    # An override whose marker is never true takes a package, and what only it needs, out of the resolution.
    names = (NEVER_INSTALLED, *options.without)
    overrides.write_text("".join(f"{name}; python_version < '0'\n" for name in names), encoding="utf-8")
    chosen = [
        f"--overrides={overrides}",
        *(f"--extra={name}" for name in options.extras),
        *(f"--group={name}" for name in options.groups),
    ]
    if not dependencies.local:
        return [*chosen, f"--requirement={dependencies.main}"]
    pinned = work / "requirements.txt"
    await uv.run(
        dependencies.main.parent,
        "pip",
        "compile",
        str(dependencies.main),
        f"--python={sys.executable}",  # which builds what has to be built; looking for another takes seconds
        *chosen,
        *target.options,
        "--no-header",
        "--no-annotate",
        *(f"--no-emit-package={package.name}" for package in dependencies.local),
        f"--output-file={pinned}",
    )
    return ["--no-deps", f"--requirement={pinned}"]


def _all(without: Sequence[str]) -> tuple[str, ...]:
    return (*without, *(_BOTO3_BRINGS if "boto3" in without else ()))
