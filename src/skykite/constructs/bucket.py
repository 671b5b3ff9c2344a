"""`Bucket`: an S3 bucket, and what is told of its objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_notifications as destinations
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.bucket_rules import read_cors, read_lifecycle
from skykite.constructs.consumers import cdk_function, make_function, read_defaults
from skykite.constructs.encryption import read_encryption_key
from skykite.constructs.existing import ArnKind, check_not_beside, read_existing
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.given_values import find_resource
from skykite.constructs.names import NameKind, claim_name, read_name
from skykite.constructs.notifications import Notification as Checked
from skykite.constructs.notifications import check_apart, read_notification
from skykite.constructs.props import PropProblem, check_known, read_flag, shown
from skykite.constructs.props_sources import BucketProps, Notification
from skykite.constructs.removal import kept_when_removed, removal_policy

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function

_WORDS: Final = "a dict of names to notifications"
_NAME: Final = NameKind(
    service="S3",
    pattern=re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    words="3 to 63 lower-case letters, digits, dashes and dots, and letters or digits at both ends",
)
_ARN: Final = ArnKind(service="s3", noun="a bucket", pattern=_NAME.pattern, example="photos", placed=False)
_RESERVED: Final = re.compile(
    r"(xn--|sthree-|amzn-s3-demo-).*|.*(\.\.).*|.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3|-an)"
)
_BUCKET_ACTIONS: Final = ("s3:GetBucketLocation", "s3:ListBucket")
_OBJECT_ACTIONS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketCdk:
    """The CDK objects of a `Bucket`; `functions` by the name of the notification."""

    bucket: s3.IBucket
    functions: Mapping[str, lambda_.IFunction]


class Bucket(SkykiteConstruct):
    """An S3 bucket: private, encrypted, reached over TLS only.

    ```python
    Bucket(self, "Photos", notifications={
        "made": "functions/photos.made",
        "gone": {"function": "functions/photos.gone", "events": ["object_removed"], "filters": [{"suffix": ".jpg"}]},
    })
    ```

    - `notifications`: by name, who is told what. A handler, a dict of `Function`'s arguments with its `handler`, a
      `Function`, or any CDK Lambda function; a queue; a topic; or a dict:
        - `function`, `queue` or `topic`: one of those
        - `events`: default `["object_created"]`; others are for instance `"object_removed"`, `"object_created_put"`
        - `filters`: at most one `{"prefix": "photos/"}` and one `{"suffix": ".jpg"}`; a key must match both

      S3 notifies one of those that a key can match, so it takes no two that overlap; this is checked here.
    - `defaults={"function": {…}}`: `Function`'s arguments for the functions it makes
    - `cors`: `True` lets any origin in; a list of `BucketCorsRule`; default `False`
    - `versioned`: keep what is overwritten and deleted; default `False`
    - `lifecycle`: a list of rules, in days: `prefix`, `expire_after`, `expire_noncurrent_after`,
      `abort_incomplete_upload_after`, `transitions={"glacier": 90}`, `enabled`
    - `encryption_key`: a KMS key of your own instead of S3's
    - `name`: the physical name, unique in the world; by default CloudFormation makes one
    - `removal_policy`: `"retain"` or `"destroy"`. By default kept in `prod`-like stages. In all others it goes with its
      stack and its objects with it; in `prod`-like ones a bucket with `"destroy"` goes only when it is empty.
    - `existing`: the ARN of a bucket, or a CDK bucket, instead of a new one

    Notifications are made as CDK makes them, by a small function in the stack that sets them last. They could stand in
    the bucket itself, but then the bucket could be made only after its functions, and no function could know the
    bucket it is told of (`link=[photos]`) unless buckets had fixed names; nor would that serve existing buckets. A
    function may be called by this bucket alone, of this account alone. Another such function empties the bucket before
    it goes. The embedded cloud does the work of both itself.

    Raises SkykiteError at once if any of it is wrong.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[BucketProps]) -> None:
        super().__init__(scope, id, kind="bucket")
        given = cast("dict[str, Any]", props)
        self._versioned = given.get("versioned") is True or given.get("existing") is not None
        with self._checking():
            check_known(given, tuple(BucketProps.__annotations__))
            self._defaults = read_defaults(given.get("defaults"))
            self._bucket = self._make(given) if given.get("existing") is None else self._import(given)
            keys = GivenKeys(self._kite_program, "notifications", given.get("notifications") or {}, words=_WORDS)
        self._notifications: dict[str, Checked] = {}
        self._functions: dict[str, Function | lambda_.IFunction] = {}
        self._add(keys)

    @property
    def cdk(self) -> BucketCdk:
        """The CDK objects behind it."""
        functions = {name: cdk_function(function) for name, function in self._functions.items()}
        return BucketCdk(bucket=self._bucket, functions=functions)

    @property
    def cdk_resource(self) -> Any:
        """What `(bucket, "grant_read")` asks."""
        return self._bucket

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._bucket.bucket_name)

    @property
    def arn(self) -> str:
        return cast("str", self._bucket.bucket_arn)

    def add_notifications(self, notifications: Mapping[str, Notification]) -> None:
        """More of them, for instance to what is made after the bucket."""
        with self._checking():
            keys = GivenKeys(self._kite_program, "notifications", notifications, words=_WORDS)
        self._add(keys)

    def get_function(self, name: str) -> Function | lambda_.IFunction:
        """The function of a notification."""
        if name not in self._functions:
            raise self.refuse("notification-unknown", f"{self.title} notifies no function as `{name}`")
        return self._functions[name]

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Bucket", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow reading, writing, deleting and listing objects; of their versions, reading and listing."""
        of_objects = list(_OBJECT_ACTIONS)
        of_bucket = list(_BUCKET_ACTIONS)
        if self._versioned:
            of_objects.append("s3:GetObjectVersion")
            of_bucket.append("s3:ListBucketVersions")
        iam.Grant.add_to_principal(grantee=grantee, actions=of_bucket, resource_arns=[self.arn])
        iam.Grant.add_to_principal(
            grantee=grantee, actions=of_objects, resource_arns=[self._bucket.arn_for_objects("*")]
        )
        key = self._bucket.encryption_key
        if key is not None:
            key.grant_encrypt_decrypt(grantee)

    def _add(self, keys: GivenKeys) -> None:
        for name, given in keys.items():
            with keys.at(name), self._checking():
                keys.check(name, taken=self._notifications)
                checked = read_notification(name, given)
                check_apart(checked, list(self._notifications.values()))
                destination = self._destination(checked)
                for event in checked.events:
                    filters = [s3.NotificationKeyFilter(prefix=checked.prefix or None, suffix=checked.suffix or None)]
                    self._bucket.add_event_notification(
                        s3.EventType[event.upper()], destination, *(filters if checked.prefix or checked.suffix else ())
                    )
                self._notifications[name] = checked
        told = self._bucket.node.try_find_child("Notifications")
        emptied = self._bucket.node.try_find_child("AutoDeleteObjectsCustomResource")
        if told is not None and emptied is not None:
            # When the bucket goes, nobody is to be told of each of its objects.
            told.node.add_dependency(emptied)

    def _destination(self, wanted: Checked) -> s3.IBucketNotificationDestination:
        queue, topic = find_resource(wanted.target, "queue_arn"), find_resource(wanted.target, "topic_arn")
        if wanted.kind == "queue" or (wanted.kind == "function" and queue is not None):
            _check_standard(wanted, queue, "queue")
            return destinations.SqsDestination(queue)
        if wanted.kind == "topic" or (wanted.kind == "function" and topic is not None):
            _check_standard(wanted, topic, "topic")
            return destinations.SnsDestination(topic)
        function = make_function(self, wanted.name, wanted.target, self._defaults, within=wanted.within, source="event")
        self._functions[wanted.name] = function
        return destinations.LambdaDestination(cdk_function(function))

    def _import(self, given: Mapping[str, Any]) -> Any:
        check_not_beside(given, ("notifications", "defaults"))
        found = read_existing(self, given["existing"], _ARN, attribute="bucket_arn")
        return s3.Bucket.from_bucket_arn(self, "Resource", found) if isinstance(found, str) else found

    def _make(self, given: Mapping[str, Any]) -> Any:
        synthesis = self._kite_program.synthesis
        versioned = read_flag("versioned", given.get("versioned"), default=False)
        cors = read_cors(given.get("cors"))
        lifecycle = read_lifecycle(given.get("lifecycle"), versioned=versioned)
        key = read_encryption_key(given.get("encryption_key"))
        policy = removal_policy(given.get("removal_policy"), synthesis)
        name = _read_name(given.get("name"))
        claim_name(self, "bucket", name)
        goes = policy == aws_cdk.RemovalPolicy.DESTROY
        return s3.Bucket(
            self,
            "Resource",
            bucket_name=name,
            versioned=versioned or None,
            cors=cors,
            lifecycle_rules=lifecycle,
            encryption=s3.BucketEncryption.KMS if key is not None else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key is not None else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=policy,
            auto_delete_objects=True if goes and not kept_when_removed(synthesis) else None,
        )


def _read_name(given: object) -> str | None:
    name = read_name(given, _NAME)
    reserved = _RESERVED.fullmatch(name) if name is not None and not aws_cdk.Token.is_unresolved(name) else None
    if reserved is not None:
        part = next(group for group in reserved.groups() if group is not None)
        raise PropProblem(
            "name-invalid", f"was given name=`{name}`, and S3 keeps `{part}` to itself", hint="choose another name"
        )
    return name


def _check_standard(wanted: Checked, found: Any, kind: str) -> None:
    if found is None:
        raise PropProblem("prop-type", f"was given {wanted.within}={shown(wanted.target)}, which is not a {kind}")
    if found.fifo:
        raise PropProblem(
            "notification-fifo",
            f"notifies `{found.node.path}` in {wanted.within}, and S3 notifies no {kind} that is FIFO",
            hint=f"give a {kind} that is not, or a function that passes events on",
        )
