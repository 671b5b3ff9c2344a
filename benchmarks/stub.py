"""The stub of Live by itself: its package, what it adds to a cold start, what an invocation costs on loopback.

python -m benchmarks.stub [--write]

It runs from its zip, unpacked, in a bare interpreter that may write no bytecode, as in Lambda; the Event API, parameter
store, bucket and dev session of the tests run in this process.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from benchmarks.results import Target, options, report, targets_table
from skykite.model.stub_package import SIZE_LIMIT, build_stub_package

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for `kit`

STARTS = 15
BURSTS, IN_A_BURST = 15, 8
REST_S = 1.2  # AppSync takes 25 publishes a second on a WebSocket, and an invocation is three

# What Lambda's own runtime has imported before the function's module counts for nothing.
CHILD = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
cpu, wall = time.process_time(), time.perf_counter()
from kite_stub.live import stub
found = {"cpu_ms": (time.process_time() - cpu) * 1000, "start_ms": (time.perf_counter() - wall) * 1000}
class Context:
    aws_request_id = "8f507cfc-1234-4697-b07a-ac58fc914c95"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:bench"
    def get_remaining_time_in_millis(self): return 900_000
event = {"body": "x" * 1000}
times = []
for _ in range(int(sys.argv[2])):
    for _ in range(int(sys.argv[3])):
        wall = time.perf_counter()
        stub.handler(event, Context())
        times.append((time.perf_counter() - wall) * 1000)
    time.sleep(float(sys.argv[4]))
print(json.dumps({**found, "times_ms": times}))
"""


def interpreter() -> str:
    """Python 3.13, which stubs run on, if there is one: itself, not what leads to it."""
    name = shutil.which("python3.13") or sys.executable
    found = subprocess.run([name, "-c", "import sys; print(sys.executable)"], capture_output=True, check=False)
    return found.stdout.decode().strip() or sys.executable


def run(python: str, folder: str, environment: dict[str, str], bursts: int = 0) -> dict[str, Any]:
    command = [python, "-B", "-I", "-S", "-c", CHILD, folder, str(bursts), str(IN_A_BURST), str(REST_S)]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, check=True)
    return dict(json.loads(done.stdout))


def measure() -> list[Target]:
    from kit.appsync import running_aws
    from kit.dev_session import serving

    package = build_stub_package()
    python = interpreter()
    with tempfile.TemporaryDirectory(prefix="kite-stub-") as folder:
        with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
            archive.extractall(folder)
        imports = [run(python, folder, {}) for _ in range(STARTS)]
        with running_aws() as aws, serving(aws):
            starts = [run(python, folder, aws.environment()) for _ in range(STARTS)]
            times = sorted(run(python, folder, aws.environment(), BURSTS)["times_ms"][1:])
    cpu = statistics.median(one["cpu_ms"] for one in imports)
    imported = statistics.median(one["start_ms"] for one in imports)
    started = statistics.median(one["start_ms"] for one in starts)
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    size = len(package.content)
    print(f"the stub ran on {python}", file=sys.stderr)
    return [
        Target(what="stub: package", wanted="< 64 KB", measured=f"{size / 1024:.1f} KB", reached=size < SIZE_LIMIT),
        Target(
            what="stub: import, no bytecode",
            wanted="< 150 ms",
            measured=f"{imported:.0f} ms ({cpu:.0f} ms CPU)",
            reached=imported < 150,
        ),
        Target(
            what="stub: start to subscribed, with key and lease",
            wanted="< 150 ms",
            measured=f"{started:.0f} ms",
            reached=started < 150,
        ),
        Target(
            what="stub: an invocation of 1 KB, there and back",
            wanted="p50 < 3 ms, p99 < 15 ms",
            measured=f"{p50:.2f} / {p99:.2f} ms",
            reached=p50 < 3 and p99 < 15,
        ),
    ]


def main() -> None:
    arguments = options("The stub of Live, measured.").parse_args()
    report("Stub", targets_table(measure()), arguments, module="benchmarks.stub")


if __name__ == "__main__":
    main()
