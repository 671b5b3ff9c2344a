"""AWS::Events::*: rules that EventBridge would take, buses with their policies, and archives, which MiniStack lacks.

AWS::Events::Archive and AWS::Events::EventBusPolicy have their handlers here, over the operations of its EventBridge.
"""

from __future__ import annotations

import json
from typing import Any

from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, TypeRules, expect_success, names

Attributes = dict[str, Any]

_TARGET = names(
    "Arn DeadLetterConfig HttpParameters Id Input InputPath InputTransformer RetryPolicy RoleArn SqsParameters"
)
_MOST_TARGETS = 5
_DEFAULT_BUS = "default"


def check_rule(properties: Properties) -> None:
    """What PutRule and PutTargets refuse."""
    from ministack.services import eventbridge

    eventbridge._ensure_default_bus()
    bus, wrong = eventbridge._event_bus_name_from_ref(properties.get("EventBusName", _DEFAULT_BUS))
    if wrong or bus not in eventbridge._event_buses:
        raise PropertyError(f"Event bus {properties.get('EventBusName')} does not exist.")
    pattern, schedule = properties.get("EventPattern"), properties.get("ScheduleExpression")
    if not pattern and not schedule:
        raise PropertyError("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if schedule and bus != _DEFAULT_BUS:
        raise PropertyError("ScheduleExpression is supported only on the default event bus.")
    if schedule and not eventbridge._validate_schedule_expression(schedule):
        raise PropertyError("Parameter ScheduleExpression is not valid.")
    _check_pattern(eventbridge, pattern)
    _check_targets(eventbridge, properties.get("Targets") or [])


def _check_pattern(eventbridge: Any, pattern: Any) -> None:
    reason = eventbridge._event_pattern_error(_text(pattern)) if pattern else None
    if reason:
        raise PropertyError(f"Event pattern is not valid. Reason: {reason}")


def _check_targets(eventbridge: Any, targets: list[Properties]) -> None:
    if len(targets) > _MOST_TARGETS:
        raise PropertyError(f"The requested resource exceeds the maximum number allowed: {_MOST_TARGETS} targets")
    ids = [target["Id"] for target in targets]
    for target in targets:
        if ids.count(target["Id"]) > 1:
            raise PropertyError(f"Target IDs must be unique; {target['Id']} is there twice")
        for key in target:
            if key not in _TARGET:
                raise PropertyError(f"The embedded cloud does not support Targets.{key} of AWS::Events::Rule")
        if sum(key in target for key in ("Input", "InputPath", "InputTransformer")) > 1:
            raise PropertyError(
                f"Only one of Input, InputPath, or InputTransformer must be provided for {target['Id']}"
            )
        refused = eventbridge._validate_target_arn(target)
        if refused:
            expect_success("PutTargets", refused)


def apply_dropped_bus(name: str, properties: Properties, old: Properties) -> None:
    """The key, the policy, and a description that an update leaves out."""
    from ministack.services import eventbridge

    if "KmsKeyIdentifier" in properties or "KmsKeyIdentifier" in old:
        given = {"Name": name, "KmsKeyIdentifier": properties.get("KmsKeyIdentifier", "")}
        expect_success("UpdateEventBus", eventbridge._update_event_bus(given))
    if "Description" in old and "Description" not in properties:
        expect_success("UpdateEventBus", eventbridge._update_event_bus({"Name": name, "Description": ""}))
    policy = properties.get("Policy")
    if policy:
        eventbridge._event_bus_policies[name] = json.loads(_text(policy))
    elif "Policy" in old:
        eventbridge._event_bus_policies.pop(name, None)


def find_bus(properties: Properties) -> None:
    """A policy is for a bus that exists."""
    from ministack.services import eventbridge

    eventbridge._ensure_default_bus()
    if _policy_bus(properties) not in eventbridge._event_buses:
        raise PropertyError(f"Event bus {_policy_bus(properties)} does not exist.")


def find_archived_bus(properties: Properties) -> None:
    """An archive is of a bus that exists, and of events that can be."""
    from ministack.services import eventbridge

    eventbridge._ensure_default_bus()
    if str(properties["SourceArn"]).rpartition("/")[2] not in eventbridge._event_buses:
        raise PropertyError(f"Event bus {properties['SourceArn']} does not exist.")
    _check_pattern(eventbridge, properties.get("EventPattern"))


def _create_archive(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import eventbridge
    from ministack.services.cloudformation import provisioners

    name = properties.get("ArchiveName") or provisioners._physical_name(stack_name, logical_id, max_len=48)
    given = {"ArchiveName": name, "EventSourceArn": properties["SourceArn"], **_archive_members(properties)}
    expect_success("CreateArchive", eventbridge._create_archive(given))
    return name, {"Arn": eventbridge._archives[name]["ArchiveArn"]}


def _update_archive(name: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import eventbridge

    given = {"ArchiveName": name, **_archive_members(new)}
    expect_success("UpdateArchive", eventbridge._update_archive(given))
    return name, {"Arn": eventbridge._archives[name]["ArchiveArn"]}


def _delete_archive(name: str, properties: Properties) -> None:
    from ministack.services import eventbridge

    eventbridge._archives.pop(name, None)


def _archive_members(properties: Properties) -> Properties:
    return {
        "Description": properties.get("Description", ""),
        "EventPattern": _text(properties.get("EventPattern") or ""),
        "RetentionDays": int(properties.get("RetentionDays", 0)),
        "KmsKeyIdentifier": properties.get("KmsKeyIdentifier", ""),
    }


def _create_bus_policy(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import eventbridge

    bus, sid = _policy_bus(properties), properties["StatementId"]
    statement = properties.get("Statement")
    if statement:
        written = {**json.loads(_text(statement)), "Sid": sid}
    else:
        principal = properties.get("Principal", "*")
        written = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
            "Action": properties.get("Action", "events:PutEvents"),
            "Resource": f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}",
        }
        condition = properties.get("Condition")
        if condition:
            written["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    policy = eventbridge._event_bus_policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
    kept = [one for one in policy["Statement"] if one.get("Sid") != sid]
    eventbridge._event_bus_policies[bus] = {**policy, "Statement": [*kept, written]}
    return f"{bus}|{sid}", {}


def _update_bus_policy(physical_id: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    return _create_bus_policy(physical_id, new, stack_name)


def _delete_bus_policy(physical_id: str, properties: Properties) -> None:
    from ministack.services import eventbridge

    bus, _, sid = physical_id.partition("|")
    eventbridge._remove_permission({"EventBusName": bus, "StatementId": sid})


def _policy_bus(properties: Properties) -> str:
    return str(properties.get("EventBusName", _DEFAULT_BUS)).rpartition("/")[2]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


HANDLERS: dict[str, Handlers] = {
    "AWS::Events::Archive": {"create": _create_archive, "update": _update_archive, "delete": _delete_archive},
    "AWS::Events::EventBusPolicy": {
        "create": _create_bus_policy,
        "update": _update_bus_policy,
        "delete": _delete_bus_policy,
    },
}
REPLACING = {
    "AWS::Events::Archive": ("ArchiveName", "SourceArn"),
    "AWS::Events::EventBusPolicy": ("EventBusName", "StatementId"),
}
RULES = {
    "AWS::Events::Rule": TypeRules(
        consumed=names("Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags Targets"),
        before=(check_rule,),
    ),
    "AWS::Events::EventBus": TypeRules(
        consumed=names("Description KmsKeyIdentifier Name Policy Tags"), after=(apply_dropped_bus,)
    ),
    "AWS::Events::Archive": TypeRules(
        consumed=names("ArchiveName Description EventPattern KmsKeyIdentifier RetentionDays SourceArn"),
        before=(find_archived_bus,),
    ),
    "AWS::Events::EventBusPolicy": TypeRules(
        consumed=names("Action Condition EventBusName Principal Statement StatementId"), before=(find_bus,)
    ),
}
