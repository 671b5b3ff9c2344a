"""A bucket's notifications: which events of which objects, checked as S3 checks them. Pure.

In: `notifications` as the user wrote it. Out: checked ones, or a PropProblem: S3 would refuse them only at the end of a
deploy, with “Configurations overlap” and no word on which.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from skykite.constructs.consumers import split_consumer
from skykite.constructs.props import PropProblem, check_known, check_strings, check_type, listed, shown
from skykite.constructs.props_sources import NotificationFilter, NotificationProps

EVENTS: Final[Mapping[str, str]] = {
    # our name, which is CDK's in lower case, to S3's
    "object_created": "s3:ObjectCreated:*",
    "object_created_put": "s3:ObjectCreated:Put",
    "object_created_post": "s3:ObjectCreated:Post",
    "object_created_copy": "s3:ObjectCreated:Copy",
    "object_created_complete_multipart_upload": "s3:ObjectCreated:CompleteMultipartUpload",
    "object_removed": "s3:ObjectRemoved:*",
    "object_removed_delete": "s3:ObjectRemoved:Delete",
    "object_removed_delete_marker_created": "s3:ObjectRemoved:DeleteMarkerCreated",
    "object_restore": "s3:ObjectRestore:*",
    "object_restore_post": "s3:ObjectRestore:Post",
    "object_restore_completed": "s3:ObjectRestore:Completed",
    "object_restore_delete": "s3:ObjectRestore:Delete",
    "object_tagging": "s3:ObjectTagging:*",
    "object_tagging_put": "s3:ObjectTagging:Put",
    "object_tagging_delete": "s3:ObjectTagging:Delete",
    "object_acl_put": "s3:ObjectAcl:Put",
    "lifecycle_expiration": "s3:LifecycleExpiration:*",
    "lifecycle_expiration_delete": "s3:LifecycleExpiration:Delete",
    "lifecycle_expiration_delete_marker_created": "s3:LifecycleExpiration:DeleteMarkerCreated",
    "lifecycle_transition": "s3:LifecycleTransition",
    "intelligent_tiering": "s3:IntelligentTiering",
    "reduced_redundancy_lost_object": "s3:ReducedRedundancyLostObject",
    "replication": "s3:Replication:*",
    "replication_operation_failed_replication": "s3:Replication:OperationFailedReplication",
    "replication_operation_missed_threshold": "s3:Replication:OperationMissedThreshold",
    "replication_operation_not_tracked": "s3:Replication:OperationNotTracked",
    "replication_operation_replicated_after_threshold": "s3:Replication:OperationReplicatedAfterThreshold",
}
TARGETS: Final = ("function", "queue", "topic")
_OPTIONS: Final = tuple(name for name in NotificationProps.__annotations__ if name not in TARGETS)
_KEY_LIMIT: Final = 1024
_LINK: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """`kind` is one of `TARGETS`, `target` what the user gave for it."""

    name: str
    kind: str
    target: object
    within: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""


def read_notification(name: str, given: object) -> Notification:
    """Raises PropProblem."""
    within = f'notifications["{name}"]'
    kind, target, options = split_consumer(given, _OPTIONS, within=within, whats=TARGETS)
    prefix, suffix = _read_filters(options.get("filters"), within)
    return Notification(
        name=name,
        kind=kind,
        target=target,
        within=f'{within}["{kind}"]' if isinstance(given, Mapping) and "handler" not in given else within,
        events=_read_events(options.get("events"), within),
        prefix=prefix,
        suffix=suffix,
    )


def check_apart(new: Notification, others: Sequence[Notification]) -> None:
    """Refuse a notification that S3 cannot tell from one of `others`. Raises PropProblem."""
    for other in others:
        common = [event for event in new.events if any(_meet(event, theirs) for theirs in other.events)]
        if not common or not _overlap(new.prefix, other.prefix, str.startswith):
            continue
        if not _overlap(new.suffix, other.suffix, str.endswith):
            continue
        raise PropProblem(
            "notifications-overlap",
            f"has the notifications `{other.name}` and `{new.name}` of `{common[0]}`, and a key can match both, which "
            "S3 refuses",
            hint="tell them apart by prefix or suffix; to have several told, send it to a `Topic`",
            link=_LINK,
        )


def _read_events(given: object, within: str) -> tuple[str, ...]:
    if given is None:
        return ("object_created",)
    name = f'{within}["events"]'
    events = check_strings(name, given, "a list of events")
    if not events:
        raise PropProblem("prop-value", f"has no event in {name}", hint='leave it out for ["object_created"]')
    for event in events:
        _check_event(name, event)
    for index, event in enumerate(events):
        for other in events[:index]:
            if _meet(event, other):
                raise PropProblem(
                    "prop-value",
                    f"has `{event}` twice in {name}"
                    if event == other
                    else f"has `{other}` and `{event}` in {name}, and one includes the other",
                    hint="keep one of them",
                )
    return events


def _check_event(name: str, event: str) -> None:
    if event in EVENTS:
        return
    ours = {theirs: our for our, theirs in EVENTS.items()}
    near = [ours[event]] if event in ours else difflib.get_close_matches(event, EVENTS, n=1, cutoff=0.5)
    common = [our for our, theirs in EVENTS.items() if theirs.endswith(":*")]
    raise PropProblem(
        "prop-value",
        f"has `{event}` in {name}, which is not an event",
        hint=f"did you mean `{near[0]}`?" if near else f"there are {listed(common)} and parts of them",
        link=_LINK,
    )


def _read_filters(given: object, within: str) -> tuple[str, str]:
    """One prefix and one suffix: all that S3 can tell keys apart by."""
    name = f'{within}["filters"]'
    if given is None:
        return "", ""
    if isinstance(given, Mapping | str) or not isinstance(given, Sequence):
        raise PropProblem(
            "prop-type",
            f"was given {name}={shown(given)}, which is not a list",
            hint=f"write [{dict(given)!r}]" if isinstance(given, Mapping) else 'write [{"prefix": "photos/"}]',
        )
    found: dict[str, str] = {}
    for entry in given:
        check_type(name, entry, Mapping, 'a list of dicts such as {"prefix": "photos/"}')
        check_known(entry, tuple(NotificationFilter.__annotations__), within=name)
        for kind, value in entry.items():
            check_type(f"{name}: {kind}", value, str, "a string")
            if kind in found:
                raise PropProblem(
                    "notification-filter",
                    f"has a second {kind} in {name}, and S3 takes one",
                    hint=f"an object must match all filters; make a notification for each {kind}",
                    link=_LINK,
                )
            if not 1 <= len(value.encode()) <= _KEY_LIMIT:
                raise PropProblem(
                    "prop-value", f"was given {name}: {kind}={shown(value)}", hint=f"S3 takes 1 to {_KEY_LIMIT} bytes"
                )
            found[kind] = value
    return found.get("prefix", ""), found.get("suffix", "")


def _meet(one: str, other: str) -> bool:
    """Whether something can be both events."""
    first, second = EVENTS[one], EVENTS[other]
    return first == second or any(
        wide.endswith(":*") and narrow.startswith(wide[:-1]) for wide, narrow in ((first, second), (second, first))
    )


def _overlap(one: str, other: str, contains: Any) -> bool:
    return bool(contains(one, other) or contains(other, one))
