"""AWS's own runtime interface client as a client of our Runtime API, under the runtime that runs everything else."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kit.executables import ExecutableProject, executable_project, write_executable
from kit.runtime import write_file
from skykite.model.invocation import Failed, Succeeded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has wheels for Linux only")

HANDLERS = """
import os, time
def handler(event, context):
    kind = event.get("kind")
    if kind == "context":
        client = context.client_context
        return {
            "id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
            "left": context.get_remaining_time_in_millis(), "memory": context.memory_limit_in_mb,
            "custom": client and client.custom, "title": client and client.client.app_title,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        }
    if kind == "raise": raise ValueError("not {}".format(event["what"]))
    if kind == "exit": os._exit(3)
    if kind == "large": return "x" * event["size"]
    if kind == "sleep": time.sleep(event["seconds"])
    if kind == "meet":
        open(os.path.join(event["folder"], str(os.getpid())), "w").close()
        while len(os.listdir(event["folder"])) < event["others"]: time.sleep(0.01)
    if kind == "print": print("to stdout"); os.write(2, b"to stderr\\n")
    if kind == "unserializable": return {1, 2}
    return {"event": event, "pid": os.getpid()}
"""


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[ExecutableProject]:
    write_ric(tmp_path, HANDLERS)
    async with executable_project(tmp_path) as found:
        await found.define("ric")
        yield found


def write_ric(root: Path, text: str, handler: str = "app.handler") -> None:
    write_file(root, "ric/app.py", text)
    write_executable(root, "ric", f'#!/bin/sh\nexec "{sys.executable}" -m awslambdaric {handler}\n')


async def test_events_and_results_pass_unchanged(project: ExecutableProject) -> None:
    for event in ({}, {"kind": None, "text": "héllo \u2028 \U0001f600"}, {"deep": [[[{}]]], "n": 1e22}):
        assert (await project.result("ric", event))["event"] == event


async def test_a_handler_sees_the_context_of_its_invocation(project: ExecutableProject) -> None:
    client = {"custom": {"a": "ü"}, "client": {"app_title": "notes"}, "env": {}}
    before = time.time()
    outcome = await project.invoke(
        "ric",
        {"kind": "context"},
        request_id="8f507cfc-1234-4697-b07a-ac58fc914c95",
        client_context=json.dumps(client, indent=1).encode(),
        trace_id="Root=1-5e1b4151-5ac6c58f5b1c5b3a4d3e2f1a",
    )
    assert isinstance(outcome, Succeeded), outcome
    found = json.loads(outcome.payload)
    taken = (time.time() - before) * 1000
    assert 10_000 - taken - 50 <= found.pop("left") <= 10_000
    assert found == {
        "id": "8f507cfc-1234-4697-b07a-ac58fc914c95",
        "arn": project.configs["ric"].arn,
        "name": project.configs["ric"].name,
        "memory": "256",
        "custom": {"a": "ü"},
        "title": "notes",
        "trace": "Root=1-5e1b4151-5ac6c58f5b1c5b3a4d3e2f1a",
    }


async def test_an_exception_reaches_the_caller_in_the_words_of_the_runtime(project: ExecutableProject) -> None:
    failed = await project.failure("ric", {"kind": "raise", "what": "this"})
    document = json.loads(failed.payload)
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "not this")
    assert document["requestId"] == failed.request_id
    assert "raise ValueError" in document["stackTrace"][-1]
    assert (failed.kind, failed.error_type, failed.message) == ("handled", "ValueError", "not this")
    assert "app.py" in (failed.trace or ())[-1]
    assert (await project.result("ric", {}))["event"] == {}


async def test_what_cannot_be_encoded_is_the_runtimes_error(project: ExecutableProject) -> None:
    failed = await project.failure("ric", {"kind": "unserializable"})
    assert failed.error_type == "Runtime.MarshalError"


async def test_a_function_that_cannot_be_loaded_says_why_and_recovers(tmp_path: Path) -> None:
    write_ric(tmp_path, "import surely_not_installed")
    async with executable_project(tmp_path) as project:
        await project.define("ric")
        failed = await project.failure("ric")
        assert json.loads(failed.payload)["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'surely_not_installed'" in failed.message
        assert failed.kind == "import"
        write_ric(tmp_path, HANDLERS)
        assert (await project.result("ric", {}))["event"] == {}


async def test_a_result_of_exactly_the_limit_passes_and_one_byte_more_is_too_large(project: ExecutableProject) -> None:
    limit = 6 * 1024 * 1024 + 100
    outcome = await project.invoke("ric", {"kind": "large", "size": limit - 2})
    assert isinstance(outcome, Succeeded)
    assert len(outcome.payload) == limit
    failed = await project.failure("ric", {"kind": "large", "size": limit - 1})
    assert failed.kind == "too-large"
    assert json.loads(failed.payload) == {
        "errorMessage": f"Response payload size ({limit + 1} bytes) exceeded maximum allowed payload size "
        f"({limit} bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }


async def test_a_worker_that_ends_fails_its_invocation_alone(project: ExecutableProject) -> None:
    failed = await project.failure("ric", {"kind": "exit"})
    assert (failed.error_type, failed.kind) == ("Runtime.ExitError", "exit")
    assert failed.message.endswith("Error: Runtime exited with error: exit status 3")
    assert (await project.result("ric", {}))["event"] == {}


async def test_time_is_kept_as_for_all_functions(project: ExecutableProject) -> None:
    await project.define("ric", timeout_s=0.5)
    failed = await project.failure("ric", {"kind": "sleep", "seconds": 60})
    assert (failed.error_type, failed.kind) == ("Sandbox.Timedout", "timeout")


async def test_what_is_printed_belongs_to_its_invocation(project: ExecutableProject) -> None:
    outcome = await project.invoke("ric", {"kind": "print"})
    assert project.output(outcome) == "to stdout\nto stderr\n"
    assert b"to stderr" in outcome.report.log
    await project.invoke("ric", {})
    assert project.output() == ""


async def test_several_workers_run_at_once_and_answer_their_own(project: ExecutableProject, tmp_path: Path) -> None:
    place = tmp_path / "meeting"
    place.mkdir()
    await project.define("ric", timeout_s=60)
    events = [{"kind": "meet", "folder": str(place), "others": 4, "number": number} for number in range(4)]
    results = await asyncio.gather(*(project.result("ric", event) for event in events))
    assert [result["event"] for result in results] == events
    assert len({result["pid"] for result in results}) == 4
    assert not isinstance(await project.invoke("ric", {}), Failed)


async def test_a_thousand_invocations_are_answered_by_the_one_worker(project: ExecutableProject) -> None:
    pids: set[Any] = set()
    for number in range(1000):
        result = await project.result("ric", {"number": number})
        assert result["event"] == {"number": number}
        pids.add(result["pid"])
    assert len(pids) == 1
