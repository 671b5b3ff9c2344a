"""A stack's update has events of what it changes, and of nothing else; a deletion that fails keeps what it needs."""

from __future__ import annotations

from typing import Any

from kit.embedded_cloud import RunningCloud, deploy, eventually


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


def test_what_could_not_be_deleted_keeps_what_it_depends_on_for_the_next_attempt(cloud: RunningCloud) -> None:
    s3, sns = cloud.client("s3"), cloud.client("sns")
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "kept-for-now"}, "DependsOn": "Between"}
    made = deploy(
        cloud,
        "leaving",
        {
            "Full": bucket,
            "Between": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"DisplayName": {"Fn::GetAtt": ["Needed", "TopicName"]}},
            },
            "Needed": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "needed-still"}},
            "Other": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "needed-by-nobody"}},
        },
    )
    assert made["StackStatus"] == "CREATE_COMPLETE", made["Failures"]
    s3.put_object(Bucket="kept-for-now", Key="a", Body=b"1")

    assert deleted(cloud, made["StackId"])["StackStatus"] == "DELETE_FAILED"

    names = [topic["TopicArn"].rpartition(":")[2] for topic in sns.list_topics()["Topics"]]
    assert "needed-still" in names
    assert "needed-by-nobody" not in names
    s3.delete_object(Bucket="kept-for-now", Key="a")
    assert deleted(cloud, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert "needed-still" not in str(sns.list_topics()["Topics"])


def deleted(cloud: RunningCloud, stack: str) -> dict[str, Any]:
    """How the deletion of a stack ends."""
    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName=stack)

    def settled() -> dict[str, Any] | None:
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return (
            described
            if described["StackStatus"].startswith("DELETE_") and "PROGRESS" not in described["StackStatus"]
            else None
        )

    return eventually(settled)
