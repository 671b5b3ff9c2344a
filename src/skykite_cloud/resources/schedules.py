"""AWS::Scheduler::*: made through the service's own operations, which MiniStack's handlers go round."""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, TypeRules, expect_success, names

SCHEDULE = "AWS::Scheduler::Schedule"
_TARGET = names("Arn DeadLetterConfig EventBridgeParameters Input KinesisParameters RetryPolicy RoleArn SqsParameters")


def check_schedule(properties: Properties) -> None:
    """What CreateSchedule refuses, and MiniStack keeps."""
    import zoneinfo

    from ministack.services import eventbridge

    expression = str(properties["ScheduleExpression"])
    if not expression.startswith("at(") and not eventbridge._validate_schedule_expression(expression):
        raise PropertyError(f"Invalid Schedule Expression {expression}.")
    zone = properties.get("ScheduleExpressionTimezone")
    try:
        zoneinfo.ZoneInfo(zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise PropertyError(f"Invalid ScheduleExpressionTimezone {zone}.") from error
    for key in properties["Target"]:
        if key not in _TARGET:
            raise PropertyError(f"The embedded cloud does not support Target.{key} of {SCHEDULE}")
    window = properties["FlexibleTimeWindow"]
    if (window.get("Mode") == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise PropertyError("MaximumWindowInMinutes must be provided if, and only if, FlexibleTimeWindow is FLEXIBLE.")


def _create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
    from ministack.services import scheduler
    from ministack.services.cloudformation import provisioners

    name = properties.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
    expect_success("CreateSchedule", scheduler._create_schedule(name, _members(properties)))
    return name, {"Arn": scheduler._schedule_arn(properties.get("GroupName", "default"), name)}


def _update(
    name: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> tuple[str, dict[str, Any]]:
    from ministack.services import scheduler

    group, old_group = (given.get("GroupName", "default") for given in (new, old))
    if group != old_group:
        created = _create(logical_id, {**new, "Name": name}, stack_name)
        _delete(name, old)
        return created
    expect_success("UpdateSchedule", scheduler._update_schedule(name, _members(new)))
    return name, {"Arn": scheduler._schedule_arn(group, name)}


def _delete(name: str, properties: Properties) -> None:
    from ministack.services import scheduler

    schedule = scheduler._schedules.pop(f"{properties.get('GroupName', 'default')}/{name}", None)
    if schedule:
        scheduler._tags.pop(schedule["Arn"], None)


def _members(properties: Properties) -> Properties:
    given: Properties = {
        name: properties[name]
        for name in (
            "Description",
            "EndDate",
            "FlexibleTimeWindow",
            "GroupName",
            "KmsKeyArn",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "StartDate",
            "State",
            "Target",
        )
        if name in properties
    }
    retry = given["Target"].get("RetryPolicy")
    if retry:  # parameters give strings
        given["Target"] = {**given["Target"], "RetryPolicy": {name: int(value) for name, value in retry.items()}}
    return given


def refuse_second_group(properties: Properties) -> None:
    """MiniStack does not look at what its operation answers."""
    from ministack.services import scheduler

    if properties.get("Name") in scheduler._schedule_groups:
        raise PropertyError(f"Schedule group {properties['Name']} already exists.")


def describe_group(name: str, properties: Properties, old: Properties) -> dict[str, str]:
    """What MiniStack's handler leaves out of Fn::GetAtt."""
    from ministack.services import scheduler

    group = scheduler._schedule_groups[name]
    return {
        "CreationDate": str(group["CreationDate"]),
        "LastModificationDate": str(group["LastModificationDate"]),
        "State": str(group["State"]),
    }


HANDLERS: dict[str, Handlers] = {
    SCHEDULE: {"create": _create, "update": _update, "delete": _delete, "update_with_logical_id": True}
}
REPLACING = {SCHEDULE: ("Name",)}
RULES = {
    SCHEDULE: TypeRules(
        consumed=names(
            "Description EndDate FlexibleTimeWindow GroupName KmsKeyArn Name ScheduleExpression "
            "ScheduleExpressionTimezone StartDate State Target"
        ),
        before=(check_schedule,),
    ),
    "AWS::Scheduler::ScheduleGroup": TypeRules(
        consumed=names("Name Tags"), before_create=(refuse_second_group,), after=(describe_group,)
    ),
}
