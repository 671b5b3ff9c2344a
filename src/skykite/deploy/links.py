"""What the functions of a deployed stage are linked to, as they are deployed.

In: a session, an app and its stage. Out: variables by function. I/O: CloudFormation and Lambda. Nothing on this machine
is needed, so it works for a stage that was deployed from elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from skykite.aws import AwsError, AwsSession, StackResource
from skykite.deploy.planner import abandoned
from skykite.model.names import AppName, LogicalId, StackName, StageName
from skykite_lambda.linked import PREFIX

_FUNCTION: Final = "AWS::Lambda::Function"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFunction:
    """One function, and its link variables. `name` is the physical one."""

    stack: StackName
    logical_id: LogicalId
    name: str
    links: Mapping[str, str] = field(default_factory=dict, repr=False)


async def deployed_functions(
    session: AwsSession, *, app: AppName, stage: StageName
) -> tuple[LinkedFunction, ...] | None:
    """Every function of the stage; None if nothing of it is deployed."""
    states = {StackName(state.name): state for state in await session.run(session.cloudformation.stacks)}
    stacks = [StackName(state.name) for state in abandoned((), states, app=app, stage=stage)]
    if not stacks:
        return None
    listed = await asyncio.gather(*(session.run(session.cloudformation.resources, stack) for stack in stacks))

    async def linked(stack: StackName, resource: StackResource) -> LinkedFunction:
        try:
            state = await session.run(session.lambda_.get_configuration, resource.physical_id)
            environment = state.environment
        except AwsError as error:
            if error.aws_code != "ResourceNotFoundException":  # else deleted by hand, or this very moment
                raise
            environment = {}
        return LinkedFunction(
            stack=stack,
            logical_id=LogicalId(resource.logical_id),
            name=resource.physical_id,
            links={key: value for key, value in environment.items() if key.startswith(PREFIX)},
        )

    found = [
        linked(stack, resource)
        for stack, resources in zip(stacks, listed, strict=True)
        for resource in resources
        if resource.type == _FUNCTION and resource.physical_id
    ]
    return tuple(await asyncio.gather(*found))


def links_of(functions: Iterable[LinkedFunction], titles: Mapping[tuple[StackName, LogicalId], str]) -> dict[str, str]:
    """The variables of all of them. A name that means different resources to different functions says so when code uses
    it, by their `titles` where they have one. Pure."""
    by_name: dict[str, dict[str, list[str]]] = {}
    for one in functions:
        title = titles.get((one.stack, one.logical_id), one.name)
        for key, value in one.links.items():
            by_name.setdefault(key, {}).setdefault(value, []).append(title)
    return {
        key: next(iter(values)) if len(values) == 1 else _ambiguous(values) for key, values in sorted(by_name.items())
    }


def _ambiguous(values: Mapping[str, list[str]]) -> str:
    """`skykite_lambda.linked` knows it by that key."""
    return msgspec.json.encode({"ambiguous": sorted(min(titles) for titles in values.values())}).decode()
