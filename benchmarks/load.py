"""Load from a process of its own, so that the client's work is not the server's. I/O: one process, loopback."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.http_load import Result
from benchmarks.server import answer

CLIENT = Path(__file__).with_name("http_load.py")


def load(port: int, *, connections: int, seconds: float, warmup: int, path: str = "/") -> Result:
    """One round on kept connections."""
    command = [sys.executable, str(CLIENT), f"http://127.0.0.1:{port}{path}", "--json"]
    options = ["--connections", str(connections), "--seconds", str(seconds), "--warmup", str(warmup)]
    finished = subprocess.run([*command, *options], capture_output=True, text=True, timeout=seconds + 180, check=False)
    if not finished.stdout:
        raise RuntimeError(f"the load client ended with {finished.returncode}:\n{finished.stderr[-2000:]}")
    return Result(**json.loads(finished.stdout))


def fresh_ms(port: int, requests: int, path: str = "/") -> float:
    """Median of requests on a connection each, one after the other, in this process."""
    took = []
    for _ in range(requests):
        started = time.perf_counter()
        answer(port, path)
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)
