"""A project, a folder of wheels, a cache, and the bundler between them; no package index is asked."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any, Literal

from uv import find_uv_bin

from kit.cloud import RecordedEvents
from skykite.bundle import Bundler
from skykite.model.dependencies import read_dependencies
from skykite.model.manifest import AssetEntry, BundleEntry, PackageOptions, PackagesEntry
from skykite.model.naming import bundle_hash, packages_hash

Architecture = Literal["x86_64", "arm64"]


def as_cdk_names_it(digest: str) -> str:
    """By the hash of the hash."""
    return hashlib.sha256(digest.encode()).hexdigest()


class BundleBench:
    """A project, a folder of wheels, a cache, and the bundler between them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.wheels = root / "wheels"
        self.zip = root / "assembly" / "code.zip"
        self.wheels.mkdir(parents=True)
        self.events = RecordedEvents()
        self.write("functions/hello.py", "def handler(event, context): ...\n")
        (root / "uv.toml").write_text("no-index = true\n")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UV_")},
            "UV_CONFIG_FILE": str(root / "uv.toml"),
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(root / "uv"),
        }

    def write(self, path: str, text: str) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def asset(
        self, *, runtime: str = "python3.13", architecture: Architecture = "arm64", root: str = ".", **options: Any
    ) -> AssetEntry:
        bundle = BundleEntry(import_root=root, runtime=runtime, architecture=architecture, **options)
        key = as_cdk_names_it(bundle_hash(self.project, bundle))
        return AssetEntry(key=f"{key}.zip", bucket="b", packaging="bundle", source="x", bundle=bundle)

    def layer(
        self, *, runtime: str = "python3.13", architecture: Architecture = "arm64", root: str = ".", **options: Any
    ) -> AssetEntry:
        packages = PackagesEntry(
            import_root=root, runtime=runtime, architecture=architecture, options=PackageOptions(**options)
        )
        key = as_cdk_names_it(packages_hash(self.project, packages))
        return AssetEntry(key=f"{key}.zip", bucket="b", packaging="bundle", source="x", packages=packages)

    def function(self, *, root: str = ".", **options: Any) -> AssetEntry:
        """The code of a function whose packages are in a layer, as `Function` declares it."""
        packages = PackageOptions(**options)
        found = read_dependencies(self.project / root, packages)
        local = (
            tuple(Path(os.path.relpath(one.folder, self.project)).as_posix() for one in found.local) if found else ()
        )
        return self.asset(root=root, packages=packages, layered=bool(found and found.installs), local=local)

    async def layered(self, asset: AssetEntry | None = None) -> list[str]:
        """What is in a layer, without what says what is in it."""
        archive = await self.build(asset or self.layer())
        assert archive.namelist()[-1] == "skykite-layer.txt"
        names = archive.namelist()[:-1]
        assert all(name.startswith("python/") for name in names)
        return [name.removeprefix("python/") for name in names]

    async def lock(self, root: str = ".") -> None:
        """Write `uv.lock`."""
        command = [find_uv_bin(), "lock", "--quiet", "--project", str(self.project / root)]
        await asyncio.to_thread(subprocess.run, command, env=self.environment, check=True)

    async def build(self, asset: AssetEntry | None = None) -> zipfile.ZipFile:
        await self.bundler().build(asset or self.asset(), self.zip)
        return zipfile.ZipFile(self.zip)

    def bundler(self) -> Bundler:
        self.events = RecordedEvents()
        return Bundler(
            project_root=self.project, cache=self.root / "cache", environment=self.environment, events=self.events
        )

    async def users_files(self, asset: AssetEntry | None = None) -> list[str]:
        archive = await self.build(asset)
        return [name for name in archive.namelist() if not name.startswith("skykite_lambda/")]
