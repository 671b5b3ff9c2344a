"""Where a function's code comes from: while developing a placeholder or the stub, else a bundle built after synth.

In: a construct, the program, what to bundle. Out: a CDK `Code`. I/O: writes the zip of what stands in for a function
into the assembly; hashes the import root's files when there is something to bundle.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import aws_cdk
from aws_cdk import aws_lambda as lambda_

from skykite.constructs.program import Program
from skykite.model.manifest import BundleEntry, Mode, PackagesEntry
from skykite.model.naming import asset_hash, bundle_hash, packages_hash
from skykite.model.runtimes import DEFAULT_PYTHON, kind_of
from skykite.model.script_package import build_script_package
from skykite.model.stub_package import build_stub_package

ARCHITECTURES: Final = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}
PLACEHOLDER_HANDLER: Final = "skykite_placeholder.handler"
IMAGE_HANDLER: Final = "skykite_image.handler"
"""Both are known to the embedded cloud by these names (`skykite_cloud.deployed`)."""
_PLACEHOLDER_SOURCE: Final = '''\
"""Stands in for a function that runs on a developer's machine."""


def handler(event, context):
    raise RuntimeError("this function runs on a developer's machine while `kite dev` is running, and it is not")
'''
_ABSENT_SOURCE: Final = '''\
"""Stands in for a function that is a container image."""


def handler(event, context):
    raise RuntimeError("this function is a container image, which runs where it is deployed to AWS and not here")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCode:
    """`handler` and `runtime` are set where the code says what to call, whatever the user's are."""

    code: Any
    handler: str | None = None
    runtime: str | None = None
    cdk_runtime: Any = None  # where it is no language's


def code_of(scope: Any, program: Program, bundle: BundleEntry) -> FunctionCode:
    """The real thing. CDK wants the file of an asset to be there when the asset is declared; a bundle is built after
    synth, so an empty file holds its place until `discard_unbuilt`."""
    content = _bundle_hash(program, bundle)
    asset = asset_hash(content)
    program.bundles[asset] = bundle
    return FunctionCode(code=_asset(scope, program, asset, content, b"", keep=True))


def layer_of(scope: Any, program: Program, packages: PackagesEntry) -> Any:
    """The layer with the packages of an import root: one per stack, whoever needs it. Its construct keeps its name when
    the packages change, so that CloudFormation replaces it."""
    stack = aws_cdk.Stack.of(scope)
    place = (str(stack.node.addr), packages)
    if place not in program.layers:
        content = packages_hash(program.root, packages)
        asset = asset_hash(content)
        program.bundles[asset] = packages
        named = hashlib.sha256(repr(packages).encode()).hexdigest()[:8]
        program.layers[place] = lambda_.LayerVersion(
            stack,
            f"Packages{named}",
            code=_asset(stack, program, asset, content, b"", keep=True),
            description=f"Packages of {packages.import_root} for {packages.runtime} on {packages.architecture}",
            compatible_runtimes=[cdk_runtime(packages.runtime)],
            compatible_architectures=[ARCHITECTURES[packages.architecture]],
        )
    return program.layers[place]


def cdk_runtime(runtime: str) -> lambda_.Runtime:
    """By its name, also one that the installed CDK does not know yet."""
    family = {"node": lambda_.RuntimeFamily.NODEJS, "executable": lambda_.RuntimeFamily.OTHER}
    return lambda_.Runtime(runtime, family.get(kind_of(runtime), lambda_.RuntimeFamily.PYTHON))


def code_of_live(scope: Any, program: Program, mode: Mode) -> FunctionCode:
    """What stands in for a function that runs on the developer's machine. It is the same for all of them, so that
    editing a handler changes no template."""
    if mode == "live":
        package = build_stub_package()
        data, made = package.content, FunctionCode(code=None, handler=package.handler, runtime=package.runtime)
    else:
        data, made = placeholder_zip(), FunctionCode(code=None, handler=PLACEHOLDER_HANDLER)
    content = hashlib.sha256(data).hexdigest()
    return replace(made, code=_asset(scope, program, asset_hash(content), content, data, keep=False))


def code_of_absent(scope: Any, program: Program) -> FunctionCode:
    """What stands in for a container image where none runs."""
    data = placeholder_zip(_ABSENT_SOURCE, IMAGE_HANDLER)
    content = hashlib.sha256(data).hexdigest()
    code = _asset(scope, program, asset_hash(content), content, data, keep=False)
    return FunctionCode(code=code, handler=IMAGE_HANDLER, runtime=DEFAULT_PYTHON)


def code_of_script(scope: Any, program: Program) -> Any:
    """Of the function behind a `Script`, as a CDK `Code`."""
    data = build_script_package()
    content = hashlib.sha256(data).hexdigest()
    return _asset(scope, program, asset_hash(content), content, data, keep=False)


def _asset(scope: Any, program: Program, asset: str, content: str, data: bytes, *, keep: bool) -> Any:
    stack = aws_cdk.Stack.of(scope)
    place = (str(stack.node.addr), asset)
    if place not in program.codes:
        file = Path(scope.node.root.outdir).resolve() / f"asset.{asset}.zip"
        if not (keep and file.exists()):
            file.write_bytes(data)
        program.codes[place] = lambda_.Code.from_asset(str(file), asset_hash=content)
    return program.codes[place]


def discard_unbuilt(directory: Path, program: Program) -> None:
    """Remove the empty files that stood in for bundles, so that nothing ever deploys one."""
    for asset in program.bundles:
        file = directory / f"asset.{asset}.zip"
        if file.is_file() and file.stat().st_size == 0:
            file.unlink()


def placeholder_zip(source: str = _PLACEHOLDER_SOURCE, handler: str = PLACEHOLDER_HANDLER) -> bytes:
    """Byte for byte the same everywhere: fixed time, stored, no file system's modes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo(f"{handler.partition('.')[0]}.py", (1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # Unix, also when written on Windows
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, source)
    return buffer.getvalue()


def _bundle_hash(program: Program, bundle: BundleEntry) -> str:
    if bundle not in program.hashes:
        program.hashes[bundle] = bundle_hash(program.root, bundle, disk=program.disk)
    return program.hashes[bundle]
