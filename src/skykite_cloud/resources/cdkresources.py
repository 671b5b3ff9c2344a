"""The custom resources that CDK's own constructs bring, done here: no function is started for them, and none can miss
the Node SDK that Lambda has and this machine may not.

What their functions do is small and fixed: notifications of a bucket, emptying one before it goes, the retention of a
log group, and closing a VPC's default security group. The functions are deployed all the same, and nothing runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, expect_success

Attributes = dict[str, Any]

_KINDS = {
    "TopicConfigurations": ("sns", "TopicArn"),
    "QueueConfigurations": ("sqs", "QueueArn"),
    "LambdaFunctionConfigurations": ("lambda", "LambdaFunctionArn"),
}
_EMPTIED = "aws-cdk:auto-delete-objects"


def _put_notifications(bucket: str, configurations: list[Attributes], event_bridge: bool, skip: bool) -> None:
    from ministack.services import s3

    body = s3._notification_configs_to_xml(configurations, event_bridge)
    headers = {"x-amz-skip-destination-validation": "true"} if skip else {}
    answer = s3._put_bucket_notification(bucket, body.encode(), headers)
    expect_success("PutBucketNotificationConfiguration", answer)


def _notifications_of(properties: Properties, ids: str) -> Iterator[Attributes]:
    """As MiniStack's S3 keeps them."""
    given = properties["NotificationConfiguration"]
    for name, (kind, key) in _KINDS.items():
        for index, one in enumerate(given.get(name) or ()):
            rules = ((one.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
            found = {str(rule["Name"]).lower(): rule["Value"] for rule in rules}
            yield {
                "type": kind,
                "id": one.get("Id") or f"{ids}-{kind}-{index}",
                "arn": one[key],
                "events": one["Events"],
                "filter_prefix": found.get("prefix"),
                "filter_suffix": found.get("suffix"),
            }


def _others(bucket: str, ids: str) -> tuple[list[Attributes], bool]:
    """What is configured besides, for a bucket that other stacks have a share in."""
    from ministack.services import s3

    text = s3._bucket_notifications.get(bucket) or ""
    found: list[Attributes] = s3._parse_notification_config_raw(text)
    return [one for one in found if not str(one["id"]).startswith(f"{ids}-")], "EventBridgeConfiguration" in text


def _make_notifications(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    ids = f"{stack_name}-{logical_id}"
    _find_bucket(properties["BucketName"])
    configurations = list(_notifications_of(properties, ids))
    event_bridge = "EventBridgeConfiguration" in properties["NotificationConfiguration"]
    if not _is_true(properties.get("Managed", True)):
        others, others_event_bridge = _others(properties["BucketName"], ids)
        configurations, event_bridge = [*others, *configurations], event_bridge or others_event_bridge
    skip = _is_true(properties.get("SkipDestinationValidation", False))
    _put_notifications(properties["BucketName"], configurations, event_bridge, skip)
    return ids, {}


def _change_notifications(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> tuple[str, Attributes]:
    if old["BucketName"] != new["BucketName"]:
        _remove_notifications(physical_id, old)
    return physical_id, _make_notifications(logical_id, new, stack_name)[1]


def _remove_notifications(physical_id: str, properties: Properties) -> None:
    from ministack.services import s3

    bucket = properties["BucketName"]
    if bucket not in s3._buckets:
        return
    managed = _is_true(properties.get("Managed", True))
    others, event_bridge = ([], False) if managed else _others(bucket, physical_id)
    _put_notifications(bucket, others, event_bridge, skip=True)


def _make_emptying(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    _find_bucket(properties["BucketName"])
    return f"{stack_name}-{logical_id}", {}


def _change_emptying(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> tuple[str, Attributes]:
    if old["BucketName"] != new["BucketName"]:
        _empty(physical_id, old)
    return physical_id, _make_emptying(logical_id, new, stack_name)[1]


def _empty(physical_id: str, properties: Properties) -> None:
    """Only a bucket that still carries the tag, as CDK's function looks at it too."""
    from ministack.services import s3

    bucket = properties["BucketName"]
    if bucket not in s3._buckets or s3._bucket_tags.get(bucket, {}).get(_EMPTIED) != "true":
        return
    versions = {
        (key, version["version_id"])
        for (name, key), found in list(s3._object_versions.items())
        if name == bucket
        for version in found
    }
    objects = [f"<Object><Key>{escape(key)}</Key></Object>" for key in s3._buckets[bucket]["objects"]]
    if versions:
        objects = [
            f"<Object><Key>{escape(key)}</Key><VersionId>{version}</VersionId></Object>" for key, version in versions
        ]
    for start in range(0, len(objects), 1000):
        body = f'<Delete xmlns="{s3.S3_NS}">{"".join(objects[start : start + 1000])}<Quiet>true</Quiet></Delete>'
        expect_success("DeleteObjects", s3._delete_objects(bucket, body.encode(), {}))


def _make_retention(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import cloudwatch_logs

    group, days = properties["LogGroupName"], properties.get("RetentionInDays")
    if group not in cloudwatch_logs._log_groups:
        expect_success("CreateLogGroup", cloudwatch_logs._create_log_group({"logGroupName": group}))
    if days is None:
        cloudwatch_logs._delete_retention_policy({"logGroupName": group})
    else:
        given = {"logGroupName": group, "retentionInDays": int(days)}
        expect_success("PutRetentionPolicy", cloudwatch_logs._put_retention_policy(given))
    return group, {"LogGroupName": group}


def _change_retention(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> tuple[str, Attributes]:
    return _make_retention(logical_id, new, stack_name)


def _remove_retention(physical_id: str, properties: Properties) -> None:
    from ministack.services import cloudwatch_logs

    if properties.get("RemovalPolicy") == "destroy":
        cloudwatch_logs._log_groups.pop(physical_id, None)


def _close_default_group(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import ec2

    group = ec2._security_groups.get(properties["DefaultSecurityGroupId"])
    if group is None:
        raise PropertyError(f"The security group '{properties['DefaultSecurityGroupId']}' does not exist")
    group["IpPermissions"], group["IpPermissionsEgress"] = [], []
    return f"{stack_name}-{logical_id}", {}


def _change_default_group(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> tuple[str, Attributes]:
    return physical_id, _close_default_group(logical_id, new, stack_name)[1]


def _leave_default_group(physical_id: str, properties: Properties) -> None:
    """The VPC goes with it."""


def _find_bucket(name: str) -> None:
    from ministack.services import s3

    if name not in s3._buckets:
        raise PropertyError("The specified bucket does not exist")


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _handlers(create: Callable[..., Any], update: Callable[..., Any], delete: Callable[..., Any]) -> Handlers:
    return {"create": create, "update": update, "delete": delete, "update_with_logical_id": True}


HANDLERS: dict[str, Handlers] = {
    "Custom::S3BucketNotifications": _handlers(_make_notifications, _change_notifications, _remove_notifications),
    "Custom::S3AutoDeleteObjects": _handlers(_make_emptying, _change_emptying, _empty),
    "Custom::LogRetention": _handlers(_make_retention, _change_retention, _remove_retention),
    "Custom::VpcRestrictDefaultSG": _handlers(_close_default_group, _change_default_group, _leave_default_group),
}
