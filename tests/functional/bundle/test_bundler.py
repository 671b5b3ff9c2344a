"""Bundles, with the real uv and wheels made by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kit.bundles import Architecture
from kit.bundles import BundleBench as Bench
from kit.wheels import make_wheel
from skykite.bundle import bundler
from skykite.bundle.zips import write_zip
from skykite.errors import SkykiteError
from skykite.model.events import StepProgress
from skykite.model.manifest import AssetEntry, CopiedFile
from skykite.model.source import copied_sources


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_function_without_packages_is_its_code_and_the_runtime_support(bench: Bench) -> None:
    archive = await bench.build()
    names = archive.namelist()
    assert {"functions/hello.py", "skykite_lambda/__init__.py", "skykite_lambda/resource.py"} <= set(names)
    assert names == sorted(names)
    assert all(entry.date_time == (1980, 1, 1, 0, 0, 0) for entry in archive.infolist())
    assert bench.events.of(StepProgress) == []


async def test_the_zip_is_the_same_to_the_byte_elsewhere_and_later(bench: Bench, tmp_path: Path) -> None:
    make_wheel(bench.wheels, "parcel", "1.0", script=True)
    bench.write("requirements.txt", "parcel\n")
    await bench.build()

    other = Bench(tmp_path / "elsewhere")
    other.environment["UV_FIND_LINKS"] = str(bench.wheels)
    other.write("requirements.txt", "parcel\n")
    for file in other.project.rglob("*"):
        os.utime(file, (1, 1))
    await other.build()
    assert bench.zip.read_bytes() == other.zip.read_bytes()


@pytest.mark.parametrize(
    ("runtime", "architecture", "tag"),
    [
        ("python3.13", "arm64", "cp313-cp313-manylinux_2_28_aarch64"),
        ("python3.12", "x86_64", "cp312-cp312-manylinux_2_34_x86_64"),
        ("python3.9", "x86_64", "cp39-cp39-manylinux2014_x86_64"),
    ],
)
async def test_packages_are_those_for_the_functions_machine_not_ours(
    bench: Bench, runtime: str, architecture: Architecture, tag: str
) -> None:
    for other in (
        tag,
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-win_amd64",
        "cp313-cp313-manylinux_2_17_armv7l",
    ):
        make_wheel(bench.wheels, "binary", "1.0", tag=other)
    bench.write("requirements.txt", "binary==1.0\n")
    archive = await bench.build(bench.asset(runtime=runtime, architecture=architecture))
    assert archive.read("binary.py").decode() == f"TAG = {tag!r}\n"


async def test_what_uv_notes_about_this_machine_stays_out(bench: Bench) -> None:
    make_wheel(bench.wheels, "parcel", "1.0", script=True)
    bench.write("requirements.txt", "parcel\n")
    assert await bench.users_files() == [
        "functions/hello.py",
        "parcel-1.0.dist-info/METADATA",
        "parcel-1.0.dist-info/WHEEL",
        "parcel-1.0.dist-info/entry_points.txt",
        "parcel.py",
        "requirements.txt",
    ]


async def test_skykite_itself_and_what_only_it_needs_stay_out(bench: Bench) -> None:
    make_wheel(bench.wheels, "skykite", "0.1.0", requires=("enormous",))
    make_wheel(bench.wheels, "enormous", "1.0")
    make_wheel(bench.wheels, "parcel", "1.0")
    bench.write("pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = ["skykite>=0.1", "parcel"]\n')
    names = await bench.users_files()
    assert "parcel.py" in names
    assert not [name for name in names if name.startswith(("skykite", "enormous"))]


async def test_a_lock_is_followed_to_the_letter_but_for_skykite(bench: Bench) -> None:
    make_wheel(bench.wheels, "parcel", "1.0")
    make_wheel(bench.wheels, "skykite", "0.1.0", requires=("enormous",))
    make_wheel(bench.wheels, "enormous", "1.0")
    bench.write(
        "pyproject.toml",
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["parcel", "skykite"]\n',
    )
    await bench.lock()
    make_wheel(bench.wheels, "parcel", "2.0")
    names = await bench.users_files()
    assert "parcel-1.0.dist-info/METADATA" in names
    assert not [name for name in names if name.startswith(("skykite", "enormous"))]


async def test_the_users_file_wins_over_a_packages(bench: Bench) -> None:
    make_wheel(bench.wheels, "parcel", "1.0")
    bench.write("requirements.txt", "parcel\n")
    bench.write("parcel.py", "MINE = True\n")
    assert (await bench.build()).read("parcel.py") == b"MINE = True\n"


async def test_nothing_is_built_twice(bench: Bench) -> None:
    make_wheel(bench.wheels, "parcel", "1.0")
    bench.write("requirements.txt", "parcel\n")
    await bench.build()
    assert [event.message for event in bench.events.of(StepProgress)] == [
        "installing the packages of requirements.txt for aarch64-manylinux_2_34"
    ]
    bench.environment["PATH"] = bench.environment["UV_FIND_LINKS"] = "/nowhere"
    await bench.build()
    bench.write("functions/hello.py", "def handler(event, context): return 1\n")
    assert b"return 1" in (await bench.build()).read("functions/hello.py")
    assert bench.events.of(StepProgress) == []


async def test_a_change_of_an_included_file_counts(bench: Bench) -> None:
    make_wheel(bench.wheels, "parcel", "1.0")
    make_wheel(bench.wheels, "parcel", "2.0")
    bench.write("requirements.txt", "-r base.txt\n")
    bench.write("base.txt", "parcel==1.0\n")
    assert "parcel-1.0.dist-info/METADATA" in await bench.users_files()
    bench.write("base.txt", "parcel==2.0\n")
    assert "parcel-2.0.dist-info/METADATA" in await bench.users_files()


@pytest.mark.parametrize("versions", [["1.0"], ["1.0", "2.0", "3.0"]], ids=["one version", "several"])
async def test_a_package_without_a_fitting_wheel_is_named(bench: Bench, versions: list[str]) -> None:
    for version in versions:
        make_wheel(bench.wheels, "binary", version, tag="cp313-cp313-win_amd64")
    bench.write("requirements.txt", "binary\n")
    with pytest.raises(SkykiteError) as raised:
        await bench.build()
    assert (raised.value.code, raised.value.message, raised.value.hint) == (
        "wheel-missing",
        "`binary`, which `requirements.txt` asks for, has no wheel for Python 3.13 on aarch64-manylinux_2_34",
        (
            "choose a version that has one, or another `runtime` or `architecture` for the function; or build the "
            "wheel on such a machine and name its file or your own index in the requirements. Lambda cannot compile "
            "packages"
        ),
    )
    assert "binary" in (raised.value.context or "")


async def test_code_that_changed_since_synth_is_not_deployed_under_its_old_name(bench: Bench) -> None:
    asset = bench.asset()
    bench.write("functions/hello.py", "changed = True\n")
    with pytest.raises(SkykiteError) as raised:
        await bench.build(asset)
    assert (raised.value.code, raised.value.hint) == (
        "source-changed",
        "deploy again; `functions/hello.py` was saved last: if it is no code, leave it out with `exclude`",
    )
    assert list((bench.root / "cache" / "bundles").iterdir()) == []


@pytest.mark.parametrize("name", ["functions/hello.py", "functions/ghost.py"], ids=["other text", "another file"])
async def test_what_was_otherwise_for_a_moment_is_not_deployed_under_the_name_of_what_is_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asset = bench.asset()
    file = bench.project / name
    before = file.read_bytes() if file.exists() else None
    listed = bundler.bundle_files

    def haunted(*given: Any) -> Any:
        file.write_text("ghost = True\n")
        return listed(*given)

    def written(*given: Any) -> Any:
        digests = write_zip(*given)
        file.unlink()
        if before is not None:
            file.write_bytes(before)
        return digests

    monkeypatch.setattr(bundler, "bundle_files", haunted)
    monkeypatch.setattr(bundler, "write_zip", written)
    with pytest.raises(SkykiteError) as raised:
        await bench.build(asset)
    assert raised.value.code == "source-changed"
    monkeypatch.undo()
    assert b"ghost" not in b"".join(map((archive := await bench.build(asset)).read, archive.namelist()))


async def test_what_lambda_would_refuse_for_its_size_is_refused_here(bench: Bench) -> None:
    big = bench.project / "data" / "big.bin"
    big.parent.mkdir()
    with big.open("wb") as stream:
        stream.truncate(251 * 1024 * 1024)
    with pytest.raises(SkykiteError) as raised:
        await bench.build()
    assert raised.value.code == "bundle-too-large"
    assert raised.value.message == "the code of `.` with its packages has 251 MB unpacked; Lambda takes 250 MB"
    assert (raised.value.context or "").splitlines()[0] == " 251 MB data"


async def test_copied_files_are_where_they_are_to_be_and_name_the_zip(bench: Bench) -> None:
    bench.write("services/orders/requirements.txt", "")
    bench.write("services/orders/main.py", "")
    bench.write("shared/words/a.txt", "a")
    bench.write("shared/words/.hidden", "")
    bench.write("shared/.env.example", "B=1")
    copied = (
        CopiedFile(source="shared/words", to="data/words"),
        CopiedFile(source="shared/.env.example", to="example.env"),
    )

    def asset() -> AssetEntry:
        return bench.asset(root="services/orders", copied=copied)

    first = asset()
    assert await bench.users_files(first) == ["data/words/a.txt", "example.env", "main.py", "requirements.txt"]
    bench.write("shared/words/a.txt", "b")
    assert asset().key != first.key, "a changed file is not deployed"
    assert (await bench.build(asset())).read("data/words/a.txt") == b"b"
    assert [file.path for file in copied_sources((CopiedFile(source="shared/words", to=""),), bench.project)] == [
        "a.txt"
    ]


async def test_hooks_have_the_last_word_on_the_zip_and_say_why_they_failed(bench: Bench) -> None:
    bench.write("big.txt", "x")
    hooks = ("rm big.txt", 'basename "$KITE_PROJECT" > made.txt')
    asset = bench.asset(after_build=hooks)
    assert asset.key != bench.asset().key
    archive = await bench.build(asset)
    assert "big.txt" not in archive.namelist()
    assert archive.read("made.txt") == b"project\n"
    assert (bench.project / "big.txt").exists(), "the project's own file is gone"

    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.asset(after_build=("echo so sorry; exit 7",)))
    assert (raised.value.code, raised.value.context) == ("hook-failed", "so sorry")
    assert raised.value.message == "the hook `echo so sorry; exit 7`, run after the build, ended with status 7"
    assert await bench.users_files() == ["big.txt", "functions/hello.py"]
