"""An assembly copied whole: only plain files are left, and nothing in it depends on where or when."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from kit.cloud import RecordedEvents
from skykite.bundle import export_assembly
from skykite.errors import SkykiteError
from skykite.model.archive import ArchiveEntry, write_archive
from skykite.model.events import StepProgress
from skykite.model.manifest import (
    AssetEntry,
    BundleEntry,
    FunctionEntry,
    ImageEntry,
    LayerEntry,
    Manifest,
    StackEntry,
    decode_manifest,
)
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, StackName, StageName

BUNDLE = BundleEntry(import_root=".", runtime="python3.13", architecture="arm64")
ASSET_MANIFEST = {
    "files": {
        "1": {"source": {"path": "asset.site", "packaging": "zip"}, "destinations": {}},
        "2": {"source": {"path": "asset.code.zip", "packaging": "file"}, "destinations": {}},
    }
}


def asset(source: str, packaging: str, **options: object) -> AssetEntry:
    return AssetEntry(key=f"key-{source}", bucket="b", packaging=packaging, source=source, **options)  # type: ignore[arg-type]


def an_assembly(root: Path) -> tuple[Manifest, Path]:
    assembly = root / "assembly"
    (assembly / "asset.site" / "deep").mkdir(parents=True)
    (assembly / "asset.site" / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (assembly / "asset.site" / "deep" / "run.sh").chmod(0o755)
    (assembly / "asset.site" / "a.txt").write_text("a")
    (assembly / "asset.data.bin").write_bytes(b"\0\1")
    (assembly / "S.template.json").write_text("{}")
    (assembly / "S.assets.json").write_text(json.dumps(ASSET_MANIFEST))
    (assembly / "manifest.json").write_text("{}")
    (assembly / "asset.old.zip").write_text("of a former run")
    stack = StackEntry(
        name=StackName("prod-notes-S"),
        path=ConstructPath("S"),
        template="S.template.json",
        assets=(
            asset("asset.site", "zip"),
            asset("asset.data.bin", "file"),
            asset("asset.code.zip", "bundle", bundle=BUNDLE),
        ),
    )
    function = FunctionEntry(
        id=FunctionId("S/F"),
        stack=stack.name,
        logical_id=LogicalId("F"),
        runtime="python3.13",
        memory_mb=128,
        timeout_s=3,
        architecture="arm64",
        live=True,
        code="asset.code.zip",
        layers=(LayerEntry(name="S/Layer", source="asset.site"), LayerEntry(name="arn:aws:lambda:…")),
    )
    manifest = Manifest(
        version=1,
        app=AppName("notes"),
        stage=StageName("prod"),
        region="eu-west-1",
        mode="deploy",
        stacks=(stack,),
        functions=(function,),
    )
    return manifest, assembly


async def build(entry: AssetEntry, destination: Path) -> None:
    with destination.open("wb") as stream:
        write_archive(stream, [ArchiveEntry(path="f.py", read=lambda: b"print()\n")])


async def exported(root: Path, folder: Path) -> Manifest:
    manifest, assembly = an_assembly(root)
    folder.mkdir(parents=True)  # noqa: ASYNC240
    events = RecordedEvents()
    shipped, bundles = await export_assembly(manifest, assembly, folder, build=build, events=events)
    assert bundles == 1
    assert events.of(StepProgress)[-1].message == "1 of 1 bundles"
    return shipped


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


async def test_every_asset_is_a_file_under_its_own_key_and_what_was_left_over_stays_behind(tmp_path: Path) -> None:
    shipped = await exported(tmp_path, tmp_path / "out")
    assert [(a.key, a.packaging, a.source, a.bundle) for a in shipped.stacks[0].assets] == [
        ("key-asset.site", "file", "asset.site.zip", None),
        ("key-asset.data.bin", "file", "asset.data.bin", None),
        ("key-asset.code.zip", "file", "asset.code.zip", None),
    ]
    assert [layer.source for layer in shipped.functions[0].layers] == ["asset.site.zip", None]
    assert shipped.functions[0].code == "asset.code.zip"
    files = contents(tmp_path / "out")
    assert set(files) == {
        "S.assets.json",
        "S.template.json",
        "asset.code.zip",
        "asset.data.bin",
        "asset.site.zip",
        "kite.manifest.json",
        "manifest.json",
    }
    assert decode_manifest(files["kite.manifest.json"], source="x") == shipped


async def test_a_folder_keeps_what_may_be_executed_although_its_copy_may_lose_modes(tmp_path: Path) -> None:
    await exported(tmp_path, tmp_path / "out")
    with zipfile.ZipFile(io.BytesIO(contents(tmp_path / "out")["asset.site.zip"])) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes == {"a.txt": 0o644, "deep/run.sh": 0o755}


async def test_cdks_own_list_of_assets_says_the_same_so_that_a_stock_cdk_deploys_it(tmp_path: Path) -> None:
    await exported(tmp_path, tmp_path / "out")
    listed = json.loads(contents(tmp_path / "out")["S.assets.json"])["files"]
    assert [one["source"] for one in listed.values()] == [
        {"path": "asset.site.zip", "packaging": "file"},
        {"path": "asset.code.zip", "packaging": "file"},
    ]


async def test_the_copy_is_the_same_to_the_byte_elsewhere_and_later(tmp_path: Path) -> None:
    await exported(tmp_path / "one", tmp_path / "out")
    (tmp_path / "two").mkdir()
    manifest, assembly = an_assembly(tmp_path / "two")
    for file in assembly.rglob("*"):
        os.utime(file, (1, 1))
    (tmp_path / "again").mkdir()
    await export_assembly(manifest, assembly, tmp_path / "again", build=build, events=RecordedEvents())
    assert contents(tmp_path / "out") == contents(tmp_path / "again")


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
async def test_links_in_a_folder_become_what_they_point_to(tmp_path: Path) -> None:
    manifest, assembly = an_assembly(tmp_path)
    (assembly / "asset.site" / "b.txt").symlink_to("a.txt")
    (assembly / "asset.site" / "round").symlink_to("..")
    (assembly / "asset.site" / "dead").symlink_to("nowhere")
    (tmp_path / "out").mkdir()
    await export_assembly(manifest, assembly, tmp_path / "out", build=build, events=RecordedEvents())
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    with zipfile.ZipFile(tmp_path / "out" / "asset.site.zip") as archive:
        assert archive.namelist() == ["a.txt", "b.txt", "deep/run.sh"]


async def test_a_zip_that_cannot_be_read_is_not_shipped(tmp_path: Path) -> None:
    async def build_half(entry: AssetEntry, destination: Path) -> None:
        await build(entry, destination)
        destination.write_bytes(destination.read_bytes()[:-30])  # noqa: ASYNC240

    manifest, assembly = an_assembly(tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(ExceptionGroup) as caught:
        await export_assembly(manifest, assembly, tmp_path / "out", build=build_half, events=RecordedEvents())
    (error,) = caught.value.exceptions
    assert isinstance(error, SkykiteError)
    assert error.code == "bundle-broken"
    assert not (assembly / "asset.code.zip").exists()


async def test_a_bundle_that_is_there_is_not_built_again_unless_it_was_cut_short(tmp_path: Path) -> None:
    calls: list[str] = []

    async def count(entry: AssetEntry, destination: Path) -> None:
        calls.append(entry.key)
        await build(entry, destination)

    manifest, assembly = an_assembly(tmp_path)
    place = assembly / "asset.code.zip"

    async def export(name: str) -> None:
        (tmp_path / name).mkdir()
        await export_assembly(manifest, assembly, tmp_path / name, build=count, events=RecordedEvents())

    await export("one")
    mark = place.stat()
    await export("two")
    assert calls == ["key-asset.code.zip"]
    assert (place.stat().st_ino, place.stat().st_ctime_ns) == (mark.st_ino, mark.st_ctime_ns)
    place.write_bytes(place.read_bytes()[:-10])
    await export("three")
    assert calls == ["key-asset.code.zip"] * 2
    assert contents(tmp_path / "three") == contents(tmp_path / "one")


async def test_all_bundles_are_asked_for_at_once_so_that_they_can_be_made_together(tmp_path: Path) -> None:
    manifest, assembly = an_assembly(tmp_path)
    assets = tuple(asset(f"asset.{number}.zip", "bundle", bundle=BUNDLE) for number in range(50))
    manifest = replace(manifest, stacks=(replace(manifest.stacks[0], assets=assets),), functions=())
    together = asyncio.Barrier(len(assets))

    async def wait_for_all(entry: AssetEntry, destination: Path) -> None:
        await together.wait()
        await build(entry, destination)

    (tmp_path / "out").mkdir()
    async with asyncio.timeout(20):
        _, bundles = await export_assembly(
            manifest, assembly, tmp_path / "out", build=wait_for_all, events=RecordedEvents()
        )
    assert bundles == 50


async def test_an_image_that_is_to_be_made_of_a_folder_is_refused(tmp_path: Path) -> None:
    manifest, assembly = an_assembly(tmp_path)
    image = ImageEntry(repository="skykite", tag="1", source="asset.context")
    manifest = replace(
        manifest,
        stacks=(replace(manifest.stacks[0], images=(image,)),),
        functions=(replace(manifest.functions[0], id=FunctionId("Shop/Render"), kind="image"),),
    )
    (tmp_path / "out").mkdir()
    with pytest.raises(SkykiteError) as caught:
        await export_assembly(manifest, assembly, tmp_path / "out", build=build, events=RecordedEvents())
    assert (caught.value.code, contents(tmp_path / "out")) == ("build-image", {})
    assert "(`Shop/Render`)" in caught.value.message


async def test_an_asset_that_is_not_there_is_named(tmp_path: Path) -> None:
    manifest, assembly = an_assembly(tmp_path)
    (assembly / "asset.data.bin").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(SkykiteError) as caught:
        await export_assembly(manifest, assembly, tmp_path / "out", build=build, events=RecordedEvents())
    assert (caught.value.code, "asset.data.bin" in caught.value.message) == ("asset-missing", True)
