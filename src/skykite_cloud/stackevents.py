"""The events of a stack's update: none of a resource that the update leaves as it is, as on AWS; a new one is created.

MiniStack goes through every resource of a stack and records that it is updated, whether it changes or not, and whether
it is new or not. Here the first of those events is held back until it is known that the resource changes; if it does
not, there is none.
"""

from __future__ import annotations

from typing import Any

from skykite_cloud.seams import when_imported

_Key = tuple[str, str]


def install() -> None:
    """Hold back events where MiniStack records them."""
    when_imported("ministack.services.cloudformation", lambda cloudformation: _Events(cloudformation.stacks).install())


class _Events:
    """Those of all stacks. On the event loop, but for updates that MiniStack runs on threads."""

    def __init__(self, stacks: Any) -> None:
        self._stacks = stacks
        self._record, self._update = stacks._add_event, stacks._update_keeping_seed
        self._held: dict[_Key, tuple[Any, ...]] = {}
        self._new: set[_Key] = set()

    def install(self) -> None:
        self._stacks._add_event = self._add_event
        self._stacks._update_keeping_seed = self._update_resource

    def _add_event(
        self,
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        physical_id: str = "",
        detailed_status: str = "",
    ) -> None:
        key = stack_name, logical_id
        begins = status == "UPDATE_IN_PROGRESS" and not (reason or physical_id)
        if begins and not self._was_there(*key):
            self._new.add(key)
        if key in self._new and status.startswith("UPDATE_"):
            status = status.replace("UPDATE_", "CREATE_")
            if not begins:
                self._new.discard(key)
        event = (stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)
        if status == "UPDATE_IN_PROGRESS" and begins:
            self._held[key] = event
        elif status == "UPDATE_COMPLETE" and key in self._held:
            del self._held[key]
        else:
            self._release(key)
            self._record(*event)

    def _was_there(self, stack_name: str, logical_id: str) -> bool:
        """A resource of that name, and no stack: those are recorded under their own name."""
        from ministack.services import cloudformation

        stack = cloudformation._stacks.get(stack_name) or {}
        return logical_id in stack.get("_resources", {})

    def _update_resource(
        self,
        resource_type: str,
        physical_id: str,
        before: Any,
        after: Any,
        stack_name: str,
        logical_id: str,
        *more: Any,
    ) -> Any:
        if before != after:
            self._release((stack_name, logical_id))
        return self._update(resource_type, physical_id, before, after, stack_name, logical_id, *more)

    def _release(self, key: _Key) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._record(*held)
