"""Stack operations that were under way when the cloud was killed: undo them on the next start, as AWS would.

MiniStack keeps what a rollback needs only in the running operation. Here it is noted on the stack's record before the
operation begins, so that a snapshot carries it. After a restart an interrupted create ends in ROLLBACK_COMPLETE, an
interrupted update in UPDATE_ROLLBACK_COMPLETE, and an interrupted delete is carried on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

from ministack.core.responses import request_scope

from skykite_cloud.seams import imported, when_imported

Record = dict[str, Any]

_FAILED = "The following resource(s) failed to"
_NOTE = "_skykite_operation"
_REASON = "The embedded cloud was stopped during this operation"


def install(changed: Callable[[], None]) -> None:
    """Note every operation. `changed` is called after each, since much of it happens outside of requests."""
    when_imported("ministack.services.cloudformation", lambda cloudformation: _note_operations(cloudformation, changed))


def _note_operations(cloudformation: ModuleType, changed: Callable[[], None]) -> None:
    stacks = cloudformation.stacks
    deploy, delete = stacks._deploy_stack_async, stacks._delete_stack_async

    # Not coroutine functions: what they note must be there before the request that starts them is answered.
    def noting_deploy(
        stack_name: str,
        stack_id: str,
        template: Record,
        param_values: Record,
        disable_rollback: bool,
        tags: list[Record],
        is_update: bool = False,
        previous_stack: Record | None = None,
        retain_except_on_create: bool = False,
        imports: Record | None = None,
    ) -> Coroutine[Any, Any, None]:
        stack = cloudformation._stacks[stack_name]
        if str(stack.get("StackStatusReason", "")).startswith(_FAILED):
            stack["StackStatusReason"] = ""  # of the operation before this one
        stack[_NOTE] = {
            "is_update": is_update,
            "previous_stack": previous_stack,
            "template": template,
            "param_values": param_values,
            "retain_except_on_create": retain_except_on_create,
            "stack_tags": list(stack.get("Tags") or []),
            "previous_tags": list((previous_stack or {}).get("Tags") or []),
            "imports": dict(imports or {}),
        }
        return _noted(
            deploy(
                stack_name, stack_id, template, param_values, disable_rollback, tags, is_update, previous_stack,
                retain_except_on_create, imports,
            ),
            stack,
            changed,
        )  # fmt: skip

    async def noting_delete(stack_name: str, stack_id: str, *args: Any, **options: Any) -> None:
        try:
            await delete(stack_name, stack_id, *args, **options)
        finally:
            changed()

    for module in (stacks, cloudformation.changesets, cloudformation.handlers):
        for name, function in (("_deploy_stack_async", noting_deploy), ("_delete_stack_async", noting_delete)):
            if hasattr(module, name):
                setattr(module, name, function)


def resume_interrupted() -> None:
    """Start to undo what was under way. After the state is restored, when requests are answered."""
    cloudformation = imported("ministack.services.cloudformation")
    if cloudformation is None:
        return
    for (account, region, name), stack in list(cloudformation._stacks.all_items()):
        if not stack.get("StackStatus", "").endswith("_IN_PROGRESS") or stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            continue
        events = cloudformation._stack_events.get(stack["StackId"]) or [{}]
        with request_scope(account, region):
            asyncio.get_running_loop().create_task(
                _resume(cloudformation.stacks, name, stack, token=events[-1].get("ClientRequestToken", ""))
            )


async def _noted(operation: Coroutine[Any, Any, None], stack: Record, changed: Callable[[], None]) -> None:
    try:
        await operation
    finally:
        note = stack.pop(_NOTE, None)
        _give_reason(stack, note or {})
        changed()


def _give_reason(stack: Record, note: Record) -> None:
    """Say on the stack itself why it was rolled back, which MiniStack says in its events only."""
    if not stack.get("StackStatus", "").endswith("ROLLBACK_COMPLETE") or stack.get("StackStatusReason"):
        return
    from ministack.services import cloudformation

    verb = "update" if note.get("is_update") else "create"
    failed: list[str] = []
    for event in reversed(cloudformation._stack_events.get(stack["StackId"], [])):
        if event["ResourceType"] == "AWS::CloudFormation::Stack":
            if event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                break
        elif event["ResourceStatus"] in ("CREATE_FAILED", "UPDATE_FAILED"):
            failed.insert(0, event["LogicalResourceId"])
    if failed:
        stack["StackStatusReason"] = f"{_FAILED} {verb}: [{', '.join(failed)}]. "


async def _resume(stacks: ModuleType, name: str, stack: Record, *, token: str) -> None:
    """What happens now belongs to the same operation: whoever began it goes by its `token`."""
    stacks.CLIENT_REQUEST_TOKEN.set(token)
    stack_id = stack["StackId"]
    if stack["StackStatus"] == "DELETE_IN_PROGRESS":
        await stacks._delete_stack_async(name, stack_id)
        return
    note = stack.pop(_NOTE, None)
    if note is None:
        return
    previous = (note["previous_stack"] or {}).get("_resources", {})
    touched = [key for key, record in stack.get("_resources", {}).items() if previous.get(key) != record]
    operation = {**note, "created": touched, "failed_update": None, "failed_logical_id": None, "replaced_ids": []}
    await stacks._roll_back_operation(name, stack_id, stack, operation, reason_override=_REASON)
