"""Run every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import memory, reload, start

for benchmark in (start, reload, memory):
    print(f"# {benchmark.__name__}")
    benchmark.main()
