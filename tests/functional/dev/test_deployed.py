"""Deployed functions in a runtime of their own: each invocation runs exactly what it was dispatched for."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kit.embedded_cloud import RealClock, Recorder, empty_zip
from skykite.cloud import CodeStore, DeployedFunction, Layer
from skykite.dev.deployed import DeployedFunctions
from skykite.model.events import InvocationFinished
from skykite.model.invocation import Failed, Invocation, Outcome, Succeeded, Trigger
from skykite.model.names import FunctionId, RequestId
from skykite.runtime import Runtime

WAITING = (
    "import os, pathlib, time\n"
    "def handler(event, context):\n"
    "    pathlib.Path(event['begun']).touch()\n"
    "    while not pathlib.Path(event['go']).exists(): time.sleep(0.005)\n"
    "    return os.getpid()\n"
)


@dataclass
class Bench:
    """Deployed functions, and a cloud that has their code."""

    deployed: DeployedFunctions
    events: Recorder
    zips: dict[str, bytes] = field(default_factory=dict)

    def function(self, source: str = "", **changes: Any) -> DeployedFunction:
        data = empty_zip(index__py=source)
        digest = hashlib.sha256(data).hexdigest()
        self.zips[digest] = data
        fields: dict[str, Any] = {
            "name": "hello",
            "arn": "arn:aws:lambda:eu-west-1:000000000000:function:hello",
            "version": "$LATEST",
            "runtime": "python3.13",
            "handler": "index.handler",
            "timeout_s": 20,
            "memory_mb": 128,
            "environment": {},
            "credentials": {},
            "code": digest,
        }
        return DeployedFunction(**{**fields, **changes})

    async def fetch(self, digests: Collection[str]) -> Mapping[str, bytes]:
        return {digest: self.zips[digest] for digest in digests}

    async def invoke(self, function: DeployedFunction, event: Any = None) -> Outcome:
        invocation = Invocation(
            request_id=RequestId(str(uuid.uuid4())),
            function=FunctionId(function.name),
            payload=json.dumps(event).encode(),
            trigger=Trigger(kind="invoke"),
        )
        return await self.deployed.invoke(function, invocation, self.fetch)

    async def result(self, function: DeployedFunction, event: Any = None) -> Any:
        outcome = await self.invoke(function, event)
        assert isinstance(outcome, Succeeded), outcome
        return json.loads(outcome.payload)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store, events = CodeStore(tmp_path / "code"), Recorder()
    await store.start()
    runtime = Runtime(interpreter=Path(sys.executable), events=events, clock=RealClock(), max_workers=8)
    await runtime.start()
    deployed = DeployedFunctions(
        store=store,
        host={"PATH": "/bin"},
        address=lambda: "http://127.0.0.1:1",
        translate=lambda text: text.replace("https://far", "http://near"),
    )
    deployed.open(runtime)
    yield Bench(deployed, events)
    await runtime.stop()


async def test_invocations_of_several_versions_at_once_each_run_their_own(bench: Bench) -> None:
    versions = [bench.function(f"def handler(event, context): return {number}\n") for number in range(4)]

    answers = await asyncio.gather(*(bench.result(versions[number % 4]) for number in range(80)))

    assert answers == [number % 4 for number in range(80)]


async def test_a_new_version_of_one_function_disturbs_no_other_and_not_its_old_one(
    bench: Bench, tmp_path: Path
) -> None:
    def event(name: str) -> dict[str, str]:
        return {"begun": str(tmp_path / f"{name}.begun"), "go": str(tmp_path / "go")}

    one, other = (
        bench.function(WAITING),
        bench.function(WAITING, name="other", arn="arn:aws:lambda:eu-west-1:0:function:o"),
    )
    running = [asyncio.create_task(bench.result(function, event(function.name))) for function in (one, other)]
    while not ((tmp_path / "hello.begun").exists() and (tmp_path / "other.begun").exists()):
        await asyncio.sleep(0.005)

    assert await bench.result(bench.function("def handler(event, context): return 'new'\n")) == "new"
    await bench.deployed.forget()
    assert await bench.result(bench.function("def handler(event, context): return 'newer'\n")) == "newer"

    assert [task.done() for task in running] == [False, False]
    (tmp_path / "go").touch()
    assert all(isinstance(pid, int) for pid in await asyncio.gather(*running))


async def test_what_is_told_of_the_surroundings_is_told_anew_after_it_changed(bench: Bench) -> None:
    function = bench.function(
        "import os\ndef handler(event, context): return [os.environ['API'], os.environ['AWS_ENDPOINT_URL']]\n",
        environment={"API": "https://far/notes"},
    )
    assert await bench.result(function) == ["http://near/notes", "http://127.0.0.1:1"]

    bench.deployed._address = lambda: "http://127.0.0.1:2"
    await bench.deployed.forget()

    assert await bench.result(function) == ["http://near/notes", "http://127.0.0.1:2"]


async def test_a_python_path_of_lambdas_leads_to_where_that_is_here(bench: Bench) -> None:
    source = "import sys\ndef handler(event, context): return sys.path\n"
    places = await bench.result(bench.function(source, environment={"PYTHONPATH": "/var/task/vendor:/elsewhere"}))

    assert f"{places[0]}/vendor" in places
    assert "/elsewhere" in places


async def test_the_log_format_of_the_function_is_kept(bench: Bench) -> None:
    source = "import os\ndef handler(event, context): return os.environ.get('AWS_LAMBDA_LOG_FORMAT')\n"

    assert await bench.result(bench.function(source, log_format="JSON")) == "JSON"


async def test_a_layer_that_the_cloud_does_not_have_fails_by_name(bench: Bench) -> None:
    outcome = await bench.invoke(bench.function(layers=(Layer(arn="arn:aws:lambda:::layer:public:1", code=None),)))

    assert isinstance(outcome, Failed)
    assert (outcome.error_type, outcome.message) == (
        "Skykite.LayerMissing",
        "function `hello` uses the layer `arn:aws:lambda:::layer:public:1`, which the embedded cloud does not have",
    )


async def test_code_that_cannot_be_unpacked_fails_and_is_tried_again(bench: Bench) -> None:
    function = bench.function()
    good, bench.zips[function.code] = bench.zips[function.code], b"nothing like a zip"

    outcome = await bench.invoke(function)

    assert isinstance(outcome, Failed)
    assert outcome.error_type == "Skykite.FunctionCodeInvalid"
    bench.zips[function.code] = good
    failed = await bench.invoke(function)
    assert isinstance(failed, Failed)
    assert failed.error_type == "Runtime.HandlerNotFound"


async def test_invocations_that_come_before_the_runtime_wait_for_it(tmp_path: Path, bench: Bench) -> None:
    early = DeployedFunctions(
        store=CodeStore(tmp_path / "other"), host={}, address=lambda: "", translate=lambda text: text
    )
    await early._store.start()
    bench.deployed, runtime = early, bench.deployed._runtime.result()
    waiting = asyncio.create_task(bench.result(bench.function("def handler(event, context): return 1\n")))
    await asyncio.sleep(0)
    assert not waiting.done()

    early.open(runtime)

    assert await waiting == 1


async def test_a_version_that_was_replaced_goes_with_its_last_invocation(bench: Bench, tmp_path: Path) -> None:
    old = bench.function(WAITING)
    event = {"begun": str(tmp_path / "begun"), "go": str(tmp_path / "go")}
    running = asyncio.create_task(bench.result(old, event))
    while not (tmp_path / "begun").exists():
        await asyncio.sleep(0.005)
    await bench.result(bench.function("def handler(event, context): return 1\n"))
    runtime = bench.deployed._runtime.result()
    assert len(runtime._functions) == 2
    assert bench.deployed.running == 1

    (tmp_path / "go").touch()
    await running

    assert len(runtime._functions) == 1
    assert bench.deployed.running == 0
    assert len([e for e in bench.events.events if isinstance(e, InvocationFinished) and e.error]) == 0


async def test_pythons_own_cache_of_deployed_modules_is_used(bench: Bench, tmp_path: Path) -> None:
    await bench.result(bench.function("import helper\ndef handler(event, context): return 1\n", code=_two(bench)))

    assert list((tmp_path / "code").glob("*/__pycache__/helper.*.pyc"))


def _two(bench: Bench) -> str:
    data = empty_zip(index__py="import helper\ndef handler(event, context): return 1\n", helper__py="A = 1\n")
    digest = hashlib.sha256(data).hexdigest()
    bench.zips[digest] = data
    return digest
