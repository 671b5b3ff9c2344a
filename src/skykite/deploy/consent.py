"""What is about to change, as people read it, and their consent where data would be lost.

In: changes. Out: consent, or a SkykiteError. I/O: one question, through the `Asker`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from skykite.aws import Change
from skykite.deploy.stateful import KEEPING, STATEFUL, loses_data, needs_deployed_template, replaces
from skykite.deploy.templates import DeployedResource, DesiredStack, StackPaths, function_variables
from skykite.errors import SkykiteError
from skykite.model.events import ResourceChange
from skykite.model.names import LogicalId, StackName
from skykite.ports import Asker

QUESTION: Final = "destructive-changes"
_REFERENCES: Final = frozenset({"ResourceReference", "ResourceAttribute"})


class Consent:
    """Asks, one question at a time, before data is lost."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._asking = asyncio.Lock()

    async def to(self, changes: Iterable[ResourceChange]) -> None:
        """Raises `destructive-change-refused` unless nothing is lost or the user agrees."""
        lost = [change for change in changes if change.destructive]
        if not lost:
            return
        lines = "\n".join(f"  {_line(change)}" for change in lost)
        async with self._asking:
            agreed = await self._asker.confirm(QUESTION, f"This loses the data in:\n{lines}\nGo on?", default=False)
        if not agreed:
            raise SkykiteError(
                "destructive-change-refused",
                f"nothing was changed where data would have been lost:\n{lines}",
                hint="`--yes` agrees to it beforehand; removal_policy=RETAIN keeps the data when a resource goes",
            )


def compares_with_deployed(changes: Sequence[Change]) -> bool:
    """Whether `describe_changes` must see the template as deployed to say what these are."""
    return needs_deployed_template(changes) or any(
        change.action == "Remove" or _changes_environment(change) for change in changes
    )


def describe_changes(
    changes: Sequence[Change], desired: DesiredStack, *, paths: StackPaths, deployed: Mapping[str, Any] | None
) -> tuple[ResourceChange, ...]:
    """A change set as events show it. `deployed` is the present template, where `compares_with_deployed` asks for it;
    `paths` knows the constructs of both."""
    described = []
    for change in changes:
        action = _action(change)
        destructive = loses_data(change, deployed=deployed, desired=desired.template)
        described.append(
            ResourceChange(
                action=action,
                stack=desired.name,
                path=paths.of(change.logical_id),
                logical_id=LogicalId(change.logical_id),
                type=change.type,
                properties=_properties(change),
                destructive=destructive,
                environment=_environment(change, deployed, desired.template),
                consequence=action == "modify" and not destructive and _only_refers(change),
            )
        )
    return tuple(described)


def describe_removal(stack: StackName, resources: Iterable[DeployedResource]) -> tuple[ResourceChange, ...]:
    """Every resource that goes when a stack is deleted; what a policy keeps does not."""
    return tuple(
        ResourceChange(
            action="remove",
            stack=stack,
            path=resource.path,
            logical_id=resource.logical_id,
            type=resource.type,
            destructive=resource.type in STATEFUL,
        )
        for resource in resources
        if resource.policy not in KEEPING
    )


def _action(change: Change) -> Literal["add", "modify", "replace", "remove"]:
    match change.action:
        case "Add" | "Import":
            return "add"
        case "Remove":
            return "remove"
        case _:
            return "replace" if replaces(change) else "modify"


def _properties(change: Change) -> tuple[str, ...]:
    names = (detail.name or detail.attribute for detail in change.details)
    return tuple(dict.fromkeys(name for name in names if name))


def _only_refers(change: Change) -> bool:
    """Whether all there is to it is that something it refers to changes."""
    return bool(change.details) and all(detail.source in _REFERENCES for detail in change.details)


def _changes_environment(change: Change) -> bool:
    return (
        change.action == "Modify"
        and change.type == "AWS::Lambda::Function"
        and any(detail.name == "Environment" and detail.source not in _REFERENCES for detail in change.details)
    )


def _environment(change: Change, deployed: Mapping[str, Any] | None, desired: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the variables whose values differ; values may be secret."""
    if deployed is None or not _changes_environment(change):
        return ()
    before, after = function_variables(deployed, change.logical_id), function_variables(desired, change.logical_id)
    return tuple(
        sorted(
            name
            for name in before.keys() | after.keys()
            if name not in before or name not in after or before[name] != after[name]
        )
    )


def _line(change: ResourceChange) -> str:
    how = {"remove": "is deleted", "replace": "is replaced by an empty one"}.get(
        change.action, "may be replaced by an empty one"
    )
    properties = f" because of {', '.join(f'`{name}`' for name in change.properties)}" if change.properties else ""
    return f"`{change.path}` ({change.type}) {how}{properties}"
