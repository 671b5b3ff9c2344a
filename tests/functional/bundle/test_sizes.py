"""Lambda's limit for functions with all their layers: counted before anything is sent. Big files are sparse."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kit.bundles import BundleBench
from kit.cloud import RecordedEvents
from kit.wheels import make_wheel
from skykite.bundle import export_assembly
from skykite.bundle.sizes import FunctionSizes
from skykite.errors import SkykiteError
from skykite.model.manifest import AssetEntry, FunctionEntry, LayerEntry, Manifest, StackEntry
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, StackName, StageName

MEGABYTE = 1024 * 1024


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    folder = tmp_path / "assembly"
    folder.mkdir()
    return folder


def sparse(file: Path, megabytes: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.truncate(megabytes * MEGABYTE)


def zipped(file: Path, path: str, megabytes: int) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(path, bytes(megabytes * MEGABYTE))


def function(name: str, code: str | None, *layers: str | None) -> FunctionEntry:
    """`layers` are where they are in the assembly; None is one of elsewhere."""
    return FunctionEntry(
        id=FunctionId(f"S/{name}"),
        stack=StackName("app-S"),
        logical_id=LogicalId(name),
        runtime="python3.13",
        memory_mb=128,
        timeout_s=3,
        architecture="arm64",
        live=False,
        code=code,
        layers=tuple(
            LayerEntry(name=f"S/{layer}" if layer else "arn:aws:lambda:eu-west-1:1:layer:tools:1", source=layer)
            for layer in layers
        ),
    )


def manifest_of(*functions: FunctionEntry, assets: Sequence[AssetEntry] = ()) -> Manifest:
    stack = StackEntry(
        name=StackName("app-S"), path=ConstructPath("S"), template="S.template.json", assets=tuple(assets)
    )
    return Manifest(
        version=1,
        app=AppName("app"),
        stage=StageName("test"),
        region="eu-west-1",
        mode="deploy",
        stacks=(stack,),
        functions=functions,
    )


def refused(manifest: Manifest, assembly: Path) -> SkykiteError:
    with pytest.raises(SkykiteError) as raised:
        FunctionSizes().check(manifest, lambda source: assembly / source)
    assert raised.value.code == "bundle-too-large"
    return raised.value


def test_the_users_own_layers_count_whether_they_are_folders_or_zips(assembly: Path) -> None:
    sparse(assembly / "code" / "data" / "big.bin", 100)
    sparse(assembly / "fonts" / "python" / "fonts" / "all.ttf", 100)
    sparse(assembly / "fonts" / "lib" / "libfont.so", 11)
    zipped(assembly / "tools.zip", "nodejs/node22/node_modules/tools/index.js", 40)

    error = refused(manifest_of(function("F", "code", "fonts", "tools.zip")), assembly)
    assert error.message == "function `S/F` has 251 MB unpacked, layers included; Lambda takes 250 MB"
    assert (error.context or "").splitlines() == [
        " 100 MB data, in the code",
        " 100 MB fonts, in layer `S/fonts`",
        "  40 MB tools, in layer `S/tools.zip`",
        "  11 MB lib, in layer `S/fonts`",
    ]
    FunctionSizes().check(manifest_of(function("F", "code", "fonts")), lambda source: assembly / source)


def test_lambdas_limit_itself_is_taken_and_one_byte_more_is_not(assembly: Path) -> None:
    sparse(assembly / "code" / "a.bin", 100)
    sparse(assembly / "layer" / "b.bin", 150)
    manifest = manifest_of(function("F", "code", "layer"))
    FunctionSizes().check(manifest, lambda source: assembly / source)
    (assembly / "layer" / "one.txt").write_text("1")
    refused(manifest, assembly)


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_what_links_lead_to_counts_as_it_will_be_in_the_zip(assembly: Path) -> None:
    sparse(assembly.parent / "elsewhere" / "big.bin", 260)
    (assembly / "layer").mkdir()
    (assembly / "layer" / "linked").symlink_to(assembly.parent / "elsewhere")
    (assembly / "layer" / "round").symlink_to("..")
    assert " 260 MB linked, in layer `S/layer`" in (
        refused(manifest_of(function("F", None, "layer")), assembly).context or ""
    )


def test_functions_that_consist_of_the_same_are_told_of_once(assembly: Path) -> None:
    sparse(assembly / "layer" / "big.bin", 300)
    functions = [function(name, None, "layer") for name in "ABC"]
    assert refused(manifest_of(*functions[:2]), assembly).message.startswith("function `S/A`, as `S/B`, has 300 MB")
    assert refused(manifest_of(*functions), assembly).message.startswith("function `S/A`, as 2 others, has 300 MB")


def test_layers_of_elsewhere_cannot_be_counted(assembly: Path) -> None:
    sparse(assembly / "code" / "big.bin", 200)
    FunctionSizes().check(
        manifest_of(function("F", "code", None, "gone")), lambda s: assembly / s if s != "gone" else None
    )


def test_nothing_is_looked_at_twice(assembly: Path) -> None:
    zipped(assembly / "layer.zip", "a.txt", 1)
    sizes, manifest = FunctionSizes(), manifest_of(function("F", None, "layer.zip"))
    sizes.check(manifest, lambda source: assembly / source)
    (assembly / "layer.zip").unlink()
    sizes.check(replace(manifest, functions=(*manifest.functions, function("G", None, "layer.zip"))), assembly.joinpath)


@pytest.mark.parametrize("layer_is", ["built with it", "sent before"])
async def test_code_and_the_layer_of_its_packages_count_together(tmp_path: Path, layer_is: str) -> None:
    """Each alone is small enough. A layer that is in the bucket is not built, but counts as long as it is kept."""
    bench = BundleBench(tmp_path)
    make_wheel(bench.wheels, "heavy", "1.0", files={"heavy/words.txt": "x" * (60 * MEGABYTE)})
    bench.write("requirements.txt", "heavy\n")
    sparse(bench.project / "data" / "big.bin", 200)
    code, layer = replace(bench.function(), source="code.zip"), replace(bench.layer(), source="layer.zip")
    assembly = tmp_path / "assembly"
    assembly.mkdir()
    if layer_is == "sent before":
        await bench.bundler().build(layer, tmp_path / "sent.zip")

    bundler = bench.bundler()
    await bundler.build(code, assembly / "code.zip")
    if layer_is == "built with it":
        await bundler.build(layer, assembly / "layer.zip")
    with pytest.raises(SkykiteError) as raised:
        await bundler.check(manifest_of(function("F", "code.zip", "layer.zip"), assets=(code, layer)), assembly)
    assert raised.value.message == "function `S/F` has 260 MB unpacked, layers included; Lambda takes 250 MB"
    assert (raised.value.context or "").splitlines()[:2] == [
        " 200 MB data, in the code",
        "  60 MB heavy, in layer `S/layer.zip`",
    ]


async def test_a_build_holds_no_function_that_lambda_refuses(assembly: Path, tmp_path: Path) -> None:
    sparse(assembly / "layer" / "big.bin", 251)
    asset = AssetEntry(key="layer.zip", bucket="b", packaging="zip", source="layer")
    manifest = manifest_of(function("F", None, "layer"), assets=(asset,))
    (tmp_path / "out").mkdir()

    async def build(entry: AssetEntry, destination: Path) -> None:
        raise AssertionError("nothing is to be built")

    with pytest.raises(SkykiteError) as raised:
        await export_assembly(manifest, assembly, tmp_path / "out", build=build, events=RecordedEvents())
    assert raised.value.code == "bundle-too-large"
    assert not list((tmp_path / "out").iterdir())
