"""The same hello function behind `kite dev --local` and its peers, side by side in one run.

    python -m benchmarks.compare [--rounds 3] [--seconds 3] [--only kite,chalice] [--write]

A round takes every peer once, in turn, every other round in the opposite order. It lays a fresh project, starts it,
stops it, starts it again, and on that second start measures memory, load on kept connections and saves. Each tool has
run once before the first round, so that its files are compiled and in the page cache. Figures are medians of the
rounds. Saves are more than a second apart: CPython tells a changed file of the same size by the second.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.http_load import Result
from benchmarks.load import fresh_ms, load
from benchmarks.peers import Peer, free_port, install, peers
from benchmarks.results import options, report, table
from benchmarks.server import Server, answer, serving

CONNECTIONS = (1, 10, 50)
STALE_AFTER_S = 6.0
SETTLE_S = 2.0
NEVER = float("inf")
Column = tuple[str, Callable[["Measured"], float], Callable[[float], str]]


@dataclass(slots=True)
class Measured:
    """One value a round, a save, or a round and number of connections."""

    start_s: list[float] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    stop_s: list[float] = field(default_factory=list)
    left_behind: int = 0
    idle_mb: list[float] = field(default_factory=list)
    idle_processes: list[float] = field(default_factory=list)
    loaded_mb: list[float] = field(default_factory=list)
    loaded_processes: list[float] = field(default_factory=list)
    fresh_ms: list[float] = field(default_factory=list)
    loads: dict[int, list[Result]] = field(default_factory=lambda: {c: [] for c in CONNECTIONS})
    save_ms: list[float] = field(default_factory=list)
    failed_under_load: int = 0
    failed_after_save: int = 0


def main() -> None:
    parser = options("The same hello function behind `kite dev --local` and its peers.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load for each number of connections")
    parser.add_argument("--saves", type=int, default=5, help="in each round")
    parser.add_argument("--only", default="", help="peers whose name holds one of these words, separated by commas")
    arguments = parser.parse_args()
    install()
    words = [word for word in arguments.only.split(",") if word]
    chosen = [peer for peer in peers() if not words or any(word in peer.name for word in words)]
    measured = {peer.name: Measured() for peer in chosen}
    with tempfile.TemporaryDirectory(prefix="kite-compare-") as directory:
        base = Path(directory)
        for peer in chosen:
            start(peer, base / f"warm-up-{peer.name.replace(' ', '-')}", Measured())
        for number in range(arguments.rounds):
            for peer in chosen if number % 2 == 0 else reversed(chosen):
                print(f"round {number + 1}: {peer.name}", flush=True)
                folder = base / f"{number}-{peer.name.replace(' ', '-')}"
                run_round(peer, folder, measured[peer.name], seconds=arguments.seconds, saves=arguments.saves)
    report("Side by side", describe(chosen, measured), arguments, module="benchmarks.compare")


def start(peer: Peer, folder: Path, into: Measured) -> None:
    """A fresh project, to its first answer."""
    peer.lay(folder)
    peer.save(folder, 0)
    port = free_port()
    with serving(peer.command(port), folder=folder, port=port, environment=peer.environment) as server:
        into.start_s.append(server.first_200_s)


def run_round(peer: Peer, folder: Path, into: Measured, *, seconds: float, saves: int) -> None:
    start(peer, folder, into)
    port = free_port()
    with serving(peer.command(port), folder=folder, port=port, environment=peer.environment) as server:
        into.again_s.append(server.first_200_s)
        time.sleep(SETTLE_S)
        into.idle_mb.append(server.memory_mb())
        into.idle_processes.append(len(server.processes()))
        # a process for each request would otherwise fill the machine
        limit_s, warmup, fresh = (min(seconds, 2.0), 1, 20) if peer.gentle else (seconds, 50, 200)
        into.fresh_ms.append(fresh_ms(port, fresh))
        for connections in CONNECTIONS:
            result = load(port, connections=connections, seconds=limit_s, warmup=warmup)
            into.loads[connections].append(result)
            into.failed_under_load += result.failed
        into.loaded_mb.append(server.memory_mb())
        into.loaded_processes.append(len(server.processes()))
        if peer.reloads:  # last, because some go on restarting after the new code has answered
            measure_saves(peer, folder, server, into, saves)
    into.stop_s.append(server.stop_s)
    into.left_behind += server.left_behind


def measure_saves(peer: Peer, folder: Path, server: Server, into: Measured, saves: int) -> None:
    """From a save to the first answer that shows it. One that has not shown after `STALE_AFTER_S` never will."""
    for version in range(1, saves + 1):
        time.sleep(1.2)
        text = peer.save(folder, version)
        saved = time.perf_counter()
        while True:
            status, body = answer(server.port, server.path, timeout_s=STALE_AFTER_S)
            if status == 200 and body == text:
                into.save_ms.append((time.perf_counter() - saved) * 1000)
                break
            into.failed_after_save += status != 200
            if time.perf_counter() - saved > STALE_AFTER_S:
                into.save_ms.append(NEVER)
                return
            time.sleep(0.002)


def describe(chosen: Sequence[Peer], measured: dict[str, Measured]) -> list[str]:
    """Three tables and what to know about them."""

    def show(
        title: str, columns: Sequence[tuple[str, Callable[[Measured], float], Callable[[float], str]]]
    ) -> list[str]:
        base = measured[chosen[0].name]
        rows = [
            [peer.name, *(cell(value(measured[peer.name]), value(base), form) for _, value, form in columns)]
            for peer in chosen
        ]
        return ["", *table((title, *(name for name, _, _ in columns)), rows)]

    def of_load(connections: int, name: str) -> Callable[[Measured], float]:
        return lambda m: statistics.median(getattr(result, name) for result in m.loads[connections])

    lines = [f"Medians; in parentheses the ratio to {chosen[0].name}."]
    lines += show(
        "seconds, megabytes",
        (
            ("start, new project", lambda m: statistics.median(m.start_s), seconds_text),
            ("start again", lambda m: statistics.median(m.again_s), seconds_text),
            ("save → new code p50", lambda m: statistics.median(m.save_ms) if m.save_ms else 0, milliseconds),
            ("worst", lambda m: max(m.save_ms, default=0), milliseconds),
            ("memory idle", lambda m: statistics.median(m.idle_mb), megabytes),
            ("after load", lambda m: statistics.median(m.loaded_mb), megabytes),
        ),
    )
    lines += show(
        "a warm request",
        (
            ("p50, 1 connection", of_load(1, "p50_ms"), milliseconds),
            ("p99", of_load(1, "p99_ms"), milliseconds),
            ("p50, a connection each", lambda m: statistics.median(m.fresh_ms), milliseconds),
            ("p99, 10 connections", of_load(10, "p99_ms"), milliseconds),
            ("p99, 50 connections", of_load(50, "p99_ms"), milliseconds),
        ),
    )
    lines += show(
        "requests a second",
        tuple((f"{c} connection{'s' if c > 1 else ''}", of_load(c, "requests_per_second"), count) for c in CONNECTIONS),
    )
    rows = [row(peer, measured[peer.name]) for peer in chosen]
    names = ("and", "version", "processes idle → after load", "Ctrl-C to gone", "left behind")
    lines += ["", *table((*names, "failed under load", "failed after a save"), rows)]
    return [*lines, "", *(f"- {peer.name}: {peer.note}." for peer in chosen if peer.note)]


def row(peer: Peer, m: Measured) -> tuple[str, ...]:
    processes = f"{statistics.median(m.idle_processes):.0f} → {statistics.median(m.loaded_processes):.0f}"
    stop = f"{statistics.median(m.stop_s):.2f} s"
    after_save = str(m.failed_after_save) if peer.reloads else "–"
    return (peer.name, peer.version, processes, stop, str(m.left_behind), str(m.failed_under_load), after_save)


def cell(value: float, base: float, form: Callable[[float], str]) -> str:
    if not value:
        return "–"
    if value == NEVER:
        return "never"
    return f"{form(value)} ({ratio(value / base)})" if base and base != NEVER else form(value)


def ratio(value: float) -> str:
    return f"{value:.0f}×" if value >= 10 else f"{value:.1f}×" if value >= 1 else f"{value:.2g}×"


def seconds_text(value: float) -> str:
    return f"{value:.2f} s"


def milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"


def megabytes(value: float) -> str:
    return f"{value:,.0f} MB"


def count(value: float) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    main()
