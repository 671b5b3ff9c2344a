"""The jsii packages of the CDK and the kernel's own files: where they are, and where they get unpacked to.

In: what is installed, the environment. Out: paths. I/O: reads the files that load the packages, without importing
anything; unpacks the kernel into a folder of the user's cache, once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.model.locations import cache_directory

_LOAD: Final = re.compile(r'JSIIAssembly\.load\(\s*"([^"]+)",\s*"([^"]+)",\s*[^,]+,\s*"([^"]+\.tgz)"', re.DOTALL)
_PACKAGES: Final = (  # in the order of what needs what
    ("aws_cdk", "asset_awscli_v1"),
    ("aws_cdk", "asset_node_proxy_agent_v6"),
    ("aws_cdk", "cloud_assembly_schema"),
    ("constructs",),
    ("aws_cdk",),
)
_CACHE_VARIABLE: Final = "JSII_RUNTIME_PACKAGE_CACHE"  # jsii's own: `disabled` unpacks every time, somewhere else


@dataclass(frozen=True, slots=True, kw_only=True)
class JsiiPackage:
    """A jsii assembly: `LoadRequest`'s fields."""

    name: str
    version: str
    tarball: str


def packages_to_unpack(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the packages that the next kernel will unpack into its cache, which takes seconds for the CDK."""
    cache = package_cache(environment)
    return tuple(
        package.name
        for package in find_packages()
        if not any(cache.glob(f"{package.name}/{package.version}/*/.jsii"))
        and environment.get(_CACHE_VARIABLE, "enabled") == "enabled"
    )


def find_packages() -> Iterator[JsiiPackage]:
    """The jsii packages of the CDK, from the files that load them; nothing is imported."""
    for parts in _PACKAGES:
        spec = importlib.util.find_spec(parts[0])
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            home = Path(folder, *parts[1:], "_jsii")
            try:
                found = _LOAD.search((home / "__init__.py").read_text(encoding="utf-8"))
            except OSError:
                continue
            if found and (home / found[3]).is_file():
                yield JsiiPackage(name=found[1], version=found[2], tarball=str(home / found[3]))


def unpacked_kernel() -> Path:
    """The kernel's files laid out as they name each other, in a folder that never changes once it is there."""
    spec = importlib.util.find_spec("jsii")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0], "_embedded", "jsii")
    program = (source / "lib__program.js").read_bytes()
    target = cache_directory(os.environ) / "synth" / f"jsii-{hashlib.sha256(program).hexdigest()[:16]}"
    if not target.is_dir():
        building = target.with_name(f"{target.name}-{os.getpid()}")
        for resource in source.glob("*.js"):  # `lib__program.js` lies at `lib/program.js`
            file = building.joinpath(*resource.name.split("__"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(resource.read_bytes())
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():  # else another run was first, with the same bytes
                raise
    return target


def package_cache(environment: Mapping[str, str]) -> Path:
    """Where jsii unpacks its packages, as the kernel decides it."""
    chosen = environment.get("JSII_RUNTIME_PACKAGE_CACHE_ROOT")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "com.amazonaws.jsii" / "package-cache"
    if sys.platform == "win32":
        local = environment.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(local) / "AWS" / "jsii" / "package-cache"
    return Path.home() / ".cache" / "aws" / "jsii" / "package-cache"
