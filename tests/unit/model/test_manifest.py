from __future__ import annotations

import pytest

from skykite.errors import SkykiteError
from skykite.model.manifest import (
    AssetEntry,
    BundleEntry,
    Cors,
    FunctionEntry,
    HttpApiEntry,
    Manifest,
    ResourceEntry,
    RouteEntry,
    SourceLocation,
    StackEntry,
    decode_manifest,
    encode_manifest,
)
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, StackName, StageName

STACK = StackName("alice-notes-NotesStack")
FUNCTION = FunctionId("NotesStack/Get")
MANIFEST = Manifest(
    version=1,
    app=AppName("notes"),
    stage=StageName("alice"),
    region="eu-west-1",
    mode="local",
    stacks=(
        StackEntry(
            name=STACK,
            path=ConstructPath("NotesStack"),
            template="NotesStack.template.json",
            assets=(
                AssetEntry(
                    key="abc.zip",
                    bucket="assets-${AWS::AccountId}",
                    packaging="bundle",
                    source="asset.abc.zip",
                    bundle=BundleEntry(import_root=".", runtime="python3.13", architecture="arm64"),
                ),
            ),
            resources=(
                ResourceEntry(
                    logical_id=LogicalId("Get1"), path=ConstructPath("NotesStack/Get"), type="AWS::Lambda::Function"
                ),
            ),
            tags={"team": "notes"},
        ),
    ),
    functions=(
        FunctionEntry(
            id=FUNCTION,
            stack=STACK,
            logical_id=LogicalId("Get1"),
            runtime="python3.13",
            memory_mb=128,
            timeout_s=3,
            architecture="arm64",
            live=True,
            handler="functions/notes.get",
            import_root=".",
            location=SourceLocation(file="stacks/notes.py", line=12),
        ),
    ),
    http_apis=(
        HttpApiEntry(
            path=ConstructPath("NotesStack/Api"),
            stack=STACK,
            logical_id=LogicalId("Api1"),
            name="alice-notes-Api",
            cors=Cors(allow_origins=("*",)),
            routes=(RouteEntry(key="GET /notes/{id}", function=FUNCTION),),
        ),
    ),
)


def test_a_manifest_survives_its_file() -> None:
    assert decode_manifest(encode_manifest(MANIFEST), source="kite.manifest.json") == MANIFEST


def test_the_same_manifest_is_the_same_bytes() -> None:
    assert encode_manifest(MANIFEST) == encode_manifest(decode_manifest(encode_manifest(MANIFEST), source="x"))


def test_a_function_is_found_by_its_id() -> None:
    assert MANIFEST.function(FUNCTION) is MANIFEST.functions[0]
    with pytest.raises(KeyError):
        MANIFEST.function(FunctionId("NotesStack/Put"))


def test_a_broken_manifest_is_ours_to_explain() -> None:
    with pytest.raises(SkykiteError) as caught:
        decode_manifest(b'{"version": 1}', source="kite.manifest.json")
    assert caught.value.code == "manifest-invalid"
    assert caught.value.blame == "skykite"
    assert caught.value.message == (
        "`kite.manifest.json` is not a Skykite manifest: Object missing required field `app`"
    )


def test_a_manifest_of_another_version_is_not_misread() -> None:
    data = encode_manifest(MANIFEST).replace(b'"version": 1', b'"version": 2')
    with pytest.raises(SkykiteError) as caught:
        decode_manifest(data, source="kite.manifest.json")
    assert caught.value.code == "manifest-version"
    assert caught.value.message == "`kite.manifest.json` has version 2; this Skykite reads version 1"
