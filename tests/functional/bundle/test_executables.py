"""Executables built by real commands, for this machine and for Lambda, and what Lambda cannot start."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kit.runtime import RecordedEvents, eventually, function_config, is_running
from skykite.bundle import Bundler, ExecutableBuilds
from skykite.errors import SkykiteError
from skykite.model.built import BuildError
from skykite.model.executable import ExecutableBuild
from skykite.model.invocation import FunctionConfig, Handler
from skykite.model.manifest import AssetEntry, BundleEntry, CopiedFile
from skykite.model.naming import bundle_hash

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are a shell's")

X86 = b"\x7fELF\x02\x01\x01" + b"\0" * 11 + (0x3E).to_bytes(2, "little") + b"\0" * 100
ARM = b"\x7fELF\x02\x01\x01" + b"\0" * 11 + (0xB7).to_bytes(2, "little") + b"\0" * 100
COPYING = ExecutableBuild(
    command="echo built >> ../log; mkdir -p out && cp main.sh out/app && chmod +x out/app", output="out/app"
)


@dataclass
class Project:
    root: Path

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def builds(self) -> ExecutableBuilds:
        return ExecutableBuilds(
            cache=self.root / ".kite" / "cache", environment=dict(os.environ), events=RecordedEvents()
        )

    def config(self, folder: str, build: ExecutableBuild) -> FunctionConfig:
        return replace(
            function_config(self.root, "a.b"),
            import_root=self.root / folder,
            handler=Handler(path=folder, function="bootstrap"),
            kind="executable",
            executable=build,
        )

    async def bundle(self, folder: str, build: ExecutableBuild | None = None, **more: object) -> zipfile.ZipFile:
        bundle = BundleEntry(
            import_root=folder,
            runtime="provided.al2023",
            architecture="x86_64",
            kind="executable",
            executable=build or ExecutableBuild(),
        )
        bundle = replace(bundle, **more)  # type: ignore[arg-type]
        digest = await asyncio.to_thread(bundle_hash, self.root, bundle)
        asset = AssetEntry(key=f"{digest}.zip", bucket="b", packaging="bundle", source=f"{digest}.zip", bundle=bundle)
        bundler = Bundler(
            project_root=self.root,
            cache=self.root / ".kite" / hashlib.sha256(repr(more).encode()).hexdigest()[:8],
            environment=dict(os.environ),
            events=RecordedEvents(),
        )
        place = self.root / ".kite" / asset.source
        await bundler.build(asset, place)
        return zipfile.ZipFile(place)

    def runs(self) -> int:
        return len((self.root / "log").read_text().splitlines()) if (self.root / "log").exists() else 0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("app/main.sh", "#!/bin/sh\necho one\n")
    return found


async def test_a_command_is_run_once_for_the_same_sources(project: Project) -> None:
    builds, config = project.builds(), project.config("app", COPYING)
    first = await builds.build(config)
    assert (first.folder / first.file).read_text() == "#!/bin/sh\necho one\n"
    assert os.access(first.folder / first.file, os.X_OK)
    assert (await builds.build(config)).folder == first.folder
    assert project.runs() == 1


async def test_a_saved_source_is_built_and_what_ran_before_stays(project: Project) -> None:
    builds, config = project.builds(), project.config("app", COPYING)
    first = await builds.build(config)
    project.write("app/main.sh", "#!/bin/sh\necho two\n")
    second = await builds.build(config)
    assert (second.folder / second.file).read_text() == "#!/bin/sh\necho two\n"
    assert (first.folder / first.file).read_text() == "#!/bin/sh\necho one\n"
    project.write("app/new.txt", "new")
    await builds.build(config)
    (project.root / "app/new.txt").unlink()
    await builds.build(config)
    assert project.runs() == 4


async def test_files_that_are_no_sources_build_nothing(project: Project) -> None:
    project.write("app/target/CACHEDIR.TAG", "")
    builds, config = project.builds(), project.config("app", replace(COPYING, exclude=("*.log",)))
    await builds.build(config)
    project.write("app/target/debug/x", "1")
    project.write("app/.main.sh.swp", "1")
    project.write("app/some.log", "1")
    built = await builds.build(config)
    assert project.runs() == 1
    assert [Path(one.path).name for one in built.inputs.files] == ["main.sh"]


async def test_what_a_build_leaves_beside_its_sources_makes_it_no_staler(project: Project) -> None:
    built = await project.builds().build(project.config("app", COPYING))
    (folder,) = [one for one in built.inputs.folders if one.path == str(project.root / "app")]
    assert folder.names is not None
    assert "out" in folder.names


async def test_a_build_that_fails_says_what_it_said_and_is_not_tried_again(project: Project) -> None:
    build = ExecutableBuild(command="echo run >> ../log; echo 'main.c:3: expected ;' >&2; exit 3")
    builds, config = project.builds(), project.config("app", build)
    for _ in range(2):
        with pytest.raises(BuildError) as failed:
            await builds.build(config)
        assert failed.value.code == "build-failed"
        assert failed.value.message.endswith("ended with status 3")
        assert failed.value.context == "main.c:3: expected ;"
        assert str(project.root / "app/main.sh") in {one.path for one in failed.value.inputs.files}
    assert project.runs() == 1


async def test_a_build_that_leaves_nothing_names_what_was_looked_for(project: Project) -> None:
    with pytest.raises(BuildError, match=r"left no `bin/app`") as failed:
        await project.builds().build(project.config("app", ExecutableBuild(command="true", output="bin/app")))
    assert failed.value.code == "build-output"


async def test_a_build_that_nobody_waits_for_is_ended(project: Project) -> None:
    build = ExecutableBuild(command="echo $$ > pid; sleep 300; true")
    building = asyncio.create_task(project.builds().build(project.config("app", build)))
    place = project.root / "app/pid"
    pid = int(await eventually(lambda: place.exists() and place.read_text().strip()))
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await eventually(lambda: not is_running(pid))


async def test_a_command_of_ones_own_machine_goes_before(project: Project) -> None:
    told = "printf '#!/bin/sh\\n# %s %s' $KITE_SYSTEM $GOARCH > {0}; chmod +x {0}"
    build = ExecutableBuild(
        command=told.format("bootstrap"), local_command=told.format("here"), local_output="here", output="bootstrap"
    )
    built = await project.builds().build(project.config("app", build))
    assert (built.folder / built.file).read_text().startswith("#!/bin/sh\n# ")
    assert (project.root / "app/here").exists()
    assert not (project.root / "app/bootstrap").exists()
    with await project.bundle("app", build, architecture="x86_64") as archive:
        assert archive.read("bootstrap") == b"#!/bin/sh\n# linux amd64"


async def test_missing_toolchains_are_named_with_where_to_get_them(project: Project) -> None:
    builds = ExecutableBuilds(cache=project.root / "c", environment={"PATH": "/nowhere"}, events=RecordedEvents())
    for preset, program in (("go", "go"), ("rust", "cargo")):
        with pytest.raises(SkykiteError) as missing:
            await builds.build(project.config("app", ExecutableBuild(preset=preset)))  # type: ignore[arg-type]
        assert missing.value.code == "toolchain-missing"
        assert f"`{program}`" in missing.value.message
        assert "https://" in (missing.value.hint or "")


async def test_a_zip_holds_what_was_made_and_copied_and_is_the_same_again(project: Project) -> None:
    project.write("words.txt", "words")
    build = replace(COPYING, output="out/app")
    copied = (CopiedFile(source="words.txt", to="data/words.txt"),)
    with await project.bundle("app", build, copied=copied) as archive:
        assert archive.namelist() == ["bootstrap", "data/words.txt"]
        assert archive.getinfo("bootstrap").external_attr >> 16 & 0o111
        first = _zip_of(archive)
    shutil.rmtree(project.root / ".kite")
    with await project.bundle("app", build, copied=copied) as archive:
        assert _zip_of(archive) == first


async def test_a_folder_that_is_ready_is_zipped_as_it_is(project: Project) -> None:
    project.write("ready/bootstrap", X86, 0o755)
    project.write("ready/data.json", "{}")
    with await project.bundle("ready") as archive:
        assert archive.namelist() == ["bootstrap", "data.json"]


@pytest.mark.parametrize(
    ("content", "mode", "code", "message"),
    [
        (X86, 0o644, "bootstrap-mode", "`bad/bootstrap` is not executable"),
        (ARM, 0o755, "bootstrap-architecture", "is built for arm64, and the function's architecture is x86_64"),
        (b"\xcf\xfa\xed\xfe" + b"\0" * 60, 0o755, "bootstrap-format", "is built for macOS; Lambda runs Linux"),
        (b"MZ" + b"\0" * 60, 0o755, "bootstrap-format", "is built for Windows; Lambda runs Linux"),
        (b"echo hello\n", 0o755, "bootstrap-format", "neither a Linux executable nor a script that begins with `#!`"),
        (b"", 0o755, "bootstrap-format", "neither a Linux executable"),
        (b"#!/bin/sh\r\necho\r\n", 0o755, "bootstrap-format", "has Windows line ends"),
        (X86 + b"\0GLIBC_2.2.5\0GLIBC_2.38\0", 0o755, "bootstrap-libc", "needs glibc 2.38; `provided.al2023` has 2.34"),
        (X86 + b"/lib/ld-musl-x86_64.so.1\0", 0o755, "bootstrap-libc", "needs musl's loader"),
    ],
)
async def test_what_lambda_cannot_start_is_refused_before_it_is_sent(
    project: Project, content: bytes, mode: int, code: str, message: str
) -> None:
    project.write("bad/bootstrap", content, mode)
    with pytest.raises(SkykiteError) as refused:
        await project.bundle("bad")
    assert refused.value.code == code
    assert message in refused.value.message


async def test_what_runs_on_al2023_is_let_through(project: Project) -> None:
    project.write("good/bootstrap", X86 + b"\0GLIBC_2.2.5\0GLIBC_2.34\0", 0o755)
    (await project.bundle("good")).close()
    project.write("script/bootstrap", "#!/bin/sh\necho\n", 0o755)
    (await project.bundle("script")).close()


async def test_a_zip_without_bootstrap_is_refused(project: Project) -> None:
    with pytest.raises(SkykiteError) as refused:
        await project.bundle("app")
    assert refused.value.code == "bootstrap-missing"


async def test_a_key_changes_with_sources_inputs_and_commands(project: Project) -> None:
    project.write("shared/lib.sh", "1")
    bundle = BundleEntry(
        import_root="app",
        runtime="provided.al2023",
        architecture="x86_64",
        kind="executable",
        executable=replace(COPYING, inputs=("shared",)),
    )
    keys = [bundle_hash(project.root, bundle)]
    project.write("shared/lib.sh", "2")
    keys.append(bundle_hash(project.root, bundle))
    project.write("app/main.sh", "2")
    keys.append(bundle_hash(project.root, bundle))
    keys.append(bundle_hash(project.root, replace(bundle, architecture="arm64")))
    keys.append(bundle_hash(project.root, replace(bundle, executable=replace(COPYING, command="make"))))
    assert len(set(keys)) == 5
    before = bundle_hash(project.root, bundle)
    project.write("app/out/app", "made")
    assert bundle_hash(project.root, bundle) == before


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no Rust here")
async def test_rust_is_found_by_its_cargo_toml_and_built(project: Project) -> None:
    project.write("rusty/Cargo.toml", '[package]\nname = "rusty"\nversion = "0.1.0"\nedition = "2021"\n')
    project.write("rusty/src/main.rs", "fn main() {}\n")
    config = project.config("rusty", ExecutableBuild(preset="rust"))
    builds = project.builds()
    built = await builds.build(config)
    assert os.access(built.folder / built.file, os.X_OK)
    project.write("rusty/src/main.rs", 'fn main() { let x: u32 = "a"; }\n')
    with pytest.raises(BuildError) as failed:
        await builds.build(config)
    assert "mismatched types" in (failed.value.context or "")
    assert '{"reason"' not in (failed.value.context or "")


def _zip_of(archive: zipfile.ZipFile) -> bytes:
    return Path(str(archive.filename)).read_bytes()
