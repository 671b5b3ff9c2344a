"""How long an event takes from its source to the code on this machine: queue, topic, bus, stream, table.

    python -m benchmarks.triggers [--write]

`kite dev --local` runs a project as a user would start it. The time counts from before the request that causes the
event to the first line of the handler; one event at a time, and for the queue a hundred that are sent as fast as one
sender can. Beside it: what an idle embedded cloud costs with twenty mapped queues.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3

from benchmarks.results import Target, options, report, targets_table
from benchmarks.server import clean_environment
from benchmarks.session import KITE, percentile

TIMES, PAUSE_S = 100, 0.05
IDLE_S, IDLE_QUEUES = 20, 20

APP = """\
from aws_cdk import RemovalPolicy, aws_dynamodb as dynamodb, aws_events as events, aws_events_targets as targets
from aws_cdk import aws_kinesis as kinesis, aws_lambda as lambda_, aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns, aws_sns_subscriptions as subscriptions, aws_sqs as sqs
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    work = Function(stack, "Work", "functions/work.run").cdk.function
    queue = sqs.Queue(stack, "Queue")
    work.add_event_source(sources.SqsEventSource(queue, batch_size=1))
    topic = sns.Topic(stack, "Topic")
    topic.add_subscription(subscriptions.LambdaSubscription(work))
    events.Rule(
        stack, "Rule", event_pattern=events.EventPattern(source=["bench"]), targets=[targets.LambdaFunction(work)]
    )
    stream = kinesis.Stream(stack, "Stream", stream_mode=kinesis.StreamMode.ON_DEMAND)
    latest = lambda_.StartingPosition.LATEST
    work.add_event_source(sources.KinesisEventSource(stream, starting_position=latest))
    table = dynamodb.Table(
        stack, "Table", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST, stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
        removal_policy=RemovalPolicy.DESTROY,
    )
    work.add_event_source(sources.DynamoEventSource(table, starting_position=latest))
    idle = Function(stack, "Idle", "functions/work.run").cdk.function
    for number in range({queues}):
        idle.add_event_source(sources.SqsEventSource(sqs.Queue(stack, f"Idle{{number}}")))
    stack.add_outputs(
        QueueUrl=queue.queue_url, TopicArn=topic.topic_arn, StreamName=stream.stream_name, TableName=table.table_name
    )
"""
HANDLER = """\
import time
began = time.time
import re


def run(event, context):
    now = began()
    for sent in re.findall(r"sent=([0-9.]+)", repr(event)):
        with open({told!r}, "a") as told:
            told.write(f"{{now - float(sent)}}\\n")
            return
"""


def measure() -> tuple[Target, ...]:
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as name, running(Path(name)) as (session, outputs, told):
        idle = idle_share(Path(name))
        causes = ways(session, outputs)
        told.write_text("")
        for cause in causes.values():
            cause()  # what is imported on first use, a worker that starts
        wait_lines(told, len(causes))
        found = {what: one_at_a_time(cause, told) for what, cause in causes.items()}
        burst = all_at_once(causes["a queue"], told)
    return (
        *(target for what, took in found.items() for target in latency(f"from {what} to local code", took)),
        *latency(f"from a queue to local code, {TIMES} sent without a pause", burst, worst=1000),
        Target(
            what=f"CPU of the embedded cloud, idle with {IDLE_QUEUES} mapped queues",
            wanted="< 1 %",
            measured=f"{idle * 100:.2f} % of one core",
            reached=idle < 0.01,
        ),
    )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[boto3.Session, dict[str, str], Path]]:
    """`kite dev --local` on the project of this benchmark; an AWS session on its cloud, outputs, the handler's file."""
    with tempfile.TemporaryDirectory(prefix="kite-told-") as beside:
        told = Path(beside) / "told"
        (folder / "stacks").mkdir()
        (folder / "functions").mkdir()
        (folder / "kite.toml").write_text('name = "bench"\nregion = "us-east-1"\n')
        (folder / "stacks" / "app.py").write_text(APP.format(queues=IDLE_QUEUES))
        (folder / "functions" / "work.py").write_text(HANDLER.format(told=str(told)))
        process = subprocess.Popen(
            [KITE, "dev", "--local", "--stage", "bench", "--output", "json"],
            cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            wait_ready(process)
            threading.Thread(target=drain, args=(process,), daemon=True).start()
            cloud = json.loads(ask(folder, "cloud", "env", "--format", "json"))
            [outputs] = json.loads(ask(folder, "outputs", "--json", "--stage", "bench")).values()
            os.environ["AWS_ENDPOINT_URL"] = cloud["AWS_ENDPOINT_URL"]
            yield (
                boto3.Session(
                    aws_access_key_id=cloud["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=cloud["AWS_SECRET_ACCESS_KEY"],
                    region_name=cloud["AWS_REGION"],
                ),
                outputs,
                told,
            )
        finally:
            process.terminate()
            process.wait(20)


def ask(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run([KITE, *arguments], cwd=folder, env=clean_environment(), capture_output=True, check=True)
    return done.stdout


def ways(session: boto3.Session, outputs: dict[str, str]) -> dict[str, Callable[[], None]]:
    """What causes an event, by where it comes from."""
    sqs, sns, events = (session.client(name) for name in ("sqs", "sns", "events"))
    kinesis, dynamodb = session.client("kinesis"), session.client("dynamodb")

    def now() -> str:
        return f"sent={time.time()}"

    def put_event() -> Any:
        return events.put_events(Entries=[{"Source": "bench", "DetailType": "x", "Detail": json.dumps({"at": now()})}])

    def put_record() -> Any:
        # The record's data would be base64; the partition key is not.
        return kinesis.put_record(StreamName=outputs["StreamName"], Data=b"x", PartitionKey=now())

    return {
        "a queue": lambda: sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody=now()) and None,
        "a topic": lambda: sns.publish(TopicArn=outputs["TopicArn"], Message=now()) and None,
        "a bus": lambda: put_event() and None,
        "a data stream": lambda: put_record() and None,
        "a table's stream": lambda: (
            dynamodb.put_item(TableName=outputs["TableName"], Item={"id": {"S": now()}}) and None
        ),
    }


def one_at_a_time(cause: Callable[[], None], told: Path) -> list[float]:
    """Milliseconds."""
    told.write_text("")
    for number in range(TIMES):
        cause()
        wait_lines(told, number + 1)
        time.sleep(PAUSE_S)
    return milliseconds(told)


def all_at_once(cause: Callable[[], None], told: Path) -> list[float]:
    told.write_text("")
    for _ in range(TIMES):
        cause()
    wait_lines(told, TIMES)
    return milliseconds(told)


def wait_lines(told: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while not told.exists() or told.read_bytes().count(b"\n") < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} events did not arrive")
        time.sleep(0.001)


def milliseconds(told: Path) -> list[float]:
    return [float(line) * 1000 for line in told.read_text().split()]


def latency(what: str, took: list[float], *, worst: int = 250) -> tuple[Target, Target]:
    p50, p99 = statistics.median(took), percentile(took, 0.99)
    return (
        Target(
            what=f"{what}, p50",
            wanted="≤ 100 ms",
            measured=f"{p50:.1f} ms (fastest {min(took):.1f} ms of {len(took)})",
            reached=p50 <= 100,
        ),
        Target(
            what=f"{what}, p99",
            wanted=f"≤ {worst} ms",
            measured=f"{p99:.1f} ms (worst {max(took):.1f} ms)",
            reached=p99 <= worst,
        ),
    )


def idle_share(folder: Path) -> float:
    """Of one core, that the embedded cloud's process takes while nothing happens."""
    time.sleep(3)
    process = next(pid for pid in _processes() if _runs_cloud(pid, folder))
    before = _cpu_s(process)
    time.sleep(IDLE_S)
    return (_cpu_s(process) - before) / IDLE_S


def _processes() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def _runs_cloud(pid: int, folder: Path) -> bool:
    try:
        command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
        return b"skykite_cloud" in command and (Path("/proc") / str(pid) / "cwd").resolve().is_relative_to(
            folder.resolve()
        )
    except OSError:
        return False


def _cpu_s(pid: int) -> float:
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["code"] == "dev.ready":
            return
    raise RuntimeError("`kite dev --local` did not come up")


def drain(process: subprocess.Popen[bytes]) -> None:
    """Events that nobody reads would stop the session once the pipe is full."""
    assert process.stdout is not None
    while process.stdout.read1(65536):  # type: ignore[attr-defined]
        pass


def main() -> None:
    arguments = options("How long an event takes from its source to local code.").parse_args()
    report("Triggers", targets_table(measure()), arguments, module="benchmarks.triggers")


if __name__ == "__main__":
    main()
