"""Bundles of TypeScript and JavaScript, with the real esbuild, npm and Node."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from kit.cloud import RecordedEvents
from skykite.bundle import Bundler, EsbuildTool, NodeBuilds, NodeBundles
from skykite.errors import SkykiteError
from skykite.model.built import BuildError
from skykite.model.events import Notice
from skykite.model.invocation import FunctionConfig, parse_handler
from skykite.model.locations import cache_directory
from skykite.model.manifest import AssetEntry, BundleEntry, CopiedFile
from skykite.model.names import FunctionId
from skykite.model.naming import bundle_hash
from skykite.model.node_build import NodeBuild
from skykite.synth.node import find_node

HANDLER = """\
import { name } from "./lib/name";

export async function main(): Promise<string> {
  return `I am ${name}`;
}
"""


class NodeBench:
    """A project, and what bundles it."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.project = root, root / "project"
        self.events = RecordedEvents()
        self.environment = dict(os.environ)
        self.tool = EsbuildTool(
            node=find_node(os.environ), cache=cache, environment=self.environment, events=self.events
        )
        self.builds = NodeBuilds(self.tool, environment=self.environment)
        self.write("src/lambda.ts", HANDLER)
        self.write("src/lib/name.ts", 'export const name: string = "one";\n')
        self.write("package.json", '{"private": true, "type": "module"}\n')

    def write(self, path: str, text: str) -> Path:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def asset(
        self,
        entry: str = "src/lambda.ts",
        *,
        copied: tuple[CopiedFile, ...] = (),
        after_build: tuple[str, ...] = (),
        **options: Any,
    ) -> AssetEntry:
        bundle = BundleEntry(
            import_root=".",
            runtime="nodejs22.x",
            architecture="arm64",
            kind="node",
            copied=copied,
            after_build=after_build,
            node=NodeBuild(entry=entry, **options),
        )
        key = hashlib.sha256(bundle_hash(self.project, bundle).encode()).hexdigest()
        return AssetEntry(key=f"{key}.zip", bucket="b", packaging="bundle", source=f"{key}.zip", bundle=bundle)

    async def zips(self, *assets: AssetEntry) -> list[zipfile.ZipFile]:
        for error in await self.errors(*assets):
            if error is not None:
                raise error
        return [zipfile.ZipFile(self.root / asset.source) for asset in assets]

    async def errors(self, *assets: AssetEntry) -> list[BaseException | None]:
        """What each came to that was built together with the others."""
        nodes = NodeBundles(
            self.tool,
            node=find_node(os.environ),
            project_root=self.project,
            cache=self.root / "cache",
            environment=self.environment,
        )
        bundler = Bundler(
            project_root=self.project,
            cache=self.root / "cache",
            environment=self.environment,
            events=self.events,
            nodes=nodes,
        )
        builds = (bundler.build(asset, self.root / asset.source) for asset in assets)
        return await asyncio.gather(*builds, return_exceptions=True)

    def told(self, notice: str) -> list[str]:
        return [one.message for one in self.events.of(Notice) if one.notice == notice]

    def own_esbuild(self, script: str) -> None:
        """The project's, which is a script."""
        program = self.write("node_modules/" + platform_program(), f"#!/bin/sh\nset -e\n{script}\n")
        program.chmod(0o755)
        self.tool._found.clear()

    def bytes_of(self, archive: zipfile.ZipFile) -> bytes:
        assert archive.filename is not None
        return Path(archive.filename).read_bytes()

    def config(self, handler: str = "src/lambda.main", **options: Any) -> FunctionConfig:
        entry = options.pop("entry", "src/lambda.ts")
        return FunctionConfig(
            id=FunctionId("S/F"),
            name="f",
            arn="arn:aws:lambda:us-east-1:000000000000:function:f",
            handler=parse_handler(handler),
            import_root=self.project,
            project_root=self.project,
            runtime="nodejs22.x",
            memory_mb=128,
            timeout_s=3,
            environment={},
            region="us-east-1",
            kind="node",
            node=NodeBuild(entry=entry, **options),
        )


@pytest.fixture
def bench(tmp_path: Path) -> NodeBench:
    return NodeBench(tmp_path, cache_directory(os.environ))


def run(folder: Path, file: str, function: str = "main") -> str:
    script = f"const m = await import({json.dumps(str(folder / file))}); console.log(await m.{function}());"
    done = subprocess.run(
        [find_node(os.environ), "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def aged(file: Path) -> None:
    """Have it be so old that nobody takes it for one that is being written."""
    while time.time_ns() - file.stat().st_ctime_ns < 100_000_000:
        time.sleep(0)


def once(bench: NodeBench, program: Path, before: str, after: str) -> None:
    """The project's esbuild does this around its next run."""
    done = bench.root / "done"
    bench.own_esbuild(
        f'[ -e "{done}" ] && exec "{program}" "$@"\ntouch "{done}"\n{before}\n"{program}" "$@" || status=$?\n{after}\n'
        "exit ${status:-0}"
    )


async def test_a_bundle_runs_and_is_the_same_to_the_byte_wherever_it_is_made(bench: NodeBench, tmp_path: Path) -> None:
    [archive] = await bench.zips(bench.asset())
    assert archive.namelist() == ["src/lambda.mjs", "src/lambda.mjs.map"]
    archive.extractall(tmp_path / "out")
    assert run(tmp_path / "out", "src/lambda.mjs") == "I am one"
    assert str(tmp_path) not in archive.read("src/lambda.mjs.map").decode()

    other = NodeBench(tmp_path / "else [where]", cache_directory(os.environ))
    [again] = await other.zips(other.asset())
    assert other.bytes_of(again) == bench.bytes_of(archive)
    assert json.loads(archive.read("src/lambda.mjs.map"))["sources"] == ["lib/name.ts", "lambda.ts"]


async def test_a_zip_changes_with_what_it_imports_and_with_nothing_else(bench: NodeBench) -> None:
    bench.write("src/other.ts", "export async function main() {}\n")
    first, other = bench.asset().key, bench.asset("src/other.ts").key
    bench.write("src/lib/name.ts", 'export const name: string = "two";\n')
    assert bench.asset().key != first, "a change of an imported file is not deployed"
    assert bench.asset("src/other.ts").key == other, "a file that is not imported is deployed"
    assert bench.asset(minify=True).key != bench.asset().key


async def test_a_package_that_is_patched_anew_is_deployed(bench: NodeBench) -> None:
    bench.write("src/lambda.ts", 'import old from "old";\nexport const main = async () => old;\n')
    bench.write("package-lock.json", "{}")
    names = [bench.asset().key]
    for text in ("one", "two"):
        bench.write("patches/old+1.0.0.patch", text)
        names.append(bench.asset().key)
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    "line",
    [
        'import\n  {\n name }\n from\n "./deep/a";',
        'export * from "./deep/a.js";',
        'const a = require("./deep/a")',
        'const a = await import("./deep/a")',
        'import data from "./deep/a.json" with { type: "json" };',
        'import { a } from "./deep";',
        'import "./deep/a"',
        'import type { A } from "./deep/a";',
        'const a = await import(/* of "another" kind */ "./deep/a")',
        'import {} from // where it is\n "./deep/a"',
        'const a = await import("./deep/" + name + ".ts")',
    ],
)
async def test_every_form_of_import_is_followed(bench: NodeBench, line: str) -> None:
    for name in ("a.ts", "a.json", "index.ts"):
        bench.write(f"src/deep/{name}", "{}")
    bench.write("src/lambda.ts", f"{line}\nexport const main = async () => 1;\n")
    first = bench.asset().key
    for name in ("a.ts", "a.json", "index.ts"):
        bench.write(f"src/deep/{name}", "{ }")
    assert bench.asset().key != first


ELSEWHERE = {
    "behind a comment": 'const { name } = await import(/* webpackMode: "eager" */ "./lib/name");',
    "put together": 'const of = "name";\nconst { name } = await import("./lib/" + of + ".ts");',
    "by the package's own name": 'import { name } from "mine/name";',
    "by an alias out of the import root": 'import { name } from "@shared/name";',
    "from baseUrl, out of the import root": 'import { name } from "lib/name";',
    "put together, out of the import root": (
        'const of = "name";\nconst { name } = await import(`../../shared/${of}.ts`);'
    ),
}


@pytest.mark.parametrize("line", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_what_esbuild_finds_is_in_the_zip_and_in_its_name(bench: NodeBench, tmp_path: Path, line: str) -> None:
    bench.write("package.json", '{"name": "mine", "type": "module", "exports": {"./name": "./src/lib/name.ts"}}')
    for place in ("../shared/name.ts", "../base/lib/name.ts"):
        bench.write(place, 'export { name } from "./deeper";')
        bench.write(place.replace("name", "deeper"), 'export const name: string = "one";\n')
    if "import root" in next(label for label, one in ELSEWHERE.items() if one == line):
        shutil.rmtree(bench.project / "src/lib")
        options = '"baseUrl": "../base", /* and */ "paths": {"@shared/*": ["../shared/*",],}, // as editors write it'
        bench.write("tsconfig.json", f'{{"compilerOptions": {{{options}\n}}}}')
    bench.write("src/lambda.ts", f"{line}\nexport const main = async () => `I am ${{name}}`;\n")
    archives, said = [], []
    for text in ("one", "two"):
        for file in ("src/lib/name.ts", "../shared/deeper.ts", "../base/lib/deeper.ts"):
            if (bench.project / file).is_file():
                bench.write(file, f'export const name: string = "{text}";\n')
        archives += await bench.zips(bench.asset())
        archives[-1].extractall(tmp_path / text)
        said.append(run(tmp_path / text, "src/lambda.mjs"))
    assert said == ["I am one", "I am two"]
    assert archives[0].filename != archives[1].filename, "the edit is not deployed"


@pytest.mark.parametrize("loader", ["file", "copy"])
async def test_files_that_loaders_copy_are_in_the_zip_and_watched(
    bench: NodeBench, tmp_path: Path, loader: str
) -> None:
    suffix, text = {"file": (".txt", "one"), "copy": (".mjs", 'export default "one"')}[loader]
    read = {"file": 'readFile(new URL(words, import.meta.url), "utf8")', "copy": "words"}[loader]
    bench.write(
        "src/lambda.ts",
        f'import {{ readFile }} from "node:fs/promises";\nimport words from "./lib/words{suffix}";\n'
        f"export const main = async () => {read};\n",
    )
    bench.write(f"src/lib/words{suffix}", text)
    options: dict[str, Any] = {"loader": ((suffix, loader),)}
    [archive] = await bench.zips(bench.asset(**options))
    archive.extractall(tmp_path / "out")
    assert run(tmp_path / "out", "src/lambda.mjs") == "one"
    assert len(archive.namelist()) == 3
    await bench.builds.build(bench.config(**options))
    bench.write(f"src/lib/words{suffix}", text.replace("one", "two"))
    built = await bench.builds.build(bench.config(**options))
    assert run(built.folder, built.file) == "two"


async def test_fifty_functions_are_bundled_by_one_run_of_esbuild(bench: NodeBench) -> None:
    entries = [f"src/f{number}.ts" for number in range(50)]
    for number, entry in enumerate(entries):
        bench.write(entry, HANDLER.replace("I am", f"I am {number},"))
    counted = bench.root / "runs"
    program = await bench.tool.find(bench.project)
    counting = bench.write("node_modules/" + platform_program(), f'#!/bin/sh\necho >> {counted}\nexec {program} "$@"\n')
    counting.chmod(0o755)
    bench.tool._found.clear()
    aged(bench.project / entries[-1])
    archives = await bench.zips(*map(bench.asset, entries))
    assert len(archives) == 50
    assert b"I am 49," in archives[49].read("src/f49.mjs")
    assert len(counted.read_text().splitlines()) == 1


def platform_program() -> str:
    from skykite.bundle.esbuild_tool import _PROGRAM, platform_package

    return f"{platform_package()}/{_PROGRAM}"


async def test_the_projects_own_esbuild_is_taken(bench: NodeBench) -> None:
    own = await bench.tool.find(bench.project)
    mine = bench.project / "node_modules" / platform_program()
    mine.parent.mkdir(parents=True)
    shutil.copyfile(own, mine)
    mine.chmod(0o755)
    bench.tool._found.clear()
    assert await bench.tool.find(bench.project) == mine


async def test_commonjs_inside_and_outside_works(bench: NodeBench, tmp_path: Path) -> None:
    bench.write(
        "node_modules/old/index.js", 'exports.dir = () => typeof require("fs").readFileSync + typeof __dirname;\n'
    )
    bench.write("node_modules/old/package.json", '{"name": "old", "version": "1.0.0"}')
    bench.write("package.json", '{"dependencies": {"old": "1"}}')
    bench.write(
        "src/lambda.ts",
        'import { createRequire } from "node:module";\nimport old from "old";\nconst require = createRequire("/");\n'
        'export const main = async () => old.dir() + typeof require("fs");\n',
    )
    [archive] = await bench.zips(bench.asset())
    archive.extractall(tmp_path / "out")
    assert run(tmp_path / "out", "src/lambda.mjs") == "functionstringobject"
    bench.write("src/lambda.cjs", 'exports.main = async () => require("./lib/name").name;\n')
    [archive] = await bench.zips(bench.asset("src/lambda.cjs", format="cjs"))
    archive.extractall(tmp_path / "out")
    assert run(tmp_path / "out", "src/lambda.cjs", "default.main") == "one"


async def test_the_sdk_that_the_runtime_has_stays_out(bench: NodeBench) -> None:
    bench.write("src/lambda.ts", 'import { S3 } from "@aws-sdk/client-s3";\nexport const main = () => new S3({});\n')
    [archive] = await bench.zips(bench.asset())
    assert b'from "@aws-sdk/client-s3"' in archive.read("src/lambda.mjs")


async def test_copied_files_are_beside_the_bundle(bench: NodeBench) -> None:
    bench.write("words.txt", "a")
    [archive] = await bench.zips(bench.asset(copied=(CopiedFile(source="words.txt", to="data/words.txt"),)))
    assert archive.read("data/words.txt") == b"a"


@pytest.mark.parametrize(
    ("lock", "command"),
    [("package-lock.json", "npm install"), ("pnpm-lock.yaml", "pnpm install"), (None, "npm install")],
)
async def test_packages_that_are_not_installed_are_named_with_the_command(
    bench: NodeBench, lock: str | None, command: str
) -> None:
    bench.write("package.json", '{"dependencies": {"left-pad": "1"}}')
    if lock:
        bench.write(lock, "{}")
    with pytest.raises(SkykiteError) as raised:
        await bench.zips(bench.asset())
    assert (raised.value.code, raised.value.hint) == ("packages-not-installed", f"run `{command}` there")
    assert "`left-pad`" in raised.value.message


async def test_npm_that_reaches_nobody_leaves_nothing_half_made(bench: NodeBench, tmp_path: Path) -> None:
    environment = {**os.environ, "npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}
    environment["npm_config_cache"] = str(tmp_path / "npm")
    tool = EsbuildTool(
        node=find_node(os.environ), cache=tmp_path / "cache", environment=environment, events=bench.events
    )
    with pytest.raises(SkykiteError) as raised:
        await tool.find(bench.project)
    assert raised.value.code == "registry-unreachable"
    assert raised.value.message.startswith("esbuild ")
    assert list((tmp_path / "cache" / "esbuild").iterdir()) == []


async def test_what_is_saved_after_the_stacks_were_read_is_not_deployed_under_their_name(bench: NodeBench) -> None:
    asset = bench.asset()
    bench.write("src/lib/name.ts", 'export const name: string = "two";\n')
    with pytest.raises(SkykiteError) as raised:
        await bench.zips(asset)
    assert raised.value.code == "source-changed"
    assert await bench.zips(bench.asset())


async def test_what_is_saved_while_esbuild_runs_is_not_deployed_under_the_name_of_what_was(bench: NodeBench) -> None:
    esbuild = await bench.tool.find(bench.project)
    bench.own_esbuild(f'"{esbuild}" "$@"\nprintf "// saved" >> src/lib/name.ts')
    with pytest.raises(SkykiteError) as raised:
        await bench.zips(bench.asset())
    assert raised.value.code == "source-changed"


async def test_a_file_that_appears_while_esbuild_runs_counts_for_the_name(bench: NodeBench) -> None:
    esbuild = await bench.tool.find(bench.project)
    bench.own_esbuild(f'"{esbuild}" "$@"\nprintf "export const name = 1" > src/lib/name.tsx')
    with pytest.raises(SkykiteError) as raised:
        await bench.zips(bench.asset())
    assert raised.value.code == "source-changed"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mv src/lib/name.ts away; printf 'export const name = 0;' > src/lib/name.ts", "mv away src/lib/name.ts"),
        (
            "cp -p src/lib/name.ts away; printf 'export const name = 0;' > src/lib/name.ts",
            "cp -p away src/lib/name.ts; rm away",
        ),
    ],
    ids=["moved back", "written back"],
)
async def test_what_was_otherwise_for_a_moment_while_esbuild_ran_is_not_deployed(
    bench: NodeBench, before: str, after: str
) -> None:
    aged(bench.project / "src" / "lib" / "name.ts")
    once(bench, await bench.tool.find(bench.project), before, after)
    asset = bench.asset()
    (found,) = await bench.zips(asset)
    assert b'"one"' in found.read("src/lambda.mjs")


async def test_one_function_that_cannot_be_built_leaves_the_others_theirs(bench: NodeBench) -> None:
    bench.write("src/other.ts", "export async function main() { return 'other'; }\n")
    changed = bench.asset()
    bench.write("src/lib/name.ts", 'export const name: string = "two";\n')
    other = bench.asset("src/other.ts")
    error, none = await bench.errors(changed, other)
    assert isinstance(error, SkykiteError)
    assert (error.code, none) == ("source-changed", None)
    assert zipfile.ZipFile(bench.root / other.source).namelist() == ["src/other.mjs", "src/other.mjs.map"]
    assert not [path for path in (bench.root / "cache" / "bundles").iterdir() if path.name.startswith(".making")]


@pytest.mark.parametrize("name", ["[id]", "a b", "größe", "100%25", "a#b", "q+r&s", "t'u(v)!", "x,y;z@2$"])
async def test_bundle_and_map_are_what_esbuild_puts_side_by_side(bench: NodeBench, name: str) -> None:
    bench.write(f"src/{name}.ts", HANDLER)
    [archive] = await bench.zips(bench.asset(f"src/{name}.ts"))
    built = await bench.builds.build(bench.config("src/lambda.main", entry=f"src/{name}.ts"))
    assert archive.read(f"src/{name}.mjs") == (built.folder / built.file).read_bytes()
    ours = json.loads(archive.read(f"src/{name}.mjs.map"))
    theirs = json.loads((built.folder / f"{built.file}.map").read_bytes())
    assert [one.rpartition("/")[2] for one in ours["sources"]] == [Path(one).name for one in theirs["sources"]]
    assert [unquote(one) for one in ours["sources"]] == ["lib/name.ts", f"{name}.ts"]
    assert ours | {"sources": theirs["sources"]} == theirs


async def test_hooks_find_bundle_and_map_as_they_go_into_the_zip(bench: NodeBench) -> None:
    hook = "cp src/lambda.mjs seen.mjs && cp src/lambda.mjs.map seen.map"
    [archive] = await bench.zips(bench.asset(after_build=(hook,)))
    assert archive.read("seen.mjs") == archive.read("src/lambda.mjs")
    assert archive.read("seen.mjs").endswith(b"//# sourceMappingURL=lambda.mjs.map\n")
    assert json.loads(archive.read("seen.map"))["sources"] == ["lib/name.ts", "lambda.ts"]


@pytest.mark.slow
async def test_compiled_packages_are_installed_for_the_functions_machine(bench: NodeBench) -> None:
    bench.write("package.json", '{"dependencies": {"@node-rs/crc32": "1.10.6"}}')
    bench.write("node_modules/@node-rs/crc32/package.json", '{"name": "@node-rs/crc32", "version": "1.10.6"}')
    bench.write(
        "src/lambda.ts", 'import { crc32 } from "@node-rs/crc32";\nexport const main = async () => crc32("a");\n'
    )
    [archive] = await bench.zips(bench.asset(install=("@node-rs/crc32",)))
    compiled = [name for name in archive.namelist() if name.endswith(".node")]
    assert compiled == ["node_modules/@node-rs/crc32-linux-arm64-gnu/crc32.linux-arm64-gnu.node"]
    assert b'from "@node-rs/crc32"' in archive.read("src/lambda.mjs")


# For workers on this machine


async def test_a_build_is_made_again_when_a_file_of_it_changed_and_only_then(bench: NodeBench) -> None:
    config = bench.config()
    first = await bench.builds.build(config)
    assert run(first.folder, first.file) == "I am one"
    assert (await bench.builds.build(config)) is first
    bench.write("src/lib/name.ts", 'export const name: string = "two";\n')
    second = await bench.builds.build(config)
    assert run(second.folder, second.file) == "I am two"
    assert first.folder.exists(), "a worker may still run the one before"
    bench.write("src/lib/name.tsx", "")
    assert (await bench.builds.build(config)) is not second, "a file beside could be the one that is imported"


async def test_a_constant_of_which_only_its_value_is_in_the_bundle_is_watched(bench: NodeBench) -> None:
    bench.write("src/lib/name.ts", 'export enum Name { Mine = "one" }\n')
    bench.write("src/lib/index.ts", 'export * from "./name";\n')
    bench.write("src/lambda.ts", 'import { Name } from "./lib";\nexport const main = async () => Name.Mine;\n')
    first = await bench.builds.build(bench.config())
    assert run(first.folder, first.file) == "one"
    bench.write("src/lib/name.ts", 'export enum Name { Mine = "two" }\n')
    second = await bench.builds.build(bench.config())
    assert run(second.folder, second.file) == "two"


@pytest.mark.parametrize("form", ["`./lib/${of}.ts`", '"./lib/" + of + ".ts"'])
async def test_a_file_that_comes_to_where_names_are_put_together_is_in_the_next_build(
    bench: NodeBench, form: str
) -> None:
    main = f'const of = "deep/new";\nexport const main = async () => (await import({form})).name;\n'
    bench.write("src/lambda.ts", main)
    bench.write("src/lib/deep/old.ts", "")
    first = await bench.builds.build(bench.config())
    assert (await bench.builds.build(bench.config())) is first
    bench.write("src/lib/deep/new.ts", 'export const name = "new";\n')
    second = await bench.builds.build(bench.config())
    assert run(second.folder, second.file) == "new"
    bench.write("src/lib/deep/new.ts", 'export const name = "newer";\n')
    third = await bench.builds.build(bench.config())
    assert run(third.folder, third.file) == "newer"


GHOST = """printf 'export const name = "a ghost";' >"""
FOR_A_MOMENT = {
    "one that wins is there": (f"{GHOST} src/lib/name.tsx", "rm src/lib/name.tsx"),
    "one that wins does not build": ("printf 'export const name = ;' > src/lib/name.tsx", "rm src/lib/name.tsx"),
    "the one that is imported is away": (
        f"mv src/lib/name.ts src/lib/away; {GHOST} src/lib/name.js",
        "rm src/lib/name.js; mv src/lib/away src/lib/name.ts",
    ),
    "a folder is in its place": (
        f"mkdir src/lib/name; {GHOST} src/lib/name/index.ts; mv src/lib/name.ts src/lib/away",
        "rm -r src/lib/name; mv src/lib/away src/lib/name.ts",
    ),
    "one that lies beside wins": ("mv src/lib/name.ts src/lib/away", "mv src/lib/away src/lib/name.ts"),
    "it says something else": (
        f"mv src/lib/name.ts away; {GHOST} src/lib/name.ts",
        "mv away src/lib/name.ts",
    ),
}


@pytest.mark.parametrize(("before", "after"), FOR_A_MOMENT.values(), ids=FOR_A_MOMENT)
async def test_what_was_otherwise_for_a_moment_while_esbuild_ran_is_not_answered(
    bench: NodeBench, before: str, after: str
) -> None:
    program, config = await bench.tool.find(bench.project), bench.config()
    if "away" in before:
        bench.write("src/lib/name.json", '{"name": "a ghost beside"}\n')
    await bench.builds.build(config)
    aged(bench.write("src/lambda.ts", f"{HANDLER}// saved\n"))
    once(bench, program, before, after)
    built = await bench.builds.build(config)
    assert run(built.folder, built.file) == "I am one"


@pytest.mark.parametrize(
    "nothing", ["", "export type Name = string;\n", "const unused = 1;\n"], ids=["empty", "types", "unused"]
)
async def test_a_module_that_a_bundle_has_nothing_of_counts_as_soon_as_it_has_something(
    bench: NodeBench, nothing: str
) -> None:
    bench.write("src/lambda.ts", 'import "./setup";\nexport const main = async () => globalThis.wanted;\n')
    bench.write("src/setup.ts", 'import "./further";\n')
    bench.write("src/further.ts", nothing)
    built = await bench.builds.build(bench.config())
    assert run(built.folder, built.file) == "undefined"
    bench.write("src/further.ts", "globalThis.wanted = 'something';\n")
    built = await bench.builds.build(bench.config())
    assert run(built.folder, built.file) == "something"


async def test_what_is_wrong_with_a_source_is_shown_with_its_line(bench: NodeBench) -> None:
    bench.write("src/lib/name.ts", "export const name: string = ;\n")
    with pytest.raises(BuildError) as raised:
        await bench.builds.build(bench.config())
    assert raised.value.message == 'src/lib/name.ts:1:29: Unexpected ";"'
    assert "export const name: string = ;" in (raised.value.context or "")
    assert {str(bench.project / path) for path in ("src/lambda.ts", "src/lib/name.ts")} <= {
        one.path for one in raised.value.inputs.files
    }
    bench.write("src/lib/name.ts", 'export const name: string = "mended";\n')
    built = await bench.builds.build(bench.config())
    assert run(built.folder, built.file) == "I am mended"


async def test_what_esbuild_finds_odd_is_told_once_and_again_when_it_comes_back(bench: NodeBench) -> None:
    name = bench.write("src/lib/name.ts", "const n = 1;\nexport const name = n === -0;\n")
    bench.write("src/other.ts", HANDLER)
    odd = (
        '`src/lib/name.ts:2`: Comparison with -0 using the "===" operator will also match 0 [equals-negative-zero]',
        '`tsconfig.json:1`: Unrecognized target environment "es1" [tsconfig.json]',
    )
    bench.write("tsconfig.json", '{"compilerOptions": {"target": "es1"}}\n')

    await bench.builds.build(bench.config())
    await bench.builds.build(bench.config())
    await bench.zips(bench.asset(), bench.asset("src/other.ts"))
    assert sorted(bench.told("source-warning")) == sorted(odd)

    for text in ("const n = 1;\nexport const name = n === 0;\n", name.read_text()):
        name.write_text(text)
        await bench.builds.build(bench.config())
    assert bench.told("source-warning")[2:] == [odd[0]]


async def test_a_package_that_is_not_there_is_named_with_the_command(bench: NodeBench) -> None:
    bench.write("src/lib/name.ts", 'export { name } from "@scope/names/deep";\n')
    with pytest.raises(BuildError) as raised:
        await bench.builds.build(bench.config())
    assert raised.value.message.startswith('src/lib/name.ts:1:22: Could not resolve "@scope/names/deep"')
    assert "`npm install @scope/names`" in (raised.value.hint or "")


async def test_what_a_package_that_is_there_lacks_is_told_instead_of_how_to_install_it(bench: NodeBench) -> None:
    bench.write("node_modules/shared/package.json", '{"name": "shared", "exports": {\n".": "./gone.ts"}}')
    bench.write("src/lib/name.ts", 'export { name } from "shared";\n')
    with pytest.raises(BuildError) as raised:
        await bench.builds.build(bench.config())
    file = "node_modules/shared/package.json"
    assert (raised.value.context or "").splitlines()[2] == (
        f'The module "./gone.ts" was not found on the file system: {file}:2'
    )
    assert raised.value.hint == f"`shared` is there: import what it exports, or see to line 2 of `{file}`"


async def test_a_function_that_is_not_exported_is_told_from_those_that_are(bench: NodeBench) -> None:
    with pytest.raises(BuildError) as raised:
        await bench.builds.build(bench.config("src/lambda.run"))
    assert (raised.value.code, raised.value.message) == (
        "handler-not-found",
        "`src/lambda.ts` exports no `run`; it exports `main`",
    )


class Runs:
    """Of esbuild, by builds of one function."""

    def __init__(self, bench: NodeBench, program: Path) -> None:
        self.bench, self.config = bench, bench.config()
        self.counted = bench.root / "runs"
        bench.own_esbuild(f'echo >> "{self.counted}"\nexec "{program}" "$@"')

    @property
    def count(self) -> int:
        return len(self.counted.read_text().splitlines()) if self.counted.exists() else 0

    async def fail(self) -> str:
        with pytest.raises(BuildError) as raised:
            await self.bench.builds.build(self.config)
        return raised.value.message

    async def fail_by_heart(self) -> str:
        """Until esbuild is not run for it. What was just written may still be changing."""
        while True:
            before = self.count
            said = await self.fail()
            if self.count == before:
                return said

    async def result(self) -> str:
        built = await self.bench.builds.build(self.config)
        return run(built.folder, built.file)


@pytest.fixture
async def runs(bench: NodeBench) -> Runs:
    return Runs(bench, await bench.tool.find(bench.project))


async def test_a_file_that_is_being_saved_in_place_is_waited_for(runs: Runs) -> None:
    file = runs.bench.project / "src" / "lib" / "name.ts"
    assert await runs.result() == "I am one"
    for number in range(20):
        began = time.monotonic()
        file.write_text("")
        building = asyncio.create_task(runs.bench.builds.build(runs.config))
        await asyncio.wait([building], timeout=0.15)  # more than esbuild takes
        with file.open("r+") as stream:
            stream.write(f'export const name: string = "{number}";\n')
        in_time = time.monotonic() - began < 0.25
        built = await building
        if in_time:
            assert run(built.folder, built.file) == f"I am {number}"
            break
    else:
        pytest.fail("the machine is too slow for this")


async def test_an_empty_file_is_taken_for_what_it_is_after_a_moment(runs: Runs) -> None:
    runs.bench.write("src/lib/name.ts", "")
    assert await runs.result() == "I am undefined"


async def test_what_does_not_build_is_not_tried_again_until_its_source_is_another(runs: Runs) -> None:
    runs.bench.write("src/lib/name.ts", "export const name: string = ;\n")
    said = await runs.fail_by_heart()
    assert said == await runs.fail() == 'src/lib/name.ts:1:29: Unexpected ";"'
    runs.bench.write("src/lib/name.ts", "export const name: string = :\n")
    assert await runs.fail_by_heart() == 'src/lib/name.ts:1:29: Unexpected ":"'
    runs.bench.write("src/lib/name.ts", 'export const name: string = "mended";\n')
    assert await runs.result() == "I am mended"
    runs.bench.write("src/lib/name.ts", "export const name: string = ;\n")
    assert await runs.fail_by_heart() == 'src/lib/name.ts:1:29: Unexpected ";"'


@pytest.mark.parametrize(
    "place", ["src/new/name.ts", "src/new/name/index.ts", "src/new.ts/name.json", "src/new/name.tsx"]
)
async def test_a_file_that_was_missing_is_found_when_it_comes(runs: Runs, place: str) -> None:
    specifier = "./new.ts/name.json" if place.endswith("json") else "./new/name"
    runs.bench.write("src/lambda.ts", HANDLER.replace("./lib/name", specifier))
    assert (await runs.fail_by_heart()).endswith(f'Could not resolve "{specifier}"')
    runs.bench.write(place, '{"name": "here"}' if place.endswith("json") else 'export const name = "here";\n')
    assert await runs.result() == "I am here"


@pytest.mark.parametrize("name", ["names", "@scope/names"])
async def test_a_package_that_was_missing_is_found_when_it_is_installed(runs: Runs, name: str) -> None:
    runs.bench.write("src/lambda.ts", HANDLER.replace("./lib/name", f"{name}/deep.js"))
    (runs.bench.project / ".git").mkdir()
    assert await runs.fail_by_heart()
    aged(runs.bench.write(f"node_modules/{name}/package.json", "{}"))
    assert await runs.fail(), "there is nothing in it"
    runs.bench.write(f"node_modules/{name}/deep.js", 'export const name = "here";\n')
    assert await runs.result() == "I am here"


async def test_a_function_is_found_when_it_is_exported(runs: Runs) -> None:
    runs.bench.write("src/lambda.ts", HANDLER.replace("main", "run"))
    assert await runs.fail_by_heart() == "`src/lambda.ts` exports no `main`; it exports `run`"
    runs.bench.write("src/lambda.ts", HANDLER)
    assert await runs.result() == "I am one"


DECORATED = "const d = (..._: unknown[]) => {};\nclass C { m(@d one: string) { return one; } }\nvoid C;\n"


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (HANDLER.replace("./lib/name", "@own/name"), '{"paths": {"@own/*": ["../src/lib/*"]}}'),
        (HANDLER + DECORATED, '{"experimentalDecorators": true}'),
    ],
)
async def test_settings_that_mend_a_source_are_seen(runs: Runs, handler: str, options: str) -> None:
    runs.bench.write("tsconfig.json", '{"extends": "./base/tsconfig.json"}')
    runs.bench.write("src/lambda.ts", handler)
    aged(runs.bench.write("base/tsconfig.json", "{}"))
    assert await runs.fail()
    runs.bench.write("base/tsconfig.json", f'{{"compilerOptions": {options}}}')
    assert await runs.result() == "I am one"


SETTINGS_ELSEWHERE = {
    "extended": ("tsconfig.json", '{"extends": "./base/settings.json"}', "base/settings.json", None),
    "extended among several": ("tsconfig.json", '{"extends": ["./other.json", "./base"]}', "base.json", None),
    "of a package": ("tsconfig.json", '{"extends": "@own/base"}', "node_modules/@own/base/tsconfig.json", None),
    "extended twice": ("base.json", '{"extends": "./deep/base.json"}', "deep/base.json", "base.json"),
    "named by the function": ("config/ts.json", "", "config/ts.json", "config/ts.json"),
    "above the project": ("../tsconfig.json", "", "../tsconfig.json", None),
    "of JavaScript": ("src/jsconfig.json", "", "src/jsconfig.json", None),
}


@pytest.mark.parametrize(("file", "text", "edited", "option"), SETTINGS_ELSEWHERE.values(), ids=SETTINGS_ELSEWHERE)
async def test_an_edit_of_settings_wherever_they_are_is_in_the_next_bundle_and_in_its_name(
    bench: NodeBench, file: str, text: str, edited: str, option: str | None
) -> None:
    bench.write("src/lambda.ts", HANDLER.replace("./lib/name", "alias"))
    bench.write("src/lib/other.ts", 'export const name = "two";\n')
    bench.write("other.json", "{}")
    bench.write(file, text)
    options = {"tsconfig": option} if option else {}
    said, names = [], []
    for target in ("name", "other"):
        paths = {"alias": [str(bench.project / "src/lib" / target)]}
        aged(bench.write(edited, json.dumps({"compilerOptions": {"paths": paths}})))
        built = await bench.builds.build(bench.config(**options))
        said.append(run(built.folder, built.file))
        names.append(bench.asset(**options).key)
    assert said == ["I am one", "I am two"]
    assert names[0] != names[1], "it is not deployed"


async def test_another_esbuild_is_tried(runs: Runs) -> None:
    runs.bench.write("src/lib/name.ts", "export const name: string = ;\n")
    await runs.fail_by_heart()
    before = runs.count
    (runs.bench.project / "node_modules" / platform_program()).touch()
    await runs.fail()
    assert runs.count == before + 1
