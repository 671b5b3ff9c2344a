"""Moves a stack's status allows, and the deletion of a stack whose bucket is not empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kit.clock import ManualClock
from kit.cloud import Answers, RecordedEvents
from skykite.aws import AwsSession, StackEvent, StackState
from skykite.deploy.consent import Consent
from skykite.deploy.operation import StackOperator, next_move
from skykite.deploy.templates import StackPaths
from skykite.deploy.watch import interval
from skykite.errors import SkykiteError
from skykite.model.events import DeployResource, StepProgress
from skykite.model.names import ConstructPath, LogicalId

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PATHS = StackPaths(root=ConstructPath("Notes"), paths={LogicalId("Uploads"): ConstructPath("Notes/Uploads")})


def state(status: str) -> StackState:
    return StackState(name="n", id="arn:n", status=status, created=NOW)


@pytest.mark.parametrize(
    ("status", "move"),
    [
        ("CREATE_COMPLETE", "update"),
        ("UPDATE_COMPLETE", "update"),
        ("UPDATE_ROLLBACK_COMPLETE", "update"),
        ("REVIEW_IN_PROGRESS", "create"),
        ("DELETE_COMPLETE", "create"),
        ("CREATE_IN_PROGRESS", "wait"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "wait"),
        ("DELETE_IN_PROGRESS", "wait"),
        ("ROLLBACK_COMPLETE", "delete"),
        ("ROLLBACK_FAILED", "delete"),
        ("CREATE_FAILED", "delete"),
        ("DELETE_FAILED", "delete"),
        ("UPDATE_ROLLBACK_FAILED", "stuck"),
        ("IMPORT_ROLLBACK_FAILED", "stuck"),
    ],
)
def test_every_status_allows_one_move(status: str, move: str) -> None:
    assert next_move(state(status)) == move


def test_a_stack_that_is_not_there_is_created() -> None:
    assert next_move(None) == "create"


def test_looking_gets_rarer_but_never_very_rare() -> None:
    assert [interval(seconds) for seconds in (0, 0.1, 1, 10, 1000)] == [0.02, 0.02, 0.15, 1.5, 2.5]


class FullBucketCloud:
    """CloudFormation as AWS has it: a stack whose bucket holds objects ends in DELETE_FAILED until it is emptied."""

    def __init__(self, complaint: str = "The bucket you tried to delete is not empty") -> None:
        self.objects = 3
        self.complaint = complaint
        self.log: list[StackEvent] = []
        self.cloudformation = SimpleNamespace(delete_stack=self.delete_stack, events=self.events)
        self.s3 = SimpleNamespace(empty=self.empty)

    async def run(self, function: Callable[..., Any], /, *args: object, **kwargs: object) -> Any:
        return function(*args, **kwargs)

    def delete_stack(self, stack: str, *, token: str) -> None:
        self._say(token, "n", "arn:n", "AWS::CloudFormation::Stack", "DELETE_IN_PROGRESS")
        full = self.objects > 0
        reason = f"{self.complaint} (Service: S3, Status Code: 409)" if full else ""
        ending = "DELETE_FAILED" if full else "DELETE_COMPLETE"
        self._say(token, "Uploads", "bucket-1", "AWS::S3::Bucket", ending, reason)
        if full:
            self._say(token, "Key", "key-1", "AWS::KMS::Key", ending, "Resource deletion cancelled")
        self._say(token, "n", "arn:n", "AWS::CloudFormation::Stack", ending)

    def events(self, stack: str) -> Iterator[StackEvent]:
        return reversed(self.log)

    def empty(self, bucket: str, *, progress: Callable[[int], None]) -> int:
        assert bucket == "bucket-1"
        found, self.objects = self.objects, 0
        progress(found)
        return found

    def _say(self, token: str, logical: str, physical: str, type: str, status: str, reason: str = "") -> None:
        self.log.append(
            StackEvent(
                id=str(len(self.log)),
                stack_id="arn:n",
                stack="n",
                logical_id=logical,
                physical_id=physical,
                type=type,
                status=status,
                reason=reason,
                at=NOW,
                token=token,
            )
        )


def operator(cloud: FullBucketCloud, events: RecordedEvents) -> StackOperator:
    async def put_template(key: str, data: bytes) -> str:
        raise AssertionError(key)

    return StackOperator(
        session=cast("AwsSession", cloud),
        events=events,
        clock=ManualClock(),
        consent=Consent(Answers()),
        put_template=put_template,
    )


async def test_a_full_bucket_is_emptied_after_the_stack_said_so_and_then_it_goes() -> None:
    cloud, events = FullBucketCloud(), RecordedEvents()
    await operator(cloud, events).remove(state("CREATE_COMPLETE"), PATHS, may_empty=True)
    assert cloud.objects == 0
    assert [event.message for event in events.of(StepProgress)] == [
        "emptying `Notes/Uploads`: 3 object versions deleted"
    ]
    assert [event.status for event in events.of(DeployResource) if event.path == "Notes/Uploads"] == [
        "DELETE_FAILED",
        "DELETE_COMPLETE",
    ]


async def test_nothing_is_emptied_that_was_not_agreed_to() -> None:
    cloud = FullBucketCloud()
    with pytest.raises(SkykiteError) as raised:
        await operator(cloud, RecordedEvents()).remove(state("CREATE_COMPLETE"), PATHS, may_empty=False)
    assert cloud.objects == 3
    assert (raised.value.code, raised.value.message, raised.value.hint) == (
        "remove-failed",
        "`Notes/Uploads` (AWS::S3::Bucket) could not be deleted: The bucket you tried to delete is not empty",
        "empty the bucket first, or keep it with removal_policy=RETAIN",
    )


async def test_what_nobody_can_mend_may_be_left_behind() -> None:
    cloud = FullBucketCloud("It is stuck")
    with pytest.raises(SkykiteError) as raised:
        await operator(cloud, RecordedEvents()).remove(state("CREATE_COMPLETE"), PATHS, may_empty=True)
    assert raised.value.hint == (
        "once the reason is gone, run this again; or leave it behind with `aws cloudformation delete-stack "
        "--stack-name n --retain-resources Uploads`"
    )
