"""Notifications of a bucket that S3 cannot tell apart are those that one key can match."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.stacks import load_cdk

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_s3 as s3  # noqa: E402
from aws_cdk import aws_s3_notifications as s3_notifications  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402
from aws_cdk.assertions import Template  # noqa: E402

from skykite.constructs.notifications import EVENTS, Notification, check_apart  # noqa: E402
from skykite.constructs.props import PropProblem  # noqa: E402
from skykite.constructs.props_sources import BucketEvent  # noqa: E402

PARTS = st.text("ab/", max_size=3)


@st.composite
def notifications(draw: st.DrawFn, name: str) -> Notification:
    events = draw(st.lists(st.sampled_from(sorted(EVENTS)), min_size=1, max_size=2))
    return Notification(
        name=name,
        kind="function",
        target="functions/a.b",
        within="",
        events=tuple(events),
        prefix=draw(PARTS),
        suffix=draw(PARTS),
    )


def matches(notification: Notification, event: str, key: str) -> bool:
    wanted = [EVENTS[name] for name in notification.events]
    return (
        any(event == one or (one.endswith(":*") and event.startswith(one[:-1])) for one in wanted)
        and key.startswith(notification.prefix)
        and key.endswith(notification.suffix)
    )


@given(notifications("one"), notifications("two"))
def test_two_are_refused_if_and_only_if_an_object_can_match_both(one: Notification, two: Notification) -> None:
    # Where there is a key for both, the longer prefix before the longer suffix is one.
    key = max(one.prefix, two.prefix, key=len) + max(one.suffix, two.suffix, key=len)
    happening = [name if not name.endswith(":*") else f"{name[:-1]}Anything" for name in EVENTS.values()]
    both = any(matches(one, event, key) and matches(two, event, key) for event in happening)
    if both:
        with pytest.raises(PropProblem):
            check_apart(two, [one])
    else:
        check_apart(two, [one])


def test_our_names_are_those_of_cdk_and_mean_the_same() -> None:
    assert sorted(get_args(BucketEvent)) == sorted(EVENTS)
    assert sorted(name.upper() for name in EVENTS) == sorted(event.name for event in s3.EventType)
    stack = aws_cdk.Stack()
    bucket = s3.Bucket(stack, "Bucket")
    destination = s3_notifications.SqsDestination(sqs.Queue(stack, "Queue"))
    for name in EVENTS:
        bucket.add_event_notification(s3.EventType[name.upper()], destination)

    (resource,) = Template.from_stack(stack).find_resources("Custom::S3BucketNotifications").values()
    configured = resource["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert [one["Events"] for one in configured] == [[theirs] for theirs in EVENTS.values()]
