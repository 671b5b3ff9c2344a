"""A build that came from elsewhere is looked at before anything is done with it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skykite.bundle import seal
from skykite.deploy import read_shipment
from skykite.errors import SkykiteError
from skykite.model.build import BUILD_FORMAT, BuildRecord
from skykite.model.manifest import AssetEntry, Manifest, StackEntry, encode_manifest
from skykite.model.names import AppName, ConstructPath, StackName, StageName

APP, STAGE, REGION = AppName("notes"), StageName("prod"), "eu-west-1"


def write(
    folder: Path,
    *,
    source: str = "code.zip",
    template: str = "S.template.json",
    stage: str = STAGE,
    mode: Any = "deploy",
) -> None:
    """A build; its manifest names what it is told to."""
    assembly = folder / "assembly"
    assembly.mkdir(parents=True, exist_ok=True)
    (assembly / "S.template.json").write_text('{"Resources": {}}')
    (assembly / "code.zip").write_bytes(b"PK")
    packaging: Any = "zip" if source == "folder" else "file"
    stack = StackEntry(
        name=StackName("prod-notes-S"),
        path=ConstructPath("S"),
        template=template,
        assets=(AssetEntry(key="k.zip", bucket="b", packaging=packaging, source=source),),
    )
    manifest = Manifest(
        version=1, app=APP, stage=StageName(stage), region=REGION, mode=mode, stacks=(stack,), functions=()
    )
    (assembly / "kite.manifest.json").write_bytes(encode_manifest(manifest))
    (folder / "build.json").unlink(missing_ok=True)
    seal(folder, BuildRecord(format=BUILD_FORMAT, skykite="0.1.0", app=APP, stage=STAGE, region=REGION))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    write(folder)
    return folder


def refused(folder: Path) -> SkykiteError:
    with pytest.raises(SkykiteError) as caught:
        read_shipment(folder)
    assert caught.value.hint
    return caught.value


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((folder / "build.json").read_bytes())
    change(record)
    (folder / "build.json").write_text(json.dumps(record))


def test_a_build_as_it_was_made_is_taken(built: Path) -> None:
    shipment = read_shipment(built)
    assert (shipment.record.app, shipment.manifest.stage) == ("notes", "prod")
    assert shipment.assembly == built / "assembly"
    assert len(shipment.digest) == 64


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_a_link_to_the_build_is_no_link_in_it(built: Path) -> None:
    (built.parent / "current").symlink_to(built)
    assert read_shipment(built.parent / "current").assembly == built / "assembly"


def test_no_folder_and_a_folder_without_a_build(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").code == "build-missing"
    (tmp_path / "file").write_text("x")
    assert refused(tmp_path / "file").code == "build-missing"
    assert refused(tmp_path).code == "build-invalid"


def test_a_changed_file_is_named_also_if_its_length_is_the_same(built: Path) -> None:
    (built / "assembly" / "code.zip").write_bytes(b"PX")
    error = refused(built)
    assert (error.code, error.context) == ("build-changed", "assembly/code.zip")


def test_a_missing_file_is_named(built: Path) -> None:
    (built / "assembly" / "S.template.json").unlink()
    error = refused(built)
    assert (error.code, error.context) == ("build-incomplete", "assembly/S.template.json")


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/hostname", "assembly/../../outside.txt"])
def test_a_record_that_leads_out_is_refused(built: Path, path: str) -> None:
    (built.parent / "outside.txt").write_text("secret")
    rewrite(built, lambda record: record["files"].update({path: {"sha256": "0" * 64, "size": 6}}))
    error = refused(built)
    assert (error.code, f"`{path}`" in error.message) == ("build-invalid", True)


@pytest.mark.parametrize("where", ["source", "template"])
@pytest.mark.parametrize("path", ["../../outside.txt", "/etc/hostname", "unlisted.zip"])
def test_a_manifest_that_names_what_is_not_of_the_build_is_refused(built: Path, where: str, path: str) -> None:
    (built.parent / "outside.txt").write_text("secret")
    write(built, **{where: path})  # type: ignore[arg-type]
    (built / "assembly" / "unlisted.zip").write_text("put there later")
    error = refused(built)
    assert (error.code, error.context) == ("build-invalid", path)


def test_an_asset_that_would_be_made_here_is_refused(built: Path) -> None:
    write(built, source="folder")
    assert refused(built).code == "build-invalid"


def test_a_manifest_of_another_stage_is_refused(built: Path) -> None:
    write(built, stage="../../other")
    assert refused(built).code == "build-invalid"


def test_templates_of_a_developers_session_are_no_build(built: Path) -> None:
    write(built, mode="live")
    assert refused(built).code == "build-invalid"


def test_a_record_without_the_manifest_is_refused(built: Path) -> None:
    rewrite(built, lambda record: record["files"].pop("assembly/kite.manifest.json"))
    assert refused(built).code == "build-invalid"


def test_a_manifest_of_another_version_names_the_skykite_that_made_it(built: Path) -> None:
    manifest = built / "assembly" / "kite.manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes()) | {"version": 99}))
    (built / "build.json").unlink()
    seal(built, BuildRecord(format=BUILD_FORMAT, skykite="4.2.0", app=APP, stage=STAGE, region=REGION))
    error = refused(built)
    assert (error.code, "4.2.0" in error.message) == ("build-version", True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
@pytest.mark.parametrize("link", ["assembly/code.zip", "assembly", "build.json"])
def test_a_link_in_the_build_is_refused_even_to_the_same_bytes(built: Path, link: str) -> None:
    (built / link).rename(built.parent / "moved")
    (built / link).symlink_to(built.parent / "moved")
    error = refused(built)
    assert (error.code, f"`{link}`" in error.message) == ("build-link", True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(built: Path) -> None:
    (built / "assembly" / "code.zip").unlink()
    os.mkfifo(built / "assembly" / "code.zip")
    assert refused(built).code == "build-invalid"


def test_a_folder_in_the_place_of_a_file_is_refused(built: Path) -> None:
    (built / "assembly" / "code.zip").unlink()
    (built / "assembly" / "code.zip").mkdir()
    assert refused(built).code == "build-invalid"
