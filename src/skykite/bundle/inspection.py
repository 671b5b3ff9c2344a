"""What is in a function's bundle: its code and its layers, opened and told apart.

In: a function of the manifest, and the assembly. Out: a `BundleInspected`. I/O: builds what is not built yet, reads the
zips' lists of files and the records of installed packages.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from skykite.bundle.bundler import LAYER_FOLDER, Bundler, Installed
from skykite.bundle.esbuild import Bundled
from skykite.bundle.markers import machine
from skykite.bundle.node_inspection import inspect_node
from skykite.bundle.reasons import Asked, Package, asked_for, reasons, shown
from skykite.bundle.sizes import UNPACKED_LIMIT, contents_of
from skykite.bundle.target import target_of
from skykite.errors import SkykiteError
from skykite.model.events import BundledFile, BundledFolder, BundledPackage, BundleInspected, BundlePart
from skykite.model.manifest import AssetEntry, BundleEntry, FunctionEntry, Manifest
from skykite.model.source import copied_sources

_SUPPORT: Final = "skykite_lambda"
_LARGEST: Final = 10

_Kind = Literal["code", "copied", "hook", "built", "map", "support", "layer", "asset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The code or one layer, as the template has it. `asset` is set if it is part of the app."""

    kind: Literal["code", "layer"]
    name: str
    asset: AssetEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: str
    size: int
    part: str


@dataclass(slots=True)
class _Owned:
    """What was counted for one package or folder."""

    size: int = 0
    files: int = 0

    def add(self, file: _File) -> None:
        self.size += file.size
        self.files += 1


async def inspect_bundle(
    function: FunctionEntry, manifest: Manifest, assembly: Path, *, bundler: Bundler, project_root: Path
) -> BundleInspected:
    """Raises what `Bundler.build` raises, and `bundle-image` for a function that has no zip."""
    parts = _parts(function, manifest, assembly)
    told: list[BundlePart] = []
    files: list[_File] = []
    found = _Findings(project_root)
    for part in parts:
        if part.asset is None:
            told.append(BundlePart(kind=part.kind, name=part.name))
            continue
        place = assembly / part.asset.source
        if part.asset.packaging == "bundle":
            found.learn(await bundler.installed(part.asset))
        listed = await _contents(part, part.asset, place, bundler)
        bundled = await bundler.bundled(part.asset)
        if bundled is not None and part.asset.bundle is not None:
            found.tell(
                await asyncio.to_thread(_node, bundled, part.asset.bundle, listed, place, part.name, project_root)
            )
        files += listed
        told.append(
            BundlePart(
                kind=part.kind,
                name=part.name,
                key=part.asset.key,
                zipped=place.stat().st_size if place.is_file() else None,
                unpacked=sum(file.size for file in listed),
                files=len(listed),
            )
        )
    bundles = {part.name: part.asset.bundle for part in parts if part.asset and part.asset.bundle}
    packages, folders = await asyncio.to_thread(found.tell_apart, files, bundles)
    largest = sorted(files, key=lambda file: (-file.size, file.path))[:_LARGEST]
    return BundleInspected(
        function=function.id,
        handler=function.handler,
        runtime=function.runtime,
        architecture=function.architecture,
        parts=tuple(told),
        packages=packages,
        folders=folders,
        largest=tuple(BundledFile(path=file.path, part=file.part, unpacked=file.size) for file in largest),
        unpacked=sum(file.size for file in files),
        limit=UNPACKED_LIMIT,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """What a Node bundle holds, and which files of its part that covers."""

    part: str
    packages: list[BundledPackage]
    folders: list[BundledFolder]
    told: frozenset[str]


def _node(bundled: Bundled, bundle: BundleEntry, files: list[_File], place: Path, part: str, root: Path) -> _Node:
    def read(path: str) -> bytes:
        with zipfile.ZipFile(place) as archive:
            return archive.read(path)

    packages, folders, told = inspect_node(
        bundled,
        {file.path: file.size for file in files},
        read,
        part=part,
        import_root=root / bundle.import_root,
        project_root=root,
        install=bundle.node.install if bundle.node else (),
    )
    return _Node(part=part, packages=packages, folders=folders, told=told)


async def _contents(part: _Part, asset: AssetEntry, place: Path, bundler: Bundler) -> list[_File]:
    """Of one part; also of one that is too large to be built, which is when people look."""
    if asset.packaging == "bundle" and not await asyncio.to_thread(place.is_file):
        try:
            await bundler.build(asset, place)
        except SkykiteError as error:
            if error.code != "bundle-too-large":
                raise
            files = await bundler.files(asset)
            return [_File(path=file.path, size=file.location.stat().st_size, part=part.name) for file in files]
    listed = await asyncio.to_thread(contents_of, place)
    return [_File(path=path, size=size, part=part.name) for path, size in listed]


class _Findings:
    """What is known of the packages that the parts of one function hold."""

    def __init__(self, project_root: Path) -> None:
        self._root = project_root
        self._owners: dict[str, str] = {}  # the path of a file, as it is imported, to its package
        self._packages: dict[str, tuple[importlib.metadata.Distribution, bool]] = {}
        self._asked: list[Asked] = []
        self._variables: Mapping[str, str] = {}
        self._otherwise = "requirements"
        self._told: set[tuple[str, str]] = set()  # parts and paths of what is told already
        self._ready: tuple[list[BundledPackage], list[BundledFolder]] = ([], [])

    def tell(self, node: _Node) -> None:
        """Of a part that is no Python."""
        self._ready[0].extend(node.packages)
        self._ready[1].extend(node.folders)
        self._told.update((node.part, path) for path in node.told)

    def learn(self, installed: Installed) -> None:
        """From what a part was made of."""
        if installed.dependencies is not None:
            self._asked += asked_for(installed.dependencies, installed.packages.options, self._root)
            self._otherwise = shown(installed.dependencies.main, self._root)
        if installed.third_party or installed.local:
            self._variables = machine(target_of(installed.packages.runtime, installed.packages.architecture))
        for folder, local in ((installed.third_party, False), (installed.local, True)):
            for one in importlib.metadata.distributions(path=[str(folder)]) if folder else ():
                self._packages[one.name] = (one, local)
                self._owners.update((path.as_posix(), one.name) for path in one.files or ())

    def tell_apart(
        self, files: Iterable[_File], bundles: Mapping[str, BundleEntry]
    ) -> tuple[tuple[BundledPackage, ...], tuple[BundledFolder, ...]]:
        """Both with the largest first."""
        packages: dict[str, _Owned] = {}
        folders: dict[tuple[_Kind, str, str], _Owned] = {}
        copied = {name: {one.path for one in copied_sources(b.copied, self._root)} for name, b in bundles.items()}
        for file in files:
            if (file.part, file.path) in self._told:
                continue
            owner = self._owner(file.path)
            bundle = bundles.get(file.part)
            if bundle is not None and (self._root / bundle.import_root / file.path).is_file():
                owner = None  # the user's file is in the place of the package's
            if owner is not None:
                packages.setdefault(owner, _Owned()).add(file)
            else:
                kind, path = _folder(file, bundle, copied.get(file.part, set()), self._root)
                folders.setdefault((kind, path, file.part), _Owned()).add(file)
        why = reasons(
            [Package(name=name, requires=tuple(self._packages[name][0].requires or ())) for name in packages],
            self._asked,
            self._variables,
            otherwise=self._otherwise,
        )
        told = [
            BundledPackage(
                name=name,
                version=self._packages[name][0].version,
                unpacked=owned.size,
                files=owned.files,
                local=self._packages[name][1],
                direct=why[name].direct,
                via=why[name].via,
            )
            for name, owned in packages.items()
        ]
        found = [
            BundledFolder(kind=kind, path=path, part=part, unpacked=owned.size, files=owned.files)
            for (kind, path, part), owned in folders.items()
        ]
        told += self._ready[0]
        found += self._ready[1]
        return (
            tuple(sorted(told, key=lambda one: (-one.unpacked, one.name))),
            tuple(sorted(found, key=lambda one: (-one.unpacked, one.kind, one.path))),
        )

    def _owner(self, path: str) -> str | None:
        path = path.removeprefix(f"{LAYER_FOLDER}/")
        folder, cache, name = path.rpartition("__pycache__/")
        if cache:  # compiled from a module of the package
            path = f"{folder}{name.partition('.')[0]}.py"
        return self._owners.get(path)


def _folder(file: _File, bundle: BundleEntry | None, copied: set[str], root: Path) -> tuple[_Kind, str]:
    """The kind and the name of what a file that is of no package belongs to."""
    top, below, _ = file.path.partition("/")
    top = f"{top}/" if below else "."
    if bundle is None:
        return ("layer" if file.part != "code" else "asset"), top
    if file.path.startswith(f"{_SUPPORT}/"):
        return "support", top
    if file.path in copied:
        return "copied", top
    place = root / bundle.import_root
    if (place / file.path).is_file() or (place / "src" / file.path).is_file():
        return "code", top
    return ("hook" if bundle.kind == "python" else "built"), top


def _parts(function: FunctionEntry, manifest: Manifest, assembly: Path) -> list[_Part]:
    stack = next(entry for entry in manifest.stacks if entry.name == function.stack)
    template: dict[str, Any] = msgspec.json.decode((assembly / stack.template).read_bytes())
    resources: dict[str, Any] = template["Resources"]
    properties: dict[str, Any] = resources[function.logical_id]["Properties"]
    code: dict[str, Any] = properties.get("Code", {})
    if "ImageUri" in code:
        raise SkykiteError(
            "bundle-image",
            f"`{function.id}` is a container image, which has no bundle",
            hint="`docker history` shows what is in an image",
        )
    assets = {asset.key: asset for asset in stack.assets}
    paths = {str(resource.logical_id): str(resource.path) for resource in stack.resources}
    parts = [_Part(kind="code", name="code", asset=assets.get(str(code.get("S3Key"))))]
    for layer in properties.get("Layers", ()):
        logical_id = layer.get("Ref") if isinstance(layer, dict) else None
        made = resources.get(logical_id, {}) if logical_id else {}
        key = made.get("Properties", {}).get("Content", {}).get("S3Key")
        name = paths.get(str(logical_id)) or (layer if isinstance(layer, str) else msgspec.json.encode(layer).decode())
        parts.append(_Part(kind="layer", name=name, asset=assets.get(str(key))))
    return parts
