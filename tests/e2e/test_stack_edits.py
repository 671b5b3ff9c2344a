"""Stacks that are edited while `kite dev --local` runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kit.http import fetch
from kit.kite import dev, kite

STACKS = """
from skykite import Api, App, Queue, Stack


def main(app: App) -> None:
    stack = Stack(app, "NotesStack")
    jobs = Queue(stack, "Jobs"{consumer})
    Api(stack, "Api", defaults={{"function": {{"link": [jobs]}}}}, routes={{"GET /": "functions/jobs.send"}})
"""
HANDLERS = """
from pathlib import Path

import boto3
from skykite_lambda import resource


def send(event, context):
    boto3.client("sqs").send_message(QueueUrl=resource.Jobs.url, MessageBody=event["rawQueryString"])


def work(event, context):
    for record in event["Records"]:
        Path({folder!r}, record["body"]).touch()
"""
CONSUMER = ', consumer="functions/jobs.work"'


async def test_a_consumer_that_is_added_gets_nothing_and_one_that_is_removed_goes_on(tmp_path: Path) -> None:
    made = await kite("init", "notes", "--template", "hello", cwd=tmp_path)
    assert made.code == 0, made.stderr
    root, done = tmp_path / "notes", tmp_path / "done"
    done.mkdir()
    (root / "functions" / "jobs.py").write_text(HANDLERS.format(folder=str(done)))
    stacks = root / "stacks" / "app.py"
    stacks.write_text(STACKS.format(consumer=""))
    async with dev(root, "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        for job in ("first", "second"):
            assert (await fetch("GET", f"{url}/?{job}")).status == 200  # once what was saved is deployed
            assert not (done / job).exists(), "there is no consumer"
            stacks.write_text(STACKS.format(consumer=CONSUMER))
            async with asyncio.timeout(30):
                while not (done / job).exists():
                    await asyncio.sleep(0.01)
            stacks.write_text(STACKS.format(consumer=""))
