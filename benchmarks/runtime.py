"""The runtime alone, without HTTP: invocations per second, what a save and a start cost, what memory it takes.

python benchmarks/runtime.py [--asyncio]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from skykite.model.events import Event
from skykite.model.invocation import FunctionConfig, Invocation, Succeeded, Trigger, parse_handler
from skykite.model.names import FunctionId, RequestId
from skykite.runtime import Runtime
from skykite.runtime.starter import Starter, StartMode

HANDLERS = {
    "hello": "def handler(event, context):\n    return {'statusCode': 200, 'body': 'Hello, World!'}\n",
    "table": (
        "import boto3\ntable = boto3.resource('dynamodb').Table('notes')\n"
        "def handler(event, context):\n    return {'statusCode': 200}\n"
    ),
}
PAYLOAD = b'{"version": "2.0", "rawPath": "/", "headers": {"accept": "*/*"}, "requestContext": {"time": "now"}}'


class System:
    """A clock, and events that nobody reads."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def emit(self, event: Event) -> None:
        pass


def function(root: Path, name: str) -> FunctionConfig:
    return FunctionConfig(
        id=FunctionId(name),
        name=name,
        arn=f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        handler=parse_handler(f"functions/{name}.handler"),
        import_root=root,
        project_root=root,
        runtime="python3.12",
        memory_mb=1024,
        timeout_s=30,
        environment={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        region="us-east-1",
    )


async def call(runtime: Runtime, name: str) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    outcome = await runtime.invoke(
        Invocation(
            request_id=RequestId(str(uuid.uuid4())),
            function=FunctionId(name),
            payload=PAYLOAD,
            trigger=Trigger(kind="invoke"),
        )
    )
    assert isinstance(outcome, Succeeded), outcome
    return (time.perf_counter() - started) * 1000


async def load(runtime: Runtime, name: str, *, total: int, concurrency: int) -> str:
    times: list[float] = []

    async def worker() -> None:
        for _ in range(total // concurrency):
            times.append(await call(runtime, name))  # noqa: PERF401  (one after the other is the point)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    elapsed = time.perf_counter() - started
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return f"{len(times) / elapsed:8.0f}/s   p50 {p50:.3f} ms   p99 {p99:.3f} ms"


async def reload(runtime: Runtime, root: Path, name: str) -> str:
    """From a save to the first answer of the new code."""
    times = []
    for number in range(30):
        (root / f"functions/{name}.py").write_text(HANDLERS[name] + f"# {number}\n")
        times.append(await call(runtime, name))
    return f"p50 {statistics.median(times):.1f} ms   worst {max(times):.1f} ms"


def memory() -> str:
    """Of all workers of ours, in MB: as `ps` counts, and with what they share counted once (Linux only)."""
    rss = pss = processes = 0
    todo = [str(pid) for pid in Path("/proc/self/task").iterdir()]
    children = [child for task in todo for child in Path(task, "children").read_text().split()]
    while children:
        pid = children.pop()
        children += Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            rss += int(rest.split()[0]) if name == "Rss" else 0
            pss += int(rest.split()[0]) if name == "Pss" else 0
        processes += 1
    return f"{processes} processes, RSS {rss / 1024:.0f} MB, PSS {pss / 1024:.0f} MB"


async def measure(mode: StartMode) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "functions").mkdir()
        for name, text in HANDLERS.items():
            (root / f"functions/{name}.py").write_text(text)
        system = System()
        starter = Starter(Path(sys.executable), mode=mode)
        runtime = Runtime(interpreter=Path(sys.executable), events=system, clock=system, starter=starter)
        await runtime.start()
        await runtime.configure([function(root, name) for name in HANDLERS])
        for name in HANDLERS:
            print(f"{mode:5} first answer, {name}: {await call(runtime, name):.1f} ms")
        if mode == "fork":
            await starter.ready.wait()
            for concurrency in (1, 10, 50):
                found = await load(runtime, "hello", total=10_000, concurrency=concurrency)
                print(f"{mode:5} hello, {concurrency:2} at a time: {found}")
        for name in HANDLERS:
            print(f"{mode:5} save to answer, {name}: {await reload(runtime, root, name)}")
        if sys.platform == "linux":
            print(f"{mode:5} memory: {memory()}")
        started = time.perf_counter()
        await runtime.stop()
        print(f"{mode:5} stop: {(time.perf_counter() - started) * 1000:.1f} ms")


def main() -> None:
    use_uvloop = sys.platform != "win32" and "--asyncio" not in sys.argv[1:]
    for mode in ("fork", "spawn"):
        if use_uvloop:
            import uvloop

            uvloop.run(measure(mode))
        else:
            asyncio.run(measure(mode))


if __name__ == "__main__":
    main()
