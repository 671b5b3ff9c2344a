"""What is about to change, as people read it, and their consent where data would be lost.

In: changes. Out: consent, or a SkykiteError. I/O: one question, through the `Asker`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from skykite.aws import Change
from skykite.deploy.stateful import KEEPING, STATEFUL, loses_data, replaces
from skykite.deploy.templates import DeployedResource, DesiredStack
from skykite.errors import SkykiteError
from skykite.model.events import ResourceChange
from skykite.model.names import LogicalId, StackName
from skykite.ports import Asker

QUESTION: Final = "destructive-changes"


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


def describe_changes(
    changes: Sequence[Change], desired: DesiredStack, *, deployed: Mapping[str, Any] | None
) -> tuple[ResourceChange, ...]:
    """A change set as events show it."""
    return tuple(
        ResourceChange(
            action=_action(change),
            stack=desired.name,
            path=desired.paths.of(change.logical_id),
            logical_id=LogicalId(change.logical_id),
            type=change.type,
            properties=_properties(change),
            destructive=loses_data(change, deployed=deployed, desired=desired.template),
        )
        for change in changes
    )


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


def _line(change: ResourceChange) -> str:
    how = {"remove": "is deleted", "replace": "is replaced by an empty one"}.get(
        change.action, "may be replaced by an empty one"
    )
    properties = f" because of {', '.join(f'`{name}`' for name in change.properties)}" if change.properties else ""
    return f"`{change.path}` ({change.type}) {how}{properties}"
