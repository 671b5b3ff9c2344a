"""Deploys that run at the same time, or are interrupted and picked up, against the real embedded cloud."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from kit.assembly import TOPIC, Workbench, template
from skykite.model.events import DeployResource, Notice


def gated() -> dict[str, Any]:
    """A stack that stays in progress until its gate is opened."""
    return template(
        {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Gate": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "60", "Count": 1},
            },
            "Topic": {**TOPIC, "DependsOn": "Gate"},
        }
    )


async def open_gate(bench: Workbench, stack: str) -> None:
    """Signal success, as a machine that has set itself up does."""
    listed = await bench.session.run(bench.session.cloudformation.resources, bench.name(stack))
    url = next(resource.physical_id for resource in listed if resource.logical_id == "Handle")
    assert bench.session.endpoint_url is not None
    path = url.split("/", 3)[3]
    request = urllib.request.Request(
        f"{bench.session.endpoint_url}/{path}",
        data=json.dumps({"Status": "SUCCESS", "UniqueId": "1", "Data": "", "Reason": ""}).encode(),
        method="PUT",
        headers={"Host": url.split("/")[2], "Content-Type": ""},
    )
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).read())


def waiting(bench: Workbench, stack: str) -> Any:
    return lambda event: event.stack == bench.name(stack) and event.path == f"{stack}/Gate"


async def test_independent_stacks_are_deployed_at_the_same_time(bench: Workbench) -> None:
    task = asyncio.create_task(bench.deploy({"One": gated(), "Two": gated()}))
    await asyncio.sleep(0)
    for stack in ("One", "Two"):
        await bench.events.wait(DeployResource, waiting(bench, stack))
    await open_gate(bench, "One")
    await open_gate(bench, "Two")
    assert (await task).changed


async def test_an_interrupted_deploy_goes_on_and_the_next_one_takes_it_from_there(bench: Workbench) -> None:
    task = asyncio.create_task(bench.deploy({"Notes": gated()}))
    await asyncio.sleep(0)
    await bench.events.wait(DeployResource, waiting(bench, "Notes"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.events.of(Notice) == [
        Notice(
            notice="deploy-interrupted",
            message=f"CloudFormation goes on with `Notes` (stack `{bench.name('Notes')}`)",
            hint="the next deploy waits for it and takes it from there",
        )
    ]

    again = asyncio.create_task(bench.deploy({"Notes": gated()}))
    await asyncio.sleep(0)
    await bench.events.wait(DeployResource, waiting(bench, "Notes"))
    assert bench.events.of(Notice) == [
        Notice(
            notice="operation-picked-up",
            message="`Notes` is in CREATE_IN_PROGRESS since an earlier run; waiting for it first",
        )
    ]
    await open_gate(bench, "Notes")
    deployed = await again
    assert set(deployed.physical[bench.name("Notes")]) == {"Handle", "Gate", "Topic"}
    assert not (await bench.deploy({"Notes": gated()})).changed
