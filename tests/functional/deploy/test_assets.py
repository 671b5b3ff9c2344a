"""Assets on their way to the bucket, against the real embedded cloud."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from kit.assembly import TOPIC, Workbench, template
from skykite.errors import SkykiteError
from skykite.model.bootstrap import BOOTSTRAP_BUCKET, bootstrap_bucket
from skykite.model.events import Notice, StepFinished
from skykite.model.manifest import AssetEntry, BundleEntry, Manifest

BUNDLE = BundleEntry(import_root=".", runtime="python3.13", architecture="arm64")


def asset(bench: Workbench, name: str, packaging: str, source: str, bundle: BundleEntry | None = None) -> AssetEntry:
    return AssetEntry(
        key=f"{bench.app}/{name}",
        bucket=BOOTSTRAP_BUCKET,
        packaging=packaging,
        source=source,
        bundle=bundle,  # type: ignore[arg-type]
    )


def stored(bench: Workbench, name: str) -> bytes:
    bucket = bootstrap_bucket("000000000000", bench.session.region)
    client = bench.session.s3._caller.client()
    return bytes(client.get_object(Bucket=bucket, Key=f"{bench.app}/{name}")["Body"].read())


def sent(bench: Workbench) -> list[str]:
    return [event.message for event in bench.events.of(StepFinished) if event.step == "bundle"]


def lay_out(assembly: Path) -> None:
    (assembly / "one.txt").write_text("one")
    folder = assembly / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "b.txt").write_text("b")
    (folder / "a.sh").write_text("a")
    (folder / "a.sh").chmod(0o755)


async def test_all_bundles_are_asked_for_at_once_so_that_they_can_be_made_together(bench: Workbench) -> None:
    together = asyncio.Barrier(30)

    async def build(entry: AssetEntry, destination: Path) -> None:
        async with asyncio.timeout(20):
            await together.wait()
        await asyncio.to_thread(destination.write_bytes, entry.key.encode())

    assets = [asset(bench, f"{number}.zip", "bundle", f"{number}.zip", BUNDLE) for number in range(30)]
    await bench.deploy({"A": template({"T": TOPIC})}, assets=assets, build=build)
    assert stored(bench, "29.zip") == f"{bench.app}/29.zip".encode()


async def test_files_folders_and_bundles_arrive_and_are_not_sent_or_built_again(bench: Workbench) -> None:
    lay_out(bench.assembly)
    built: list[str] = []

    async def build(entry: AssetEntry, destination: Path) -> None:
        built.append(entry.key)
        await asyncio.to_thread(destination.write_bytes, b"zip of " + entry.key.encode())

    assets = [
        asset(bench, "one.txt", "file", "one.txt"),
        asset(bench, "folder.zip", "zip", "folder"),
        asset(bench, "code.zip", "bundle", "code.zip", BUNDLE),
    ]
    await bench.deploy({"A": template({"T": TOPIC}), "B": template({"T": TOPIC})}, assets=assets, build=build)
    assert stored(bench, "one.txt") == b"one"
    assert stored(bench, "code.zip") == f"zip of {bench.app}/code.zip".encode()
    with zipfile.ZipFile(io.BytesIO(stored(bench, "folder.zip"))) as archive:
        assert [(entry.filename, entry.external_attr >> 16 & 0o777) for entry in archive.infolist()] == [
            ("a.sh", 0o755),
            ("deep/b.txt", 0o644),
        ]
    assert built == [f"{bench.app}/code.zip"]
    assert sent(bench) == ["3 files sent"]

    await bench.deploy({"A": template({"T": TOPIC, "U": TOPIC})}, assets=assets, build=build)
    assert built == [f"{bench.app}/code.zip"]
    assert sent(bench) == ["0 files sent"]


async def test_a_zip_of_a_folder_does_not_depend_on_times(bench: Workbench, tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        folder = bench.assembly / name
        folder.mkdir()
        for file in ("b", "a") if name == "first" else ("a", "b"):
            (folder / file).write_text(file)
        await bench.deploy({name: template({"T": TOPIC})}, assets=[asset(bench, f"{name}.zip", "zip", name)])
        contents.append(stored(bench, f"{name}.zip"))
    assert contents[0] == contents[1]


async def test_a_build_that_fails_stops_the_deploy_before_any_stack(bench: Workbench) -> None:
    async def build(entry: AssetEntry, destination: Path) -> None:
        raise SkykiteError("wheel-missing", "no wheel")

    with pytest.raises(SkykiteError) as raised:
        await bench.deploy(
            {"A": template({"T": TOPIC})}, assets=[asset(bench, "c.zip", "bundle", "c.zip", BUNDLE)], build=build
        )
    assert raised.value.code == "wheel-missing"
    assert await bench.stack("A") is None


async def test_a_file_the_assembly_lacks_is_named(bench: Workbench) -> None:
    with pytest.raises(SkykiteError) as raised:
        await bench.deploy({"A": template({"T": TOPIC})}, assets=[asset(bench, "gone", "file", "gone.txt")])
    assert raised.value.message == "the assembly lists `assembly/gone.txt`, which does not exist"


async def test_bootstrap_by_itself_is_done_once(bench: Workbench) -> None:
    deployer = bench.deployer()
    await deployer.bootstrap()
    again = bench.deployer()
    await again.bootstrap()
    assert bench.events.all == []


async def test_an_event_api_that_was_deleted_by_hand_is_made_anew_and_stays(bench: Workbench) -> None:
    old = await bench.deployer().event_api()
    client = bench.session.appsync._caller.client()
    client.delete_api(apiId=old.api_id)
    assert await bench.deployer().event_api(make_sure=False) == old
    new = await bench.deployer().event_api()
    assert new.api_id != old.api_id
    assert [one["apiId"] for one in client.list_apis()["apis"]] == [new.api_id]
    namespaces = client.list_channel_namespaces(apiId=new.api_id)["channelNamespaces"]
    assert {one["name"] for one in namespaces} == {"kite-requests", "kite-replies"}
    assert "event-api-deleted" in [event.notice for event in bench.events.all if isinstance(event, Notice)]
    bench.events.all.clear()
    assert await bench.deployer().event_api() == new
    assert bench.events.all == []
    client.delete_api(apiId=new.api_id)
    await bench.deployer().bootstrap()
    assert [one["apiId"] for one in client.list_apis()["apis"]] not in ([], [new.api_id])


async def test_nothing_is_sent_if_lambda_would_refuse_a_function(bench: Workbench) -> None:
    """Also what was ready long before the rest."""
    (bench.assembly / "layer").mkdir()
    (bench.assembly / "layer" / "font.ttf").write_text("")

    class Judging:
        async def build(self, entry: AssetEntry, destination: Path) -> None:
            await asyncio.to_thread(destination.write_bytes, b"zip")

        async def check(self, manifest: Manifest, assembly: Path) -> None:
            assert (assembly / "code.zip").is_file()
            raise SkykiteError("bundle-too-large", "too large")

    assets = [asset(bench, "layer.zip", "zip", "layer"), asset(bench, "code.zip", "bundle", "code.zip", BUNDLE)]
    manifest = bench.manifest({"A": template({"T": TOPIC})}, assets=assets)
    with pytest.raises(SkykiteError) as raised:
        await bench.deployer().deploy(manifest, bench.assembly, bundles=Judging())
    assert raised.value.code == "bundle-too-large"
    head = bench.session.s3.head
    bucket = bootstrap_bucket("000000000000", bench.session.region)
    assert [await bench.session.run(head, bucket, one.key) for one in assets] == [None, None]
    assert await bench.stack("A") is None
