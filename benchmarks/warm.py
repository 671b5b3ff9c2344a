"""A warm request through gateway and worker, on kept connections from a process of its own.

python -m benchmarks.warm [--seconds 5]
"""

from __future__ import annotations

import statistics

from benchmarks.http_load import Result
from benchmarks.load import load
from benchmarks.results import Target, options, report, targets_table
from benchmarks.session import project, session

ROUNDS = 3
SECONDS = 5.0


def measure(seconds: float = SECONDS) -> tuple[Target, ...]:
    results: dict[int, list[Result]] = {1: [], 10: [], 50: []}
    with project() as folder, session(folder) as running:
        for _ in range(ROUNDS):
            for connections, rounds in results.items():
                rounds.append(load(running.port, connections=connections, seconds=seconds, warmup=200))
    one = statistics.median(r.p50_ms for r in results[1])
    ten = statistics.median(r.requests_per_second for r in results[10])
    fifty = statistics.median(r.requests_per_second for r in results[50])
    failed = sum(r.failed for rounds in results.values() for r in rounds)
    tails = {c: statistics.median(r.p99_ms for r in rounds) for c, rounds in results.items()}
    return (
        Target(
            what="warm request, p50, 1 connection",
            wanted="< 2 ms",
            measured=f"{one:.2f} ms (p99 {tails[1]:.2f} ms)",
            reached=one < 2,
        ),
        Target(
            what="requests a second, 10 connections",
            wanted="> 1,000",
            measured=f"{ten:,.0f} (p99 {tails[10]:.1f} ms; 50 connections: {fifty:,.0f}, p99 {tails[50]:.0f} ms)",
            reached=ten > 1000,
        ),
        Target(what="failed under load", wanted="0", measured=str(failed), reached=failed == 0),
    )


def main() -> None:
    parser = options("A warm request through gateway and worker.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each round")
    arguments = parser.parse_args()
    report("Warm requests", targets_table(measure(arguments.seconds)), arguments, module="benchmarks.warm")


if __name__ == "__main__":
    main()
