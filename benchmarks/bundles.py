"""What it costs to make the zips of 100 Python functions that share one list of packages: pandas and pydantic.

    python -m benchmarks.bundles [--times 3] [--no-peers] [--write]

uv's own download and installation of the same packages, into a cache that is empty, is what ours is measured against:
zips and hashes come on top of it. Both have an empty cache of uv's each time. Then nothing is changed, then one file.
The whole command beside that: `kite build`, `serverless package` with serverless-python-requirements, `sam build`, each
on the same functions and packages, without Docker; the last two once, which takes ten minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from uv import find_uv_bin

from benchmarks.peers import CACHE, UV, install, npm, peer_environment, run, serverless
from benchmarks.results import Target, options, report, table, targets_table
from benchmarks.server import clean_environment
from benchmarks.session import KITE
from skykite.bundle import Bundler
from skykite.bundle.target import target_of
from skykite.model.events import Event
from skykite.model.manifest import AssetEntry, BundleEntry, PackagesEntry
from skykite.model.naming import bundle_hash, packages_hash

FUNCTIONS = 100
OWN_TIMES = 5
RUNTIME = f"python3.{sys.version_info.minor}"
REQUIREMENTS = "pandas==2.3.2\nnumpy==2.2.6\npydantic==2.12.5\n"
PLUGIN = "serverless-python-requirements@6.1.2"
SAM = "aws-sam-cli==1.150.1"
HANDLER = """\
import json

import pydantic


class Order(pydantic.BaseModel):
    id: int
    item: str


def run(event, context):
    return {{"statusCode": 200, "body": json.dumps({{"function": {number}}})}}
"""
STACK = """\
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    for number in range({count}):
        Function(stack, f"F{{number}}", f"functions/f{{number}}.run", runtime="{runtime}")
"""
SERVERLESS = """\
service: bench
frameworkVersion: '3'
provider:
  name: aws
  runtime: {runtime}
package:
  patterns: ['!**', 'functions/**']
plugins: [serverless-python-requirements]
custom:
  pythonRequirements: {{dockerizePip: false, useStaticCache: false, useDownloadCache: false, pythonBin: {python}}}
functions:
{functions}
"""


class Silent:
    def emit(self, event: Event) -> None:
        """Nobody looks."""


def write_functions(folder: Path) -> None:
    (folder / "functions").mkdir(parents=True)
    for number in range(FUNCTIONS):
        (folder / "functions" / f"f{number}.py").write_text(HANDLER.format(number=number))
    (folder / "requirements.txt").write_text(REQUIREMENTS)


def write_project(folder: Path) -> None:
    write_functions(folder)
    (folder / "stacks").mkdir()
    (folder / "kite.toml").write_text('name = "bench"\nregion = "us-east-1"\n')
    (folder / "stacks" / "app.py").write_text(STACK.format(count=FUNCTIONS, runtime=RUNTIME))


def seconds(work: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def install_with_uv(folder: Path, work: Path) -> None:
    """What has to be done in any case."""
    target = target_of(RUNTIME, "x86_64")
    subprocess.run(
        [
            find_uv_bin(), "pip", "install", "--quiet", "--only-binary=:all:", *target.options,
            f"--target={work / 'packages'}", f"--requirement={folder / 'requirements.txt'}",
        ],
        env={**clean_environment(), "UV_CACHE_DIR": str(work / "uv")},
        check=True,
    )  # fmt: skip


def bundle(folder: Path, work: Path) -> None:
    """Everything from the files on disk to zips that can be sent: names and contents."""
    packages = PackagesEntry(import_root=".", runtime=RUNTIME, architecture="x86_64")
    code = BundleEntry(import_root=".", runtime=RUNTIME, architecture="x86_64", layered=True)
    assets = [
        AssetEntry(
            key=f"{named(packages_hash(folder, packages))}.zip",
            bucket="b",
            packaging="bundle",
            source="layer.zip",
            packages=packages,
        ),
        AssetEntry(
            key=f"{named(bundle_hash(folder, code))}.zip",
            bucket="b",
            packaging="bundle",
            source="code.zip",
            bundle=code,
        ),
    ]
    bundler = Bundler(
        project_root=folder,
        cache=work / "cache",
        environment={**clean_environment(), "UV_CACHE_DIR": str(work / "uv")},
        events=Silent(),
    )

    async def build() -> None:
        await asyncio.gather(*(bundler.build(asset, work / asset.source) for asset in assets))

    asyncio.run(build())


def named(digest: str) -> str:
    """As CDK does."""
    return hashlib.sha256(digest.encode()).hexdigest()


def measure(times: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {"uv": [], "cold": [], "nothing": [], "one": []}
    for number in range(times):
        with tempfile.TemporaryDirectory(prefix="kite-bundles-") as name:
            base = Path(name)
            folder = base / "project"
            write_project(folder)
            ours, theirs = base / "ours", base / "theirs"
            ours.mkdir()
            theirs.mkdir()
            # In turn, so that a network that gets slower or faster meets both alike.
            each = [("uv", install_with_uv, theirs), ("cold", bundle, ours)]
            for name, work, place in each if number % 2 else reversed(each):
                took[name].append(seconds(work, folder, place))
            took["nothing"].append(seconds(bundle, folder, ours))
            with (folder / "functions" / "f7.py").open("a") as stream:
                stream.write("# saved\n")
            took["one"].append(seconds(bundle, folder, ours))
    return took


def targets(took: Mapping[str, list[float]]) -> list[Target]:
    middle = {name: statistics.median(values) for name, values in took.items()}
    more = statistics.median(ours - uv for ours, uv in zip(took["cold"], took["uv"], strict=True))
    return [
        Target(
            what=f"{FUNCTIONS} functions, cold: what comes on top of uv's download and installation",
            wanted="≤ 2 s",
            measured=f"{more:.2f} s (uv {middle['uv']:.2f} s, all {middle['cold']:.2f} s)",
            reached=more <= 2,
        ),
        Target(
            what="nothing changed",
            wanted="< 0.3 s",
            measured=f"{middle['nothing']:.3f} s",
            reached=middle["nothing"] < 0.3,
        ),
        Target(
            what="one file changed, hashing and all",
            wanted="< 0.6 s",
            measured=f"{middle['one']:.3f} s",
            reached=middle["one"] < 0.6,
        ),
    ]


# The whole commands


def install_peers() -> dict[str, str]:
    """The plugin and SAM, beside the peers of the other benchmarks; and the environment they run in."""
    install()
    folder = CACHE / "bundles"
    stamp = folder / "installed"
    wanted = f"{PLUGIN}\n{SAM}"
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        quiet = [
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
            "--legacy-peer-deps",
            "--loglevel=error",
        ]
        run([*npm(), "install", *quiet, "--prefix", folder / "node", PLUGIN], environment=peer_environment())
        run([UV, "venv", "--quiet", "--seed", "--python", sys.executable, folder / "python"])
        run([UV, "pip", "install", "--quiet", "--python", folder / "python" / "bin" / "python", SAM])
        stamp.write_text(wanted)
    path = f"{folder / 'python' / 'bin'}{os.pathsep}{peer_environment()['PATH']}"
    return {**peer_environment(), "PATH": path, "SAM_CLI_TELEMETRY": "0"}


def lay_serverless(folder: Path) -> None:
    write_functions(folder)
    listed = "\n".join(f"  f{number}: {{handler: functions/f{number}.run}}" for number in range(FUNCTIONS))
    python = CACHE / "bundles" / "python" / "bin" / "python"
    (folder / "serverless.yml").write_text(SERVERLESS.format(runtime=RUNTIME, python=python, functions=listed))
    (folder / "package.json").write_text("{}")
    (folder / "node_modules").symlink_to(CACHE / "bundles" / "node" / "node_modules", target_is_directory=True)


def lay_sam(folder: Path) -> None:
    write_functions(folder)
    listed = "\n".join(
        f"  F{number}: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: ., Handler: functions/f{number}.run, "
        f"Runtime: {RUNTIME}}}}}"
        for number in range(FUNCTIONS)
    )
    head = "AWSTemplateFormatVersion: '2010-09-09'\nTransform: AWS::Serverless-2016-10-31\nResources:\n"
    (folder / "template.yaml").write_text(f"{head}{listed}\n")


def commands(*, peers: bool) -> dict[str, tuple[float, float, float]]:
    """Seconds of each whole command: cold, with nothing changed, with one file changed."""
    rows: dict[str, tuple[float, float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="kite-bundles-") as name:
        base = Path(name)
        write_project(base / "kite")
        own = {**clean_environment(), "UV_CACHE_DIR": str(base / "uv"), "XDG_CACHE_HOME": str(base / "cache")}
        kite: list[str | Path] = [KITE, "build", "--stage", "bench", "--out", base / "built"]
        rows["kite build"] = timed(kite, base / "kite", own, times=OWN_TIMES)
        if peers:
            environment = install_peers()
            lay_serverless(base / "sls")
            lay_sam(base / "sam")
            pip = {**environment, "PIP_CACHE_DIR": str(base / "pip"), "XDG_CACHE_HOME": str(base / "cache-of-peers")}
            sam: list[str | Path] = [CACHE / "bundles" / "python" / "bin" / "sam", "build", "--cached"]
            rows["serverless package"] = timed(serverless("package"), base / "sls", pip, times=1)
            rows["sam build --cached"] = timed(sam, base / "sam", pip, times=1)
    return rows


def timed(
    command: list[str | Path], folder: Path, environment: Mapping[str, str], *, times: int
) -> tuple[float, float, float]:
    """Medians of so many runs, but for the cold one."""

    def run_once() -> float:
        return seconds(quietly, command, folder, environment)

    cold = run_once()
    nothing = [run_once() for _ in range(times)]
    one = []
    for _ in range(times):
        with (folder / "functions" / "f7.py").open("a") as stream:
            stream.write("# saved\n")
        one.append(run_once())
    return cold, statistics.median(nothing), statistics.median(one)


def targets_of_command(took: tuple[float, float, float]) -> list[Target]:
    _, nothing, one = took
    return [
        Target(
            what="the whole `kite build`, nothing changed",
            wanted="< 0.3 s",
            measured=f"{nothing:.2f} s",
            reached=nothing < 0.3,
        ),
        Target(
            what="the whole `kite build`, one file changed",
            wanted="< 0.6 s",
            measured=f"{one:.2f} s",
            reached=one < 0.6,
        ),
    ]


def beside_one_another(rows: Mapping[str, tuple[float, float, float]]) -> list[str]:
    first = rows["kite build"]
    lines = [
        [shown, *(f"{value:.2f} s ({value / base:.1f} ×)" for value, base in zip(values, first, strict=True))]
        for shown, values in rows.items()
    ]
    return table(("the whole command", "cold", "nothing changed", "one file changed"), lines)


def quietly(command: list[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def main() -> None:
    parser = options("What it costs to make the zips of 100 Python functions.")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true", help="only what is measured against uv")
    arguments = parser.parse_args()
    bundles = targets(measure(arguments.times))
    whole = commands(peers=not arguments.no_peers)
    lines = [
        *targets_table((*bundles, *targets_of_command(whole["kite build"]))),
        "",
        "The first three rows are of the bundles alone; the whole command has the stacks and Python's start besides.",
        "",
        *beside_one_another(whole),
    ]
    report("Python bundles", lines, arguments, module="benchmarks.bundles")


if __name__ == "__main__":
    main()
