"""A stack whose deletion fails keeps what the resource that would not go depends on, as on AWS.

MiniStack deletes everything else. A custom resource that failed then has lost its function, and the stack can never be
deleted. Here such deletions are cancelled, so that the next attempt finds everything in place.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skykite_cloud.seams import when_imported

_CANCELLED = "Resource deletion cancelled"


def install() -> None:
    """Look before MiniStack deletes a resource of a stack that goes."""
    when_imported("ministack.services.cloudformation", _keep_what_is_needed)


def _keep_what_is_needed(cloudformation: ModuleType) -> None:
    stacks = cloudformation.stacks
    delete = stacks._delete_resource

    def deleting(
        resource_type: str, physical_id: str, props: dict[str, Any], stack_name: str = "", logical_id: str = ""
    ) -> Any:
        stack = cloudformation._stacks.get(stack_name) or {}
        if stack.get("StackStatus") == "DELETE_IN_PROGRESS" and _needed(stacks, stack, logical_id):
            raise ValueError(_CANCELLED)
        return delete(resource_type, physical_id, props, stack_name, logical_id)

    stacks._delete_resource = deleting


def _needed(stacks: ModuleType, stack: dict[str, Any], logical_id: str) -> bool:
    """Whether a resource that could not be deleted depends on this one. Those that do are tried before it, and are gone
    by now if it went well."""
    resources = stack.get("_resources", {})
    defined = (stack.get("_template") or {}).get("Resources", {})
    failed = [
        name
        for name, resource in resources.items()
        if resource.get("ResourceStatus") == "DELETE_FAILED" and name != logical_id
    ]
    return any(logical_id in stacks._with_dependencies([name], defined, set(resources)) for name in failed)
