"""What the bridge costs on the embedded cloud: from a stub to a worker on this machine and back.

    python -m benchmarks.bridge [--write]

`kite dev --local --bridge` runs a project as a user would start it. The deployed stub's zip runs in a bare interpreter
with the variables and the role it was deployed with, so that what is measured is the way over the Event API (publish,
subscribe, both directions, verified signatures) and the worker, without the embedded cloud's own Lambda.
A WebSocket may publish 25 times a second, and an invocation does so two or three times. So invocations come in two
rhythms, with the same targets. Eight in a row and then a rest: that is back to back, as such figures are usually taken.
And one every 130 ms, which is harder: four processes begin anew with nothing of theirs in the processor's caches. How
much that is on a machine, and at an hour, shows a relay of WebSockets that does nothing else: the same kilobyte in the
same rhythm, to a process that sends it back.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import boto3

from benchmarks.results import Target, options, report, targets_table
from benchmarks.server import clean_environment
from benchmarks.session import KITE, percentile

P50_MS, P99_MS = 3, 15
SMALL = 150
PAUSE_S = 0.13
BURSTS, IN_A_BURST, REST_S = 26, 8, 1.1
LARGE = 6 * 1024 * 1024 - 1024
LARGE_TIMES = 5
CHILD_ARGUMENTS = (SMALL, PAUSE_S, BURSTS, IN_A_BURST, REST_S, LARGE, LARGE_TIMES)

APP = """\
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    Function(stack, "Echo", "functions/echo.run", memory_size=1024)
"""
HANDLER = """\
def run(event, context):
    return event
"""
CHILD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from kite_stub.live import stub
class Context:
    aws_request_id = "8f507cfc-1234-4697-b07a-ac58fc914c95"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    def get_remaining_time_in_millis(self): return 900_000
def timed(event, times, pause):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        answer = stub.handler(event, Context())
        took.append((time.perf_counter() - began) * 1000)
        assert len(answer) >= len(event["body"]), answer[:200]
        time.sleep(pause)
    return took
timed({"body": ""}, 3, 0.2)
single, burst = [], []
for _ in range(2):  # in turns: a machine has better and worse minutes
    single += timed({"body": "x" * 1000}, int(sys.argv[2]) // 2, float(sys.argv[3]))
    for _ in range(int(sys.argv[4]) // 2):
        time.sleep(float(sys.argv[6]))
        burst += timed({"body": "x" * 1000}, int(sys.argv[5]), 0.0)
large = timed({"body": "x" * int(sys.argv[7])}, int(sys.argv[8]), 1.0)
print(json.dumps({"single": single, "burst": burst, "large": large}))
"""
RELAY = """
import asyncio, contextlib
import websockets
import websockets.asyncio.server as server
connected = {}
async def serve(socket):
    connected[socket.request.path] = socket
    other = "/dev" if socket.request.path == "/stub" else "/stub"
    with contextlib.suppress(websockets.ConnectionClosed):
        async for text in socket:
            await connected[other].send(text)
async def main():
    async with server.serve(serve, "127.0.0.1", 0, compression=None) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
"""
ECHO = """
import asyncio, sys
import websockets.asyncio.client as client
async def main():
    async with client.connect(f"ws://127.0.0.1:{sys.argv[1]}/dev", compression=None) as socket:
        print("connected", flush=True)
        async for text in socket:
            await socket.send(text)
asyncio.run(main())
"""
ASKING = """
import json, sys, time
import websockets.sync.client as client
socket = client.connect(f"ws://127.0.0.1:{sys.argv[1]}/stub", compression=None)
text = "x" * 1024
def timed(times, pause):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        socket.send(text)
        socket.recv()
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(pause)
    return took
timed(3, 0.2)
single, burst = [], []
for _ in range(2):
    single += timed(int(sys.argv[2]) // 2, float(sys.argv[3]))
    for _ in range(int(sys.argv[4]) // 2):
        time.sleep(float(sys.argv[6]))
        burst += timed(int(sys.argv[5]), 0.0)
print(json.dumps({"single": single, "burst": burst}))
"""


def measure() -> tuple[Target, ...]:
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as name:
        folder = Path(name)
        write_project(folder)
        process = subprocess.Popen(
            [KITE, "dev", "--local", "--bridge", "--stage", "bench", "--output", "json"],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            wait_ready(process)
            threading.Thread(target=drain, args=(process,), daemon=True).start()
            took = run_stub(folder)
        finally:
            process.terminate()
            process.wait(20)
    large = took["large"]
    floor = through_a_relay()
    return (
        *latency("1 KB, eight in a row", took["burst"], floor["burst"]),
        *latency("1 KB, one every 130 ms", took["single"], floor["single"]),
        Target(
            what="6 MB there and 6 MB back",
            wanted="< 1 s",
            measured=f"{statistics.median(large):.0f} ms (worst of {len(large)}: {max(large):.0f} ms)",
            reached=statistics.median(large) < 1000,
        ),
    )


def through_a_relay() -> dict[str, list[float]]:
    """How long the bare way takes."""
    with contextlib.ExitStack() as processes:

        def start(program: str, *arguments: str) -> str:
            """What it says first."""
            process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
            processes.enter_context(process)
            processes.callback(process.kill)
            assert process.stdout is not None
            return process.stdout.readline().strip()

        port = start(RELAY)
        start(ECHO, port)
        asking = [sys.executable, "-c", ASKING, port, *map(str, CHILD_ARGUMENTS[:5])]
        done = subprocess.run(asking, capture_output=True, check=True)
    return dict(json.loads(done.stdout))


def latency(what: str, took: list[float], floor: list[float]) -> tuple[Target, Target]:
    p50, p99, bare = statistics.median(took), percentile(took, 0.99), statistics.median(floor)
    return (
        Target(
            what=f"stub → worker → stub, {what}, p50",
            wanted=f"≤ {P50_MS} ms",
            measured=f"{p50:.1f} ms (fastest {min(took):.1f} ms of {len(took)}; a bare relay {bare:.2f} ms)",
            reached=p50 <= P50_MS,
        ),
        Target(
            what=f"stub → worker → stub, {what}, p99",
            wanted=f"≤ {P99_MS} ms",
            measured=f"{p99:.1f} ms (worst {max(took):.1f} ms)",
            reached=p99 <= P99_MS,
        ),
    )


def write_project(folder: Path) -> None:
    (folder / "stacks").mkdir()
    (folder / "functions").mkdir()
    (folder / "kite.toml").write_text('name = "bench"\nregion = "us-east-1"\n')
    (folder / "stacks" / "app.py").write_text(APP)
    (folder / "functions" / "echo.py").write_text(HANDLER)


def wait_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["code"] == "dev.ready":
            return
    raise RuntimeError("`kite dev --local --bridge` did not come up")


def drain(process: subprocess.Popen[bytes]) -> None:
    """Events that nobody reads would stop the session once the pipe is full."""
    assert process.stdout is not None
    while process.stdout.read1(65536):  # type: ignore[attr-defined]
        pass


def run_stub(folder: Path) -> dict[str, list[float]]:
    told = subprocess.run([KITE, "cloud", "env", "--format", "json"], cwd=folder, capture_output=True, check=True)
    cloud = {key: value for key, value in json.loads(told.stdout).items() if value}
    deployed = function_of(cloud)
    with tempfile.TemporaryDirectory(prefix="kite-stub-") as code:
        with zipfile.ZipFile(io.BytesIO(deployed["zip"])) as archive:
            archive.extractall(code)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", CHILD, code, *map(str, CHILD_ARGUMENTS)],
            env={"PATH": os.environ["PATH"], **deployed["environment"]},
            capture_output=True,
            check=True,
        )
    return dict(json.loads(done.stdout))


def function_of(cloud: dict[str, str]) -> dict[str, Any]:
    """The deployed stub: its zip, and what it finds in its environment."""
    session = boto3.Session(
        aws_access_key_id=cloud["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud["AWS_SECRET_ACCESS_KEY"],
        region_name=cloud["AWS_REGION"],
    )
    lambda_ = session.client("lambda", endpoint_url=cloud["AWS_ENDPOINT_URL"])
    name = next(one["FunctionName"] for one in lambda_.list_functions()["Functions"] if "Echo" in one["FunctionName"])
    found = lambda_.get_function(FunctionName=name)
    configuration = found["Configuration"]
    sts = session.client("sts", endpoint_url=cloud["AWS_ENDPOINT_URL"])
    keys = sts.assume_role(RoleArn=configuration["Role"], RoleSessionName="bench")["Credentials"]
    environment = {
        **configuration["Environment"]["Variables"],
        "AWS_ENDPOINT_URL": cloud["AWS_ENDPOINT_URL"],
        "AWS_REGION": cloud["AWS_REGION"],
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    return {"environment": environment, "zip": fetch(found["Code"]["Location"], cloud["AWS_ENDPOINT_URL"])}


def fetch(url: str, endpoint: str) -> bytes:
    import urllib.request

    local = re.sub(r"^https?://[^/]+", endpoint, url)
    with urllib.request.urlopen(local) as answer:
        return bytes(answer.read())


def main() -> None:
    arguments = options("What the bridge costs on the embedded cloud.").parse_args()
    lines = targets_table(measure())
    report("The bridge", lines, arguments, module="benchmarks.bridge")


if __name__ == "__main__":
    main()
