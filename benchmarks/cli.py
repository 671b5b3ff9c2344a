"""What a command costs: `kite` beside `serverless` and `chalice`, from the command to its exit.

    python -m benchmarks.cli [--times 7] [--write]

Every command runs once unmeasured, then `--times` times in turn with the others, every other time in the opposite
order; medians. The project is the hello function of `benchmarks.compare`. "Nothing kept" is what `kite` does in a
project for the first time; what the others keep, they keep.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.compare import ratio
from benchmarks.peers import Peer, free_port, install, lay_serverless, peer_environment, peers, python_tool, serverless
from benchmarks.results import options, report, table
from benchmarks.server import clean_environment, serving
from benchmarks.session import KITE, dev_command

LIMIT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`before` runs unmeasured each time. Ratios are to the first command with the same `purpose`."""

    purpose: str
    shown: str
    arguments: list[str | Path]
    folder: Path
    environment: Mapping[str, str]
    before: Callable[[], None] = lambda: None


def main() -> None:
    parser = options("What a command costs, from the command to its exit.")
    parser.add_argument("--times", type=int, default=7)
    arguments = parser.parse_args()
    install()
    with tempfile.TemporaryDirectory(prefix="kite-cli-") as directory:
        base = Path(directory)
        by_name = {peer.name: peer for peer in peers()}
        without_plugin = replace(by_name["serverless-offline"], lay=lay_serverless)
        kite = lay(by_name["kite dev --local"], base / "kite")
        fresh, running = base / "fresh", base / "running"
        shutil.copytree(kite, fresh)
        shutil.copytree(kite, running)
        chosen = commands(
            kite, fresh, lay(without_plugin, base / "sls"), lay(by_name["chalice local"], base / "chalice")
        )
        port = free_port()
        with serving(dev_command(port), folder=running, port=port):
            chosen.insert(3, invoke_in_session(running))
            took: dict[str, list[float]] = {command.shown: [] for command in chosen}
            for command in chosen:
                measure(command)
            for number in range(arguments.times):
                for command in chosen if number % 2 == 0 else reversed(chosen):
                    took[command.shown].append(measure(command))
    report("Command line", describe(chosen, took), arguments, module="benchmarks.cli")


def lay(peer: Peer, folder: Path) -> Path:
    peer.lay(folder)
    peer.save(folder, 1)
    return folder


def commands(kite: Path, fresh: Path, serverless_project: Path, chalice: Path) -> list[Command]:
    def ours(purpose: str, *words: str, nothing_kept: bool = False) -> Command:
        return Command(
            purpose=purpose,
            shown=f"kite {' '.join(words)}" + (", nothing kept" if nothing_kept else ""),
            arguments=[KITE, *words],
            folder=fresh if nothing_kept else kite,
            environment=clean_environment(),
            before=(lambda: shutil.rmtree(fresh / ".kite", ignore_errors=True)) if nothing_kept else lambda: None,
        )

    def theirs(purpose: str, name: str, arguments: list[str | Path], folder: Path) -> Command:
        shown = " ".join([name, *(str(word) for word in arguments[2 if name == "serverless" else 1 :])])
        environment = peer_environment()
        return Command(purpose=purpose, shown=shown, arguments=arguments, folder=folder, environment=environment)

    synth = ("synth", "--stage", "plain")  # another one: what is synthesized for `--local` is not what is deployed
    invoke = ("invoke", "functions/hello.handler", "--local", "--stage", "bench")
    return [
        ours("help", "--help"),
        theirs("help", "serverless", serverless("--help"), serverless_project),
        theirs("help", "chalice", python_tool("chalice", "--help"), chalice),
        ours("invoke", *invoke),
        ours("invoke", *invoke, nothing_kept=True),
        theirs("invoke", "serverless", serverless("invoke", "local", "--function", "hello"), serverless_project),
        ours("template", *synth),
        ours("template", *synth, nothing_kept=True),
        theirs("template", "serverless", serverless("package"), serverless_project),
        theirs("template", "chalice", python_tool("chalice", "package", "out"), chalice),
    ]


def invoke_in_session(folder: Path) -> Command:
    return Command(
        purpose="invoke",
        shown="kite invoke, while kite dev runs",
        arguments=[KITE, "invoke", "functions/hello.handler", "--stage", "bench"],
        folder=folder,
        environment=clean_environment(),
    )


def measure(command: Command) -> float:
    command.before()
    started = time.perf_counter()
    finished = subprocess.run(
        command.arguments,
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    took = time.perf_counter() - started
    if finished.returncode != 0:
        said = (finished.stdout + finished.stderr).decode(errors="replace")
        raise RuntimeError(f"`{command.shown}` ended with {finished.returncode}:\n{said[-3000:]}")
    return took


def describe(chosen: list[Command], took: Mapping[str, list[float]]) -> list[str]:
    base: dict[str, float] = {}
    rows = []
    for command in chosen:
        values = took[command.shown]
        median = statistics.median(values)
        first = base.setdefault(command.purpose, median)
        rows.append((f"`{command.shown}`", f"{median:.2f} s", f"{max(values):.2f} s", ratio(median / first)))
    return table(("command", "median", "worst", "ratio"), rows)


if __name__ == "__main__":
    main()
