"""The bridge's protocol: what it survives on a simulated network, what it keeps in memory, what it costs.

    python -m benchmarks.wire [--calls 10000] [--hours 8]

The network is `tests/kit/network.py`: virtual time, seeded chance. It asserts with every run that it is the only one of
its call, and with every answer that it is that run's.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
import tracemalloc
from pathlib import Path

from benchmarks.results import Target, options, report, targets_table
from skykite_lambda.wire import (
    DevMachine,
    Download,
    Fetch,
    InvocationHead,
    Invoke,
    NeedDownloadUrl,
    NeedUploadUrl,
    Returned,
    StubMachine,
    Upload,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kit.network import Network, Stub, Weather

CALLS = 10_000
CONTAINERS = 50
HOURS = 8.0
KEY = bytes(range(32))


FINE = Weather(delay=0.03, jitter=0.02)


def bad(loss: float) -> Weather:
    return Weather(loss=loss, duplication=0.1, jitter=0.5)


def answered(calls: int, weather: Weather, *, devs: int = 1, **options: bool) -> Network:
    """So many calls, one after the other on each of the containers."""
    network = Network(1, weather, keep_events=False)
    for _ in range(devs):
        network.dev(work=0.02)
    schedule(network, calls, **options)
    network.run(calls / CONTAINERS * 2 + 300)
    return network


def schedule(network: Network, calls: int, **options: bool) -> None:
    stubs = [network.stub(**options) for _ in range(CONTAINERS)]
    for number in range(calls):
        network.call(stubs[number % CONTAINERS], after=number / CONTAINERS * 2 + network.chance.random())


def changing(calls: int) -> Network:
    """Every ten seconds the session is killed, ends, is taken over, or sleeps."""
    network = Network(1, bad(0.20), keep_events=False)
    network.dev(work=0.2)
    schedule(network, calls)
    for number in range(round(calls / CONTAINERS * 2 / 10)):
        network.run(10)
        dev = network.devs[-1]
        if number % 4 == 3:
            dev.sleep(5.0, clock_stops=True)
            continue
        if number % 4 == 0:
            dev.crash()
        elif number % 4 == 1:
            dev.bye()
        new = network.dev(work=0.2, after=() if number % 4 == 2 else [dev])
        new.machine.take_over(network.now)
        new.settle()
        network.devs[:] = [one for one in network.devs if one.alive][-4:]
    network.run(300)
    return network


def under_loss(calls: int) -> tuple[Target, ...]:
    five = answered(calls, bad(0.05))
    twenty = answered(calls, bad(0.20))
    two = answered(calls, bad(0.20), devs=2)
    changes = changing(calls)
    few = calls // 10
    asked, granted = answered(few, FINE, grants_early=False), answered(few, FINE)
    before, after = (sum(stub.published for stub in network.stubs.values()) / few for network in (asked, granted))
    return (
        Target(
            what=f"{calls:,} invocations, 5 % loss, 10 % duplication, 500 ms jitter: answered, run once",
            wanted="100 %",
            measured=f"{five.answered / calls:.2%}, {five.datagrams / calls:.2f} datagrams each",
            reached=five.answered == len(five.run_calls) == calls,
        ),
        Target(
            what=f"{calls:,} invocations, 20 % loss, the same else: answered, run at most once",
            wanted="≥ 99.9 %",
            measured=f"{twenty.answered / calls:.2%}, {twenty.datagrams / calls:.2f} datagrams each",
            reached=twenty.answered >= 0.999 * calls,
        ),
        Target(
            what="two sessions under 20 % loss: executed twice",
            wanted="0",
            measured=f"0 of {len(two.run_calls):,} ({two.answered / calls:.2%} answered)",
            reached=len(two.run_calls) <= calls,  # a second execution ends the simulation
        ),
        Target(
            what="the same while every 10 s a session is killed, ends, is taken over or sleeps: executed twice",
            wanted="0",
            measured=f"0 of {len(changes.run_calls):,} ({changes.answered / calls:.2%} answered)",
            reached=len(changes.run_calls) <= calls,
        ),
        Target(
            what="publishes of a stub, for a small invocation in fine weather",
            wanted="≤ 3",
            measured=f"{after:.2f} ({before:.2f} without early grants)",
            reached=after <= 3,
        ),
        Target(
            what="datagrams of both sides, the same",
            wanted="≤ 5",
            measured=f"{granted.datagrams / few:.2f} ({asked.datagrams / few:.2f} without early grants)",
            reached=granted.datagrams / few <= 5,
        ),
    )


def soak(hours: float) -> tuple[Target, ...]:
    """Two invocations a second; a container lives for ten minutes, and every hour has a minute of silence."""
    tracemalloc.start()
    network = Network(1, bad(0.05), keep_events=False)
    dev = network.dev(work=0.02)
    sizes = []
    total = 0
    for _hour in range(round(hours)):
        for _ten_minutes in range(6):
            stubs = [network.stub() for _ in range(20)]
            for number in range(1140):
                network.call(stubs[number % 20], after=number / 2)
                total += 1
            network.run(600)
            for stub in stubs:
                stub.alive = False
                del network.stubs[stub.machine.session]
            del stubs, stub
        network.run(60)
        gc.collect()
        sizes.append(sum(trace.size for trace in wire_traces()))
    tracemalloc.stop()
    retained = {name: count for name, count in dev.machine.retained.items() if count}
    return (
        Target(
            what=f"memory of the machines after {hours:g} simulated hours ({total:,} invocations), against one hour",
            wanted="no growth",
            measured=f"{sizes[0] / 1024:.0f} KB → {sizes[-1] / 1024:.0f} KB (kept: {retained})",
            reached=sizes[-1] <= sizes[0] * 1.1 and network.answered >= total * 0.999,
        ),
    )


def wire_traces() -> list[tracemalloc.Statistic]:
    here = tracemalloc.Filter(True, "*/skykite_lambda/wire/*")
    return tracemalloc.take_snapshot().filter_traces([here]).statistics("lineno")


class Bench:
    """Both machines, and nothing between them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stub = StubMachine(os.urandom(16), KEY, os.urandom, 0.0)
        self.dev = DevMachine(os.urandom(16), 1, KEY, os.urandom, 0.0)

    def pump(self) -> None:
        stub, dev, now = self.stub, self.dev, self.now
        while True:
            out, back = stub.outgoing(), dev.outgoing()
            for _, datagram in out:
                dev.receive(datagram, now)
            for _, datagram in back:
                stub.receive(datagram, now)
            if not out and not back:
                return

    def invoke(self, payload: bytes, result: bytes) -> None:
        self.now += 0.05
        stub, dev = self.stub, self.dev
        stub.tick(self.now)
        dev.tick(self.now)
        stub.begin(InvocationHead("Fn", "request", "arn"), payload, self.now)
        while stub.outcome is None:
            self.pump()
            for event in dev.events():
                if isinstance(event, Invoke):
                    dev.returned(event.id, result, self.now)
                elif isinstance(event, NeedUploadUrl):
                    dev.upload_url(event.id, "https://s3.test/put", [], self.now)
                elif isinstance(event, NeedDownloadUrl):
                    dev.download_url(event.id, "https://s3.test/get", self.now)
                elif isinstance(event, Fetch):
                    dev.fetched(event.id, payload, self.now)
            if isinstance(stub.wants, Upload):
                stub.uploaded(self.now)
            elif isinstance(stub.wants, Download):
                stub.downloaded(result, self.now)
        self.pump()
        dev.events()
        assert stub.outcome == Returned(result)


def cost() -> tuple[Target, ...]:
    bench = Bench()
    small = b'{"key": "value"}' * 60
    times = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(1000):
            bench.invoke(small, small)
        times.append((time.process_time() - start) / 1000)
    small_ms = min(times) * 1000
    document = b'{"items": [%s]}' % b", ".join(b'{"id": %d, "name": "item"}' % n for n in range(200_000))
    large, inline = document[: 6 * 1024 * 1024 - 1], document[: 1024 * 1024]
    noise = random.Random(1).randbytes(1024 * 1024)
    large_s, inline_s, noise_s = (processor_seconds(bench, payload) for payload in (large, inline, noise))
    return (
        Target(
            what="a small invocation through both machines, processor time",
            wanted="< 0.5 ms",
            measured=f"{small_ms:.3f} ms",
            reached=small_ms < 0.5,
        ),
        Target(
            what=f"{len(large) / 2**20:.0f} MB each way (through S3), processor time",
            wanted="< 0.3 s",
            measured=f"{large_s:.3f} s",
            reached=large_s < 0.3,
        ),
        Target(
            what="1 MB each way in messages, processor time",
            wanted="< 0.3 s",
            measured=f"{inline_s:.3f} s (does not compress: {noise_s:.3f} s)",
            reached=max(inline_s, noise_s) < 0.3,
        ),
    )


def processor_seconds(bench: Bench, payload: bytes) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        bench.invoke(payload, payload)
        times.append(time.process_time() - start)
    return min(times)


def many() -> tuple[Target, ...]:
    network = Network(1, Weather(loss=0.02, jitter=0.1), keep_events=False)
    dev = network.dev(work=2.0)
    stubs: list[Stub] = [network.stub() for _ in range(1000)]
    noise = random.Random(1).randbytes(20_000)
    for number, stub in enumerate(stubs):
        network.call(stub, b"%d " % number + noise, timeout=120.0)
    most = 0
    for _ in range(400):
        network.run(0.05)
        most = max(most, dev.machine.retained["held"] + dev.machine.retained["buffered"])
    return (
        Target(
            what="1,000 concurrent invocations of 20 KB: answered; most bytes of requests held at a time",
            wanted="1,000; < 64 MB",
            measured=f"{network.answered:,}; {most / 2**20:.1f} MB",
            reached=network.answered == 1000 and most < 64 * 2**20,
        ),
    )


def measure(calls: int = CALLS, hours: float = HOURS) -> tuple[Target, ...]:
    return (*under_loss(calls), *many(), *cost(), *soak(hours))


def main() -> None:
    parser = options("The bridge's protocol: what it survives, what it keeps, what it costs.")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--hours", type=float, default=HOURS, help="of simulated time in the soak")
    arguments = parser.parse_args()
    report(
        "Wire protocol", targets_table(measure(arguments.calls, arguments.hours)), arguments, module="benchmarks.wire"
    )


if __name__ == "__main__":
    main()
