"""A stack's update has events of what it changes, and of nothing else."""

from __future__ import annotations

from typing import Any

from kit.embedded_cloud import RunningCloud, deploy


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def new_events(cloud: RunningCloud, stack: str, seen: int) -> list[tuple[str, str]]:
    events = cloud.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return [(one["LogicalResourceId"], one["ResourceStatus"]) for one in reversed(events[: len(events) - seen])]


def test_a_resource_that_an_update_leaves_as_it_is_has_no_events(cloud: RunningCloud) -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::GetAtt": ["Renamed", "QueueName"]}}}
    first = {"Kept": queue(), "Changed": queue(DelaySeconds=1), "Renamed": queue(QueueName="events-a"), "Topic": topic}
    made = deploy(cloud, "events", first)
    assert made["StackStatus"] == "CREATE_COMPLETE", made["Failures"]
    seen = len(new_events(cloud, "events", 0))

    second = {**first, "Changed": queue(DelaySeconds=2), "Renamed": queue(QueueName="events-b"), "New": queue()}
    made = deploy(cloud, "events", second)

    assert made["StackStatus"] == "UPDATE_COMPLETE", made["Failures"]
    events = [event for event in new_events(cloud, "events", seen) if event[0] != "events"]
    assert {name for name, _ in events} == {"Changed", "Renamed", "New", "Topic"}
    assert [status for name, status in events if name == "Changed"] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert [status for name, status in events if name == "New"] == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    assert [status for name, status in events if name == "Topic"] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]


def test_an_update_that_fails_says_which_resource_it_was(cloud: RunningCloud) -> None:
    first = {"Kept": queue(), "Changed": queue(DelaySeconds=1)}
    deploy(cloud, "failing", first)
    seen = len(new_events(cloud, "failing", 0))

    made = deploy(cloud, "failing", {**first, "Changed": queue(DelaySeconds=2, Colour="red")})

    assert made["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = new_events(cloud, "failing", seen)
    assert ("Changed", "UPDATE_FAILED") in events
    assert "Kept" not in {name for name, _ in events}
