"""What it costs to bundle 50 TypeScript functions, beside esbuild alone on the same entries.

    python -m benchmarks.typescript [--times 7] [--write]

Cold is from the files on disk to 50 zips with names that come from their content; esbuild alone writes the bundles and
nothing else. Every function imports two files that all share, and one of its own. Then one file is saved. Medians, in
turn. Nothing is removed before the end: ext4 takes ten times as long to make a file while it avoids what was removed in
the last seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.results import Target, options, report, targets_table
from skykite.bundle import Bundler, EsbuildTool, NodeBundles
from skykite.model.disk import Disk
from skykite.model.events import Event
from skykite.model.locations import cache_directory
from skykite.model.manifest import AssetEntry, BundleEntry
from skykite.model.naming import bundle_hash
from skykite.model.node_build import NodeBuild
from skykite.synth.node import find_node

FUNCTIONS = 50
RUNTIME = "nodejs22.x"
WRITTEN_BEFORE_S = 0.1  # no command gets to a project's files sooner after they were saved: Python has to start first
SHARED = "\n".join(
    f"export function helper{number}(value: string): string {{\n  return `${{value}} {number}`;\n}}"
    for number in range(200)
)
HANDLER = """\
import {{ helper1, helper2 }} from "./shared/text";
import {{ answer, type Answer }} from "./shared/answer";
import {{ own }} from "./own/o{number}";

interface Event {{ readonly id?: string; }}

export async function handler(event: Event): Promise<Answer> {{
  return answer(helper1(helper2(own(event.id ?? "{number}"))));
}}
"""
ANSWER = """\
export interface Answer { statusCode: number; body: string; }

export function answer(body: string): Answer {
  return { statusCode: 200, body };
}
"""
TSCONFIG = """\
{
  "compilerOptions": {
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "strict": true,
    "noEmit": true
  },
  "include": ["src"]
}
"""
OWN = "export const own = (id: string): string => `{number}:${{id}}`;\n"


class Silent:
    def emit(self, event: Event) -> None:
        """Nobody looks."""


def write_project(folder: Path) -> list[str]:
    (folder / "src" / "shared").mkdir(parents=True)
    (folder / "src" / "own").mkdir()
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    (folder / "tsconfig.json").write_text(TSCONFIG)
    (folder / "src" / "shared" / "text.ts").write_text(SHARED)
    (folder / "src" / "shared" / "answer.ts").write_text(ANSWER)
    entries = []
    for number in range(FUNCTIONS):
        (folder / "src" / "own" / f"o{number}.ts").write_text(OWN.format(number=number))
        (folder / "src" / f"f{number}.ts").write_text(HANDLER.format(number=number))
        entries.append(f"src/f{number}.ts")
    return entries


async def bundle(tool: EsbuildTool, folder: Path, work: Path, entries: list[str]) -> float:
    began = time.perf_counter()
    disk = Disk()  # as a run of the stacks has one
    nodes = NodeBundles(
        tool, node=find_node(os.environ), project_root=folder, cache=work / "cache", environment=os.environ
    )
    bundler = Bundler(project_root=folder, cache=work / "cache", environment=os.environ, events=Silent(), nodes=nodes)
    await asyncio.gather(*(bundler.build(asset_of(folder, entry, disk), work / f"{entry}.zip") for entry in entries))
    return time.perf_counter() - began


def asset_of(folder: Path, entry: str, disk: Disk) -> AssetEntry:
    made = BundleEntry(import_root=".", runtime=RUNTIME, architecture="arm64", kind="node", node=NodeBuild(entry=entry))
    key = hashlib.sha256(bundle_hash(folder, made, disk=disk).encode()).hexdigest()
    return AssetEntry(key=f"{key}.zip", bucket="b", packaging="bundle", source="x", bundle=made)


def bare(program: Path, folder: Path, work: Path, entries: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [
            program, *entries, "--bundle", "--platform=node", "--target=node22", "--format=esm", "--sourcemap",
            "--keep-names", "--out-extension:.js=.mjs", "--outbase=.", f"--outdir={work / 'bare'}",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - began


async def measure(times: int) -> dict[str, list[float]]:
    tool = EsbuildTool(
        node=find_node(os.environ), cache=cache_directory(os.environ), environment=os.environ, events=Silent()
    )
    took: dict[str, list[float]] = {"bare": [], "cold": [], "nothing": [], "one": []}
    with tempfile.TemporaryDirectory(prefix="kite-ts-") as name:
        for number in range(times):
            folder, work = Path(name, f"{number}", "project"), Path(name, f"{number}", "work")
            entries = write_project(folder)
            program = await tool.find(folder)
            await asyncio.sleep(WRITTEN_BEFORE_S)
            if number % 2:
                took["bare"].append(bare(program, folder, work, entries))
            took["cold"].append(await bundle(tool, folder, work, entries))
            if not number % 2:
                took["bare"].append(bare(program, folder, work, entries))
            took["nothing"].append(await bundle(tool, folder, work, entries))
            saved = folder / "src" / "own" / "o7.ts"
            saved.write_text(saved.read_text() + "// saved\n")
            took["one"].append(await bundle(tool, folder, work, entries))
    return took


def main() -> None:
    parser = options("What it costs to bundle 50 TypeScript functions.")
    parser.add_argument("--times", type=int, default=7)
    arguments = parser.parse_args()
    took = {name: statistics.median(values) for name, values in asyncio.run(measure(arguments.times)).items()}
    ratio = took["cold"] / took["bare"]
    rows = [
        Target(
            what=f"{FUNCTIONS} functions, cold, beside esbuild alone",
            wanted="< 1.5 ×",
            measured=f"{ratio:.2f} × ({took['cold'] * 1000:.0f} ms, esbuild {took['bare'] * 1000:.0f} ms)",
            reached=ratio < 1.5,
        ),
        Target(what="nothing changed", wanted="–", measured=f"{took['nothing'] * 1000:.0f} ms", reached=None),
        Target(
            what="one file changed, hashing and all",
            wanted="< 0.3 s",
            measured=f"{took['one'] * 1000:.0f} ms",
            reached=took["one"] < 0.3,
        ),
    ]
    report("TypeScript bundles", targets_table(rows), arguments, module="benchmarks.typescript")


if __name__ == "__main__":
    main()
