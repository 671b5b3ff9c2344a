"""Save of a stack file to working: a route that is added, a consumer that is added to a queue with a message in it.

    python -m benchmarks.stacks [--saves 10]

From outside: the save, then a request to the new route until it answers, or the file that the consumer writes. Between
saves there is time for `kite dev` to prepare for the next, as there is between those of a person.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import Target, options, report, targets_table
from benchmarks.server import Server, answer
from benchmarks.session import project, session

SAVES = 10
PAUSE_S = 4.0
NEVER_AFTER_S = 30

MAIN = """
from skykite import Api, App, Queue, Stack


def main(app: App) -> None:
    stack = Stack(app, "BenchStack")
    jobs = Queue(stack, "Jobs"{consumer})
    routes = {{"GET /": "functions/bench.answer", "GET /send": "functions/bench.send"{route}}}
    Api(stack, "Api", defaults={{"function": {{"link": [jobs]}}}}, routes=routes)
"""
HANDLERS = """
from pathlib import Path

import boto3
from skykite_lambda import resource


def answer(event, context):
    return "here"


def send(event, context):
    boto3.client("sqs").send_message(QueueUrl=resource.Jobs.url, MessageBody=event["rawQueryString"])


def work(event, context):
    for record in event["Records"]:
        Path({folder!r}, record["body"]).touch()
"""


def measure(saves: int = SAVES) -> tuple[Target, ...]:
    with project() as folder:
        received = folder.with_name("received")
        received.mkdir()
        (folder / "functions" / "bench.py").write_text(HANDLERS.format(folder=str(received)))
        save(folder)
        with session(folder) as running:
            routes = [added_route(folder, running, number) for number in range(saves)]
            consumers = [added_consumer(folder, running, received / f"job{number}") for number in range(saves)]
    return (milliseconds("a route", routes), milliseconds("a consumer of a queue", consumers))


def added_route(folder: Path, running: Server, number: int) -> float:
    time.sleep(PAUSE_S)
    return timed(
        lambda: save(folder, route=f', "GET /{number}": "functions/bench.answer"'),
        lambda: answer(running.port, f"/{number}") == (200, "here"),
    )


def added_consumer(folder: Path, running: Server, job: Path) -> float:
    save(folder)
    answer(running.port, f"/send?{job.name}")  # which waits until what was saved is deployed
    time.sleep(PAUSE_S)
    return timed(lambda: save(folder, consumer=', consumer="functions/bench.work"'), job.exists)


def save(folder: Path, *, route: str = "", consumer: str = "") -> None:
    (folder / "stacks" / "app.py").write_text(MAIN.format(route=route, consumer=consumer))


def timed(act: Callable[[], None], done: Callable[[], bool]) -> float:
    """Milliseconds from the end of `act` until `done`."""
    act()
    began = time.perf_counter()
    while not done():
        if time.perf_counter() - began > NEVER_AFTER_S:
            raise RuntimeError(f"what was saved does not work {NEVER_AFTER_S} s later")
        time.sleep(0.002)
    return (time.perf_counter() - began) * 1000


def milliseconds(what: str, values: list[float]) -> Target:
    median = statistics.median(values)
    return Target(
        what=f"save of the stacks → {what} works, p50",
        wanted="< 1000 ms",
        measured=f"{median:.0f} ms (fastest {min(values):.0f} ms, worst {max(values):.0f} ms of {len(values)})",
        reached=median < 1000,
    )


def main() -> None:
    parser = options("Save of a stack file to working.")
    parser.add_argument("--saves", type=int, default=SAVES)
    arguments = parser.parse_args()
    report("Save to new infrastructure", targets_table(measure(arguments.saves)), arguments, module="benchmarks.stacks")


if __name__ == "__main__":
    main()
