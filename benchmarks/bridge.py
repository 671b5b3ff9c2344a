"""The bridge of Live: what it adds to an invocation, by the way that it takes on AWS.

python -m benchmarks.bridge [--write]

The deployed stub runs from its zip in a process of its own, the Event API, bucket and parameter store are those of the
embedded cloud in another, and this process is the dev session. Its functions return their event at once, so that what
is measured is the way there and back. A last figure is of a thousand containers on a network in memory.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.results import Target, options, report, targets_table
from benchmarks.stub import BURSTS, IN_A_BURST, REST_S, interpreter
from skykite.aws import AwsSession
from skykite.model.bootstrap import EventApi, bootstrap_bucket, parse_event_api
from skykite.model.invocation import Invocation, Outcome, Report, Succeeded
from skykite.model.live import lease_key, replies_prefix, requests_channel, stage_key_name
from skykite.model.names import FunctionId
from skykite.model.stub_package import build_stub_package

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for `kit`

APP, STAGE = "bench", "bridge"
FUNCTION = FunctionId("Bench/Echo")
LARGE = 6 * 1024 * 1024 - 100
LARGE_TURNS = 7
CONTAINERS = 1000

# Times of `bursts` times `in_a_burst` invocations of 1 KB with a rest between bursts, then of `turns` of `large` bytes.
CHILD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from kite_stub.live import stub
bursts, in_a_burst, rest, turns, large = (float(word) for word in sys.argv[2:])
class Context:
    aws_request_id = "8f507cfc-1234-4697-b07a-ac58fc914c95"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:bench"
    def get_remaining_time_in_millis(self): return 900_000
def timed(event):
    began = time.perf_counter()
    stub.handler(event, Context())
    return (time.perf_counter() - began) * 1000
small, big = [], []
for _ in range(int(bursts)):
    small += [timed({"body": "x" * 1000}) for _ in range(int(in_a_burst))]
    time.sleep(rest)
for _ in range(int(turns)):
    big.append(timed("x" * int(large)))
    time.sleep(rest)
print(json.dumps({"small": small, "big": big}))
"""


class Echo:
    """An invoker whose functions take no time."""

    async def invoke(self, invocation: Invocation) -> Outcome:
        return Succeeded(payload=invocation.payload, report=Report(duration_ms=0.0))


@dataclass(frozen=True)
class Cloud:
    """The embedded cloud, bootstrapped."""

    url: str
    region: str
    account: str
    keys: dict[str, str]
    api: EventApi

    def session(self) -> AwsSession:
        return AwsSession(region=self.region, endpoint_url=self.url, **self.keys)

    def stub_environment(self) -> dict[str, str]:
        live = {
            "v": 1,
            "http": self.api.http_host,
            "ws": self.api.realtime_host,
            "requests": requests_channel(APP, STAGE),
            "replies": replies_prefix(APP, STAGE),
            "lease": {"bucket": bootstrap_bucket(self.account, self.region), "key": lease_key(APP, STAGE)},
            "key": stage_key_name(APP, STAGE),
            "function": FUNCTION,
            "app": APP,
            "stage": STAGE,
        }
        return {
            "KITE_LIVE": json.dumps(live),
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.keys["secret_access_key"],
        }


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy
    from skykite.deploy.bootstrap import bootstrap_template

    with tempfile.TemporaryDirectory(prefix="kite-bench-") as folder:
        running = RunningCloud(Path(folder) / ".kite" / "local").start()
        try:
            template = bootstrap_template(REGION)
            stack = deploy(running, "skykite-bootstrap", template["Resources"], Outputs=template["Outputs"])
            address = running.address
            assert address is not None
            yield Cloud(
                url=address.url,
                region=REGION,
                account=ACCOUNT,
                keys={"access_key_id": address.access_key_id, "secret_access_key": address.secret_access_key},
                api=parse_event_api(stack["OutputValues"], region=REGION),
            )
        finally:
            running.close()


@asynccontextmanager
async def dev_session(cloud: Cloud) -> AsyncIterator[None]:
    from kit.cloud import RealClock, RecordedEvents
    from skykite.live.opening import open_bridge

    aws = cloud.session()
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as state:
        bridge = await open_bridge(
            aws=aws,
            api=cloud.api,
            bucket=bootstrap_bucket(cloud.account, cloud.region),
            app=APP,
            stage=STAGE,
            invoker=Echo(),
            events=RecordedEvents(),
            clock=RealClock(),
            state=Path(state),
        )
        bridge.serve([FUNCTION])
        try:
            await bridge.start()
            yield
        finally:
            await bridge.stop()
            aws.close()


async def there_and_back(cloud: Cloud) -> dict[str, list[float]]:
    """What the stub's process measured, by size."""
    with tempfile.TemporaryDirectory(prefix="kite-stub-") as folder:
        with zipfile.ZipFile(io.BytesIO(build_stub_package().content)) as archive:
            archive.extractall(folder)
        numbers = [str(number) for number in (BURSTS, IN_A_BURST, REST_S, LARGE_TURNS, LARGE)]
        async with dev_session(cloud):
            child = await asyncio.create_subprocess_exec(
                interpreter(),
                *("-B", "-I", "-S", "-c", CHILD, folder, *numbers),
                env={"PATH": os.environ["PATH"], **cloud.stub_environment()},
                stdout=subprocess.PIPE,
            )
            output, _ = await child.communicate()
    return dict(json.loads(output))


async def a_thousand_at_once() -> tuple[float, int]:
    """Seconds, and how many were answered."""
    from kit.bridge import running_bridge
    from skykite_lambda.wire import Returned

    async with running_bridge() as running:
        stubs = [running.stub() for _ in range(CONTAINERS)]
        began = time.perf_counter()
        for stub in stubs:
            stub.begin({"body": "x" * 1000})
        outcomes: list[Any] = await asyncio.gather(*(stub.outcome() for stub in stubs))
        return time.perf_counter() - began, sum(isinstance(one, Returned) for one in outcomes)


def measure() -> list[Target]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with running_cloud() as cloud:
            times = runner.run(there_and_back(cloud))
        seconds, answered = runner.run(a_thousand_at_once())
    small, big = sorted(times["small"][1:]), sorted(times["big"])
    p50, p99 = small[len(small) // 2], small[len(small) * 99 // 100]
    return [
        Target(
            what="bridge: an invocation of 1 KB, there and back",
            wanted="p50 < 3 ms, p99 < 15 ms",
            measured=f"{p50:.2f} / {p99:.2f} ms (worst {small[-1]:.1f} ms of {len(small)})",
            reached=p50 < 3 and p99 < 15,
        ),
        Target(
            what="bridge: 6 MB there and back",
            wanted="< 1 s",
            measured=f"{big[len(big) // 2] / 1000:.2f} s (worst {big[-1] / 1000:.2f} s of {len(big)})",
            reached=big[-1] < 1000,
        ),
        Target(
            what=f"bridge: {CONTAINERS:,} containers at once, in memory",
            wanted="all answered",
            measured=f"{answered:,} in {seconds:.2f} s",
            reached=answered == CONTAINERS,
        ),
    ]


def main() -> None:
    arguments = options("The bridge of Live, measured.").parse_args()
    report("Bridge", targets_table(measure()), arguments, module="benchmarks.bridge")


if __name__ == "__main__":
    main()
