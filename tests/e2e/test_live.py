"""Live from outside: `kite cloud start`, `kite dev --local --bridge`, and everything that can trigger a function.

The stub, the bootstrap stack, signatures, transport and protocol are those of AWS; the cloud is the embedded one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from kit.http import fetch
from kit.kite import Dev, dev, kite

APP = """\
import aws_cdk
from aws_cdk import aws_events, aws_events_targets, aws_lambda_event_sources, aws_sqs
from skykite import Api, App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    dead = aws_sqs.Queue(stack, "Dead")
    queue = aws_sqs.Queue(
        stack,
        "Orders",
        visibility_timeout=aws_cdk.Duration.seconds(2),
        dead_letter_queue=aws_sqs.DeadLetterQueue(queue=dead, max_receive_count=2),
    )
    worker = Function(stack, "Worker", "functions/worker.run", environment={"WORD": "here"})
    worker.cdk.function.add_event_source(
        aws_lambda_event_sources.SqsEventSource(queue, report_batch_item_failures=True)
    )
    inner = Function(stack, "Inner", "functions/nested.inner")
    outer = Function(stack, "Outer", "functions/nested.outer", environment={"INNER": inner.name}, permissions=[inner])
    tick = Function(stack, "Tick", "functions/tick.run")
    aws_events.Rule(
        stack,
        "EveryMinute",
        schedule=aws_events.Schedule.rate(aws_cdk.Duration.minutes(1)),
        targets=[aws_events_targets.LambdaFunction(tick.cdk.function)],
    )
    api = Api(
        stack,
        "Api",
        routes={"GET /": "functions/web.hello", "GET /fails": "functions/web.fails", "POST /": "functions/web.echo"},
    )
    for name in ("Slow", "Many"):
        Function(stack, name, f"functions/web.{name.lower()}", timeout=60)
    stack.add_outputs(Endpoint=api.url, QueueUrl=queue.queue_url, DeadUrl=dead.queue_url)
"""

FUNCTIONS = {
    "web.py": """\
import os, time

def hello(event, context):
    return {"hello": "one", "function": context.function_name, "left": context.get_remaining_time_in_millis()}

def echo(event, context):
    return event["body"]

class OrderError(Exception):
    pass

def fails(event, context):
    raise OrderError("no such order")

def slow(event, context):
    until = time.monotonic() + event["seconds"]
    while time.monotonic() < until and not os.path.exists(event.get("file", "")):
        time.sleep(0.05)
    return "slept"

def many(event, context):
    return event["number"]
""",
    "worker.py": """\
import os

def run(event, context):
    failed = []
    for record in event["Records"]:
        print(os.environ["WORD"], record["body"])
        if record["body"] == "poison":
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
""",
    "nested.py": """\
import json, os
import boto3

def outer(event, context):
    answer = boto3.client("lambda").invoke(FunctionName=os.environ["INNER"], Payload=json.dumps(event))
    return {"inner": json.load(answer["Payload"])}

def inner(event, context):
    return event["number"] + 1
""",
    "tick.py": "def run(event, context):\n    print('tick', event['detail-type'])\n",
}


def write_project(folder: Path) -> None:
    (folder / "stacks").mkdir(parents=True)
    (folder / "functions").mkdir()
    (folder / "kite.toml").write_text('name = "live"\nregion = "eu-west-1"\n')
    (folder / "stacks" / "app.py").write_text(APP)
    for name, text in FUNCTIONS.items():
        (folder / "functions" / name).write_text(text)


class Aws:
    """The embedded cloud as boto3 sees it, with the names of what the stack made."""

    def __init__(self, variables: dict[str, str], stack: str) -> None:
        self.variables = variables
        self._session = boto3.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
        )
        listed = self.client("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
        self._functions = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in listed
            if one["ResourceType"] == "AWS::Lambda::Function"
        }

    def client(self, service: str, *, connections: int = 64) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=connections)
        return self._session.client(service, endpoint_url=self.variables["AWS_ENDPOINT_URL"], config=config)

    def names(self) -> list[str]:
        """The functions' logical ids."""
        return list(self._functions)

    def function(self, name: str) -> str:
        """Its physical name; logical ids end in a hash of 8 digits."""
        return next(physical for logical, physical in self._functions.items() if logical[:-8] == name)

    async def invoke(self, name: str, event: object, kind: str = "RequestResponse") -> tuple[str | None, Any]:
        """The function error and the payload."""
        function = self.function(name)
        answer = await asyncio.to_thread(
            self.client("lambda").invoke, FunctionName=function, Payload=json.dumps(event), InvocationType=kind
        )
        body = await asyncio.to_thread(answer["Payload"].read)
        return answer.get("FunctionError"), json.loads(body) if body else None


@asynccontextmanager
async def kept_cloud(folder: Path) -> AsyncIterator[dict[str, str]]:
    """The variables that point at it."""
    started = await kite("cloud", "start", cwd=folder)
    assert started.code == 0, started.stderr
    try:
        told = await kite("cloud", "env", "--format", "json", cwd=folder)
        yield json.loads(told.stdout)
    finally:
        assert (await kite("cloud", "stop", cwd=folder)).code == 0


def bridge(folder: Path, *args: str) -> Any:
    return dev(folder, "--bridge", "--stage", "alice", *args)


async def finished(session: Dev, function: str, timeout: float = 60) -> Any:
    return await session.event("invocation.finished", lambda event: function in event["function"], timeout)


@pytest.mark.timeout(180)
async def test_every_trigger_reaches_this_machine_and_a_killed_session_loses_nothing_unsaid(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    write_project(folder)
    async with kept_cloud(folder) as variables:
        async with bridge(folder) as session:
            ready = await session.ready()
            stack = next(iter(ready["outputs"]))
            outputs = ready["outputs"][stack]
            url = outputs["Endpoint"]
            aws = await asyncio.to_thread(Aws, variables, stack)

            # An API: the answer, the trigger, the bridge's share, an error as the function raised it.
            answer = await fetch("GET", f"{url}/")
            assert answer.status == 200
            assert answer.json()["function"] == aws.function("ApiGET")
            assert 0 < answer.json()["left"] <= 10_000
            done = await finished(session, "Api/GET")
            assert done["trigger"] == {"kind": "http", "label": "GET /"}
            assert done["bridge_ms"] > 0
            assert (await fetch("GET", f"{url}/fails")).status == 500
            error, document = await aws.invoke("ApiGETfails", {})
            assert error == "Unhandled"
            assert (document["errorType"], document["errorMessage"]) == ("OrderError", "no such order")
            assert document["stackTrace"] == [
                f'  File "{folder}/functions/web.py", line 13, in fails\n    raise OrderError("no such order")\n'
            ]

            # Never stale.
            web = folder / "functions" / "web.py"
            web.write_text(FUNCTIONS["web.py"].replace('"one"', '"two"'))
            assert (await fetch("GET", f"{url}/")).json()["hello"] == "two"

            # A queue with a poisoned message, which ends in the dead-letter queue.
            sqs = aws.client("sqs")
            for body in ("good", "poison"):
                await asyncio.to_thread(sqs.send_message, QueueUrl=outputs["QueueUrl"], MessageBody=body)
            done = await finished(session, "Worker")
            assert done["trigger"]["label"] == "sqs S/Orders/Resource" or "sqs" in done["trigger"]["label"]
            await dead_letter(sqs, outputs["DeadUrl"], "poison")

            # A function that calls a function.
            (folder / "event.json").write_text('{"number": 1}')
            invoked = await kite("invoke", "Outer", "--stage", "alice", "--event", "event.json", cwd=folder)
            assert (invoked.code, json.loads(invoked.stdout)) == (0, {"inner": 2})
            assert "REPORT" not in invoked.stderr  # of the stub, whose time and memory are not the function's
            assert "`S/Outer` is live" in invoked.stderr

            # 6 MB both ways.
            large = "x" * (6 * 1024 * 1024 - 2)
            error, document = await aws.invoke("Many", {"number": large[: len(large) - 20]})
            assert (error, len(document)) == (None, len(large) - 20)

            # In the middle of an invocation, the session is killed.
            running = asyncio.create_task(aws.invoke("Slow", {"seconds": 50}))
            await session.event("invocation.started", lambda event: "Slow" in event["function"])
            os.kill(session.pid, signal.SIGKILL)
            error, document = await running
            assert (error, document["errorType"]) == ("Unhandled", "LiveDevLost")

        # Again: it takes what comes now. At the end it says so, and who calls then is told at once.
        async with bridge(folder) as session:
            await session.ready()
            assert await aws.invoke("Many", {"number": 3}) == (None, 3)
            assert await session.stop() == 0
        error, document = await aws.invoke("Many", {"number": 3})
        assert (error, document["errorType"]) == ("Unhandled", "LiveDevOffline")
        assert "kite dev" in document["errorMessage"]
        assert "alice" in document["errorMessage"]
        answer = await fetch("GET", f"{url}/")
        assert answer.status == 503
        assert "kite dev" in answer.text


async def dead_letter(sqs: Any, url: str, body: str) -> None:
    async with asyncio.timeout(60):
        while True:
            got = await asyncio.to_thread(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=1)
            if [message["Body"] for message in got.get("Messages", ())] == [body]:
                return


@pytest.mark.timeout(180)
async def test_a_second_session_takes_over_and_the_first_finishes_what_it_runs_and_deploys_nothing(
    tmp_path: Path,
) -> None:
    first_folder, second_folder = tmp_path / "first", tmp_path / "second"
    write_project(first_folder)
    shutil.copytree(first_folder, second_folder)
    web = second_folder / "functions" / "web.py"
    web.write_text(FUNCTIONS["web.py"].replace('return event["number"]', 'return -event["number"]'))
    async with kept_cloud(first_folder) as variables, bridge(first_folder) as first:
        ready = await first.ready()
        aws = await asyncio.to_thread(Aws, variables, next(iter(ready["outputs"])))
        assert await aws.invoke("Many", {"number": 7}) == (None, 7)
        running = asyncio.create_task(aws.invoke("Slow", {"seconds": 50, "file": str(tmp_path / "enough")}))
        await first.event("invocation.started", lambda event: "Slow" in event["function"])
        elsewhere = {name: value for name, value in variables.items() if value}
        async with dev(second_folder, "--stage", "alice", env=elsewhere, local=False) as second:
            await second.ready()
            taken = await first.event("bridge.taken-over")
            assert taken["running"] == 1
            assert await aws.invoke("Many", {"number": 7}) == (None, -7)
            # What is saved where the first still runs something stays out of the second's stage.
            (first_folder / "stacks" / "app.py").write_text(APP + '    Function(stack, "Late", "functions/web.many")\n')
            failed = await first.event("reload.failed")
            assert failed["reason"] == "live-taken-over"
            (tmp_path / "enough").touch()
            assert await running == (None, "slept")
            assert await asyncio.wait_for(first.process.wait(), 30) != 0
            assert await aws.invoke("Many", {"number": 8}) == (None, -8)
            (stack,) = ready["outputs"]
            deployed = (await asyncio.to_thread(Aws, variables, stack)).names()
            assert [name for name in deployed if "Late" in name] == []


@pytest.mark.timeout(180)
async def test_only_chosen_functions_run_here_and_a_queue_keeps_what_comes_while_nobody_is_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "app"
    write_project(folder)
    async with kept_cloud(folder) as variables:
        async with bridge(folder, "--functions", "Worker,functions/web.many") as session:
            ready = await session.ready()
            assert sorted(ready["functions"]) == ["S/Many", "S/Worker"]
            stack, outputs = next(iter(ready["outputs"].items()))
            aws = await asyncio.to_thread(Aws, variables, stack)
            assert await aws.invoke("Many", {"number": 1}) == (None, 1)
            # The others run as deployed, and not here.
            assert (await fetch("GET", f"{outputs['Endpoint']}/")).json()["hello"] == "one"
            assert {event["function"] for event in session.events if event["code"] == "invocation.finished"} == {
                "S/Many"
            }
            assert await session.stop() == 0

        # A message that comes now is not lost: the function fails, and the queue does as its own rules say.
        sqs = aws.client("sqs")
        await asyncio.to_thread(sqs.send_message, QueueUrl=outputs["QueueUrl"], MessageBody="early")
        await dead_letter(sqs, outputs["DeadUrl"], "early")

        async with bridge(folder, "--functions", "Worker,functions/web.slow") as session:
            # Another choice changes the two functions that it is about, and no other.
            planned = await session.event("deploy.planned", lambda event: event["changes"])
            assert {one["path"].split("/")[1] for one in planned["changes"]} == {"Many", "Slow"}
            assert sorted((await session.ready())["functions"]) == ["S/Slow", "S/Worker"]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_thousand_invocations_at_once_are_all_answered(tmp_path: Path) -> None:
    write_project(tmp_path / "app")
    async with kept_cloud(tmp_path / "app") as variables, bridge(tmp_path / "app") as session:
        ready = await session.ready()
        aws = await asyncio.to_thread(Aws, variables, next(iter(ready["outputs"])))
        numbers = range(1000)
        client, function = aws.client("lambda", connections=1000), aws.function("Many")
        here = threading.Barrier(1000)

        def invoke(number: int) -> tuple[str | None, Any]:
            here.wait(60)
            answer = client.invoke(FunctionName=function, Payload=json.dumps({"number": number}))
            return answer.get("FunctionError"), json.load(answer["Payload"])

        with ThreadPoolExecutor(1000) as threads:
            answers = await asyncio.to_thread(lambda: list(threads.map(invoke, numbers)))
        assert answers == [(None, number) for number in numbers]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_schedule_fires_here(tmp_path: Path) -> None:
    write_project(tmp_path / "app")
    async with bridge(tmp_path / "app") as session:
        await session.ready()
        done = await finished(session, "Tick", timeout=90)
        assert "EveryMinute" in done["trigger"]["label"]
