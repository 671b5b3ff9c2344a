"""`KinesisStream`: a Kinesis data stream and the functions that read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import read_defaults
from skykite.constructs.encryption import read_encryption_key
from skykite.constructs.existing import ArnKind, check_not_beside, read_existing
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.names import NameKind, claim_name, read_name
from skykite.constructs.props import PropProblem, check_known
from skykite.constructs.props_sources import KinesisStreamProps, StreamConsumer
from skykite.constructs.quantities import read_count, read_seconds
from skykite.constructs.removal import removal_policy
from skykite.constructs.stream_consumers import StreamConsumers

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function

_HOUR: Final = 60 * 60
_DAY: Final = 24 * _HOUR
_WORDS: Final = "a dict of names to consumers"
_ARN: Final = ArnKind(
    service="kinesis",
    noun="a stream",
    pattern=re.compile(r"stream/[A-Za-z0-9_.-]{1,128}"),
    example="stream/clicks",
    regional=True,
)
_NAME: Final = NameKind(
    service="Kinesis",
    pattern=re.compile(r"[A-Za-z0-9_.-]{1,128}"),
    words="up to 128 letters, digits, dashes, dots and underscores",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisStreamCdk:
    """The CDK objects of a `KinesisStream`; `functions` by name."""

    stream: kinesis.IStream
    functions: Mapping[str, lambda_.IFunction]


class KinesisStream(SkykiteConstruct):
    """A Kinesis data stream, and what reads it.

    ```python
    KinesisStream(self, "Clicks", consumers={
        "count": "functions/clicks.count",
        "archive": {"function": "functions/clicks.archive", "batch_size": 1000, "max_batching_window": 60},
    })
    ```

    - `consumers`: by name, what reads the stream: a handler; a dict of `Function`'s arguments with its `handler`; a
      `Function`; any CDK Lambda function; or a dict of `StreamConsumerProps`, with one of those as its `function`:
        - `batch_size` (1–10000 records, default 100), `max_batching_window` (0–300 seconds, default 0)
        - `starting_position`: `"latest"` (default), `"trim_horizon"`, or a `datetime`
        - `filters`: up to five patterns, such as `{"data": {"kind": ["click"]}}`; a record that matches one is taken
        - `report_batch_item_failures`: whether the function's `{"batchItemFailures": […]}` counts; default `True`
        - `bisect_batch_on_error`, `retry_attempts` (0–10000), `max_record_age` (60–604800 seconds): what happens to a
          batch that failed. Without the last two it blocks its shard until its records expire.
        - `on_failure`: a queue, a topic or a bucket that is told of batches that were given up
        - `parallelization_factor` (1–10 batches of a shard at once), `tumbling_window` (0–900 seconds), `enabled`
    - `defaults={"function": {…}}`: `Function`'s arguments for the functions it makes
    - `shards`: how many; without it the stream is on demand
    - `retention_period`: whole hours as seconds or an `aws_cdk.Duration`, a day (default) to 365 days
    - `encryption_key`: a KMS key of your own instead of AWS's for Kinesis
    - `removal_policy`: `"retain"` or `"destroy"`. By default kept in `prod`-like stages, deleted in all others.
    - `name`: the physical name; by default CloudFormation makes one
    - `existing`: the ARN of a stream, or a CDK stream, instead of a new one

    Each of those functions may read the stream, and nothing more. `link=[clicks]` lets others write to it.

    Raises SkykiteError at once if any of it is wrong.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[KinesisStreamProps]) -> None:
        super().__init__(scope, id, kind="kinesis stream")
        given = cast("dict[str, Any]", props)
        with self._checking():
            check_known(given, tuple(KinesisStreamProps.__annotations__))
            self._defaults = read_defaults(given.get("defaults"))
            self._stream = self._make(given) if given.get("existing") is None else self._import(given)
            keys = GivenKeys(self._kite_program, "consumers", given.get("consumers") or {}, words=_WORDS)
        self._consumers = StreamConsumers.of_kinesis(self, self._stream)
        self._consumers.add(keys, self._defaults)

    @property
    def cdk(self) -> KinesisStreamCdk:
        """The CDK objects behind it."""
        return KinesisStreamCdk(stream=self._stream, functions=self._consumers.cdk_functions)

    @property
    def cdk_resource(self) -> Any:
        """What `(stream, "grant_write")` asks."""
        return self._stream

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._stream.stream_name)

    @property
    def arn(self) -> str:
        return cast("str", self._stream.stream_arn)

    def add_consumers(self, consumers: Mapping[str, StreamConsumer]) -> None:
        """More consumers, for instance ones that are made after the stream."""
        with self._checking():
            keys = GivenKeys(self._kite_program, "consumers", consumers, words=_WORDS)
        self._consumers.add(keys, self._defaults)

    def get_function(self, name: str) -> Function | lambda_.IFunction:
        """A consumer's function."""
        return self._consumers.get_function(name)

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "KinesisStream", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow writing. What reads it is a consumer."""
        self._stream.grant_write(grantee)

    def _import(self, given: Mapping[str, Any]) -> Any:
        check_not_beside(given, ("consumers", "defaults"))
        found = read_existing(self, given["existing"], _ARN, attribute="stream_arn")
        return kinesis.Stream.from_stream_arn(self, "Resource", found) if isinstance(found, str) else found

    def _make(self, given: Mapping[str, Any]) -> Any:
        shards = read_count("shards", given.get("shards"), 1, 10_000, service="Kinesis")
        retention = read_seconds("retention_period", given.get("retention_period"), _DAY, 365 * _DAY, service="Kinesis")
        if retention is not None and retention % _HOUR:
            raise PropProblem(
                "prop-value",
                f"was given retention_period=`{retention}` seconds, and Kinesis counts whole hours",
                hint="write it as an `aws_cdk.Duration`, for instance Duration.hours(48)",
            )
        key = read_encryption_key(given.get("encryption_key"))
        policy = removal_policy(given.get("removal_policy"), self._kite_program.synthesis)
        name = read_name(given.get("name"), _NAME)
        claim_name(self, "kinesis stream", name)
        return kinesis.Stream(
            self,
            "Resource",
            stream_name=name,
            shard_count=shards,
            stream_mode=kinesis.StreamMode.PROVISIONED if shards is not None else kinesis.StreamMode.ON_DEMAND,
            retention_period=aws_cdk.Duration.hours(retention // _HOUR) if retention is not None else None,
            encryption=kinesis.StreamEncryption.KMS if key is not None else kinesis.StreamEncryption.MANAGED,
            encryption_key=key,
            removal_policy=policy,
        )
