"""Functions that are looked up while deployments go on: what is known of them is never older than the deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from skykite.aws import FunctionState
from skykite.aws.cloudformation import StackResource
from skykite.dev.functions import DevFunctions
from skykite.model.invocation import FunctionConfig
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import AppName, FunctionId, LogicalId, StackName, StageName

GET = FunctionId("Notes/Api/Get")
ENTRY = FunctionEntry(
    id=GET,
    stack=StackName("alice-notes-Notes"),
    logical_id=LogicalId("Get1234"),
    runtime="python3.13",
    memory_mb=256,
    timeout_s=7,
    architecture="arm64",
    live=True,
    handler="backend/functions/notes.get",
    import_root="backend",
)
MANIFEST = Manifest(
    version=1, app=AppName("notes"), stage=StageName("alice"), region="eu-west-1", mode="live", stacks=(),
    functions=(ENTRY,),
)  # fmt: skip


def state(table: str) -> FunctionState:
    return FunctionState(
        name="alice-notes-Get",
        arn="arn:aws:lambda:eu-west-1:000000000000:function:alice-notes-Get",
        role="arn:aws:iam::000000000000:role/x",
        runtime="python3.13",
        handler="index.handler",
        memory_mb=256,
        timeout_s=7,
        environment={"TABLE": table},
        architecture="arm64",
        version="$LATEST",
        code_sha256="",
        state="Active",
        last_update="Successful",
    )


class Cloud:
    """A session whose answers about the function come when the test says so, in the order of the questions."""

    def __init__(self) -> None:
        self.lambda_ = self.cloudformation = self
        self.asked: list[asyncio.Future[FunctionState]] = []

    def resources(self, stack: str) -> tuple[StackResource, ...]:
        return (
            StackResource(
                logical_id=ENTRY.logical_id, physical_id="alice-notes-Get", type="t", status="CREATE_COMPLETE"
            ),
        )

    def get_configuration(self, name: str) -> asyncio.Future[FunctionState]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    async def run(self, call: Any, *arguments: Any) -> Any:
        answer = call(*arguments)
        return await answer if isinstance(answer, asyncio.Future) else answer

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(10):
            while len(self.asked) < times:
                await asyncio.sleep(0)


class Runtime:
    """Remembers what it was configured with."""

    def __init__(self) -> None:
        self.configs: Sequence[FunctionConfig] = ()

    async def configure(self, configs: Sequence[FunctionConfig]) -> None:
        self.configs = configs

    @property
    def tables(self) -> list[str]:
        return [config.environment["TABLE"] for config in self.configs]


async def test_what_was_asked_before_a_deployment_ended_does_not_replace_what_was_found_after_it() -> None:
    cloud, runtime = Cloud(), Runtime()
    functions = DevFunctions(runtime=cast(Any, runtime), project_root=Path("/project"))
    await functions.expect(MANIFEST, Path("/assembly"), aws=cast(Any, cloud), variables={})
    met = asyncio.create_task(functions.meet(GET))
    await cloud.until_asked(1)
    settled = asyncio.create_task(functions.settle(replace(MANIFEST), {GET: "alice-notes-Get"}))
    await cloud.until_asked(2)
    cloud.asked[1].set_result(state("new"))
    await settled
    cloud.asked[0].set_result(state("old"))
    found = await met
    assert found is not None
    assert found.environment == {"TABLE": "new"}
    assert runtime.tables == ["new"]
