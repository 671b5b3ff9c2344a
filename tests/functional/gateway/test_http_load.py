"""The load client of the benchmarks counts what it should, against a real gateway."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from kit.gateway import make_api, running

CLIENT = Path(__file__).parents[3] / "benchmarks" / "http_load.py"


async def load(*arguments: str) -> tuple[int, list[dict[str, float]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, CLIENT, *arguments, "--json", "--seconds", "0.2", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in output.splitlines()]


async def test_requests_are_counted_and_timed() -> None:
    async with running(make_api("GET /")) as here:
        code, rounds = await load(f"{here.url}/", "--connections", "1,3", "--warmup", "2")
        assert code == 0
        assert [result["connections"] for result in rounds] == [1, 3]
        assert sum(result["requests"] for result in rounds) + 2 * (1 + 3) == len(here.functions.invocations)
        for result in rounds:
            assert result["failed"] == 0
            assert 0 < result["p50_ms"] <= result["p90_ms"] <= result["p99_ms"] <= result["max_ms"]


async def test_errors_and_broken_connections_count_as_failed() -> None:
    async with running(make_api("GET /")) as here:
        code, [result] = await load(f"{here.url}/nowhere", "--connections", "1", "--warmup", "0")
        assert (code, result["failed"]) == (1, result["requests"])
        code, [result] = await load(f"{here.url}/nowhere", "--connections", "1", "--header", "Connection: close")
        assert (code, result["failed"]) == (1, result["requests"])
