"""Memory of the whole `kite dev --local` tree: idle, and after load. Linux only (proportional set size from /proc).

    python -m benchmarks.memory

The project is the Notes API, so the functions have boto3 loaded, as real ones do.
"""

from __future__ import annotations

import time

from benchmarks.load import load
from benchmarks.results import Target, options, report, targets_table
from benchmarks.server import Server, command_line, memory_mb
from benchmarks.session import project, session

SETTLE_S = 10.0  # `kite dev` prepares for a save of the stacks meanwhile, which is most of what it takes


def measure() -> tuple[Target, ...]:
    with project("api") as folder, session(folder, path="/notes") as running:
        time.sleep(SETTLE_S)
        idle = breakdown("idle, after its first request", running)
        load(running.port, path="/notes", connections=10, seconds=5, warmup=1)
        loaded = breakdown("after 5 s of load on 10 connections", running)
    return (
        Target(what="idle memory, the whole tree", wanted="< 350 MB", measured=f"{idle:.0f} MB", reached=idle < 350),
        # not promised in the issue: what the same tree may grow to before it would be worth a look
        Target(what="memory after load", wanted="< 700 MB", measured=f"{loaded:.0f} MB", reached=loaded < 700),
    )


def breakdown(name: str, running: Server) -> float:
    rows = [(process.pid, *memory_mb(process.pid)) for process in sorted(running.processes())]
    total = sum(pss for _, pss, _ in rows)
    print(f"{name}: {total:.0f} MB PSS, {sum(rss for *_, rss in rows):.0f} MB RSS, {len(rows)} processes")
    for pid, pss, rss in rows:
        print(f"  {pid:7} {pss:6.1f} {rss:6.1f}  {command_line(pid)[:100]}", flush=True)
    return total


def main() -> None:
    arguments = options("Memory of the whole `kite dev --local` tree.").parse_args()
    report("Memory", targets_table(measure()), arguments, module="benchmarks.memory")


if __name__ == "__main__":
    main()
