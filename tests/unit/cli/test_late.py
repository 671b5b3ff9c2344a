from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kit.runtime import function_config
from skykite.cli.late import LateBuilds, LateBundles
from skykite.model.built import BuildInputs, BuiltSource
from skykite.model.invocation import FunctionConfig
from skykite.model.manifest import AssetEntry, FunctionEntry, LayerEntry, Manifest
from skykite.model.names import AppName, FunctionId, LogicalId, StackName, StageName

ASSET = AssetEntry(key="k", bucket="b", packaging="bundle", source="s")
FUNCTION = FunctionEntry(
    id=FunctionId("S/F"),
    stack=StackName("S"),
    logical_id=LogicalId("F"),
    runtime="python3.13",
    memory_mb=128,
    timeout_s=3,
    architecture="arm64",
    live=False,
)
MANIFEST = Manifest(
    version=1,
    app=AppName("app"),
    stage=StageName("test"),
    region="eu-west-1",
    mode="deploy",
    stacks=(),
    functions=(FUNCTION,),
)


class Told:
    """Bundles that note what they are asked for, and their own making."""

    def __init__(self, told: list[str]) -> None:
        told.append("made")
        self.told = told

    async def build(self, asset: AssetEntry, destination: Path) -> None:
        self.told.append(f"build {asset.key} {destination}")

    async def check(self, manifest: Manifest, assembly: Path) -> None:
        self.told.append(f"check {manifest.app} {assembly}")


async def test_bundles_are_made_once_when_there_is_something_to_bundle() -> None:
    told: list[str] = []
    bundles = LateBundles(lambda: Told(told))
    await bundles.check(MANIFEST, Path("assembly"))
    assert told == []
    await bundles.build(ASSET, Path("place"))
    await bundles.build(ASSET, Path("other"))
    assert told == ["made", "build k place", "build k other"]


async def test_functions_with_layers_are_checked_even_if_nothing_was_built() -> None:
    told: list[str] = []
    layered = replace(FUNCTION, layers=(LayerEntry(name="S/L", source="asset.layer"),))
    await LateBundles(lambda: Told(told)).check(replace(MANIFEST, functions=(layered,)), Path("assembly"))
    assert told == ["made", "check app assembly"]


async def test_what_builds_sources_is_made_once_with_the_first_function_of_its_kind() -> None:
    made: list[str] = []
    built = BuiltSource(folder=Path("f"), file="x", inputs=BuildInputs())

    class Builds:
        def __init__(self) -> None:
            made.append("made")

        async def build(self, config: FunctionConfig) -> BuiltSource:
            return built

    builds = LateBuilds(Builds)
    assert made == []
    config = function_config(Path("project"), "functions/hello.handler")
    assert [await builds.build(config), await builds.build(config)] == [built, built]
    assert made == ["made"]
