"""What reads a stream in batches: Lambda's event source mappings for `KinesisStream` and `Table`.

In: one of `consumers`, as the user wrote it, and the stream. Out: a function with a mapping and what it may read. I/O:
what making a `Function` takes.
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import cdk_function, make_function, split_consumer
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.given_values import find_resource, read_duration
from skykite.constructs.patterns import read_filters
from skykite.constructs.props import PropProblem, check_choice, read_flag, shown
from skykite.constructs.props_sources import StreamConsumerProps
from skykite.constructs.quantities import read_count

if TYPE_CHECKING:
    from skykite.constructs.function import Function

_POSITIONS: Final = ("latest", "trim_horizon")
_OPTIONS: Final = tuple(name for name in StreamConsumerProps.__annotations__ if name != "function")


class StreamConsumers:
    """The consumers of one stream, by name. `source` makes CDK's event source of its options."""

    def __init__(self, owner: SkykiteConstruct, kind: Literal["kinesis", "dynamodb"], source: Any) -> None:
        self._owner = owner
        self._kind = kind
        self._source = source
        self._targets: dict[str, str] = {}
        self._functions: dict[str, Function | lambda_.IFunction] = {}

    @classmethod
    def of_kinesis(cls, owner: SkykiteConstruct, stream: kinesis.IStream) -> StreamConsumers:
        return cls(owner, "kinesis", lambda **options: event_sources.KinesisEventSource(stream, **options))

    @classmethod
    def of_table(cls, owner: SkykiteConstruct, table: dynamodb.ITable) -> StreamConsumers:
        return cls(owner, "dynamodb", lambda **options: event_sources.DynamoEventSource(table, **options))

    @property
    def cdk_functions(self) -> dict[str, lambda_.IFunction]:
        """By consumer."""
        return {name: cdk_function(function) for name, function in self._functions.items()}

    def get_function(self, name: str) -> Function | lambda_.IFunction:
        """Raises SkykiteError if there is no such consumer."""
        if name not in self._functions:
            raise self._owner.refuse("consumer-unknown", f"{self._owner.title} has no consumer `{name}`")
        return self._functions[name]

    def add(self, keys: GivenKeys, defaults: Mapping[str, Any]) -> None:
        """Raises SkykiteError with the line of the consumer that is wrong."""
        for name, given in keys.items():
            with keys.at(name), self._owner._checking():  # noqa: SLF001  (the constructs' own protocol)
                keys.check(name, taken=self._functions)
                self._add(name, given, defaults)

    def _add(self, name: str, given: object, defaults: Mapping[str, Any]) -> None:
        within = f'consumers["{name}"]'
        _, wanted, settings = split_consumer(given, _OPTIONS, within=within)
        options = self._read(settings, within)
        function = make_function(
            self._owner,
            name,
            wanted,
            defaults,
            within=f'{within}["function"]' if settings else within,
            source="batch" if options["report_batch_item_failures"] else "event",
        )
        target = cdk_function(function)
        other = self._targets.setdefault(target.node.addr, name)
        if other != name:
            raise PropProblem(
                "consumer-twice",
                f"has one function as its consumers `{other}` and `{name}`, and Lambda lets a function read a stream "
                "once",
                hint="keep one of them, or make a function for each",
            )
        target.add_event_source(self._source(**options))
        self._functions[name] = function

    def _read(self, given: Mapping[str, Any], within: str) -> dict[str, Any]:
        """CDK's options of the event source. Raises PropProblem."""

        def at(prop: str) -> str:
            return f'{within}["{prop}"]'

        def count(prop: str, low: int, high: int) -> int | None:
            return read_count(at(prop), given.get(prop), low, high, service="Lambda")

        def duration(prop: str, low: int, high: int) -> Any:
            return read_duration(at(prop), given.get(prop), low, high, service="Lambda")

        def switch(prop: str, default: bool) -> bool:
            return read_flag(at(prop), given.get(prop), default=default)

        options = {
            "batch_size": count("batch_size", 1, 10_000),
            "max_batching_window": duration("max_batching_window", 0, 300),
            "filters": read_filters(at("filters"), given.get("filters")),
            "bisect_batch_on_error": switch("bisect_batch_on_error", False) or None,
            "report_batch_item_failures": switch("report_batch_item_failures", True),
            "retry_attempts": count("retry_attempts", 0, 10_000),
            "max_record_age": duration("max_record_age", 60, 604_800),
            "on_failure": _read_on_failure(given.get("on_failure"), at("on_failure")),
            "parallelization_factor": count("parallelization_factor", 1, 10),
            "tumbling_window": duration("tumbling_window", 0, 900),
            "enabled": switch("enabled", True),
            **self._read_position(given.get("starting_position"), at("starting_position")),
        }
        return {name: value for name, value in options.items() if value is not None}

    def _read_position(self, given: object, name: str) -> dict[str, Any]:
        if given is None:
            given = "latest"
        if not isinstance(given, datetime):
            check_choice(name, given, _POSITIONS)
            return {"starting_position": lambda_.StartingPosition[str(given).upper()]}
        if self._kind == "dynamodb":
            raise PropProblem(
                "prop-value",
                f"was given {name}={shown(given)}, and streams of tables cannot be read from a time on",
                hint='write "trim_horizon" for everything that is still there, or "latest"',
            )
        if given.tzinfo is None:
            raise PropProblem(
                "prop-value",
                f"was given {name}={shown(given)}, which has no time zone",
                hint="give it one: datetime(…, tzinfo=datetime.UTC)",
            )
        return {
            "starting_position": lambda_.StartingPosition.AT_TIMESTAMP,
            "starting_position_timestamp": int(given.timestamp()),
        }


def _read_on_failure(given: object, name: str) -> Any:
    if given is None:
        return None
    if (queue := find_resource(given, "queue_arn")) is not None:
        return event_sources.SqsDlq(queue)
    if (topic := find_resource(given, "topic_arn")) is not None:
        return event_sources.SnsDlq(topic)
    if (bucket := find_resource(given, "bucket_arn")) is not None:
        return event_sources.S3OnFailureDestination(bucket)
    raise PropProblem("prop-type", f"was given {name}={shown(given)}, which is not a queue, a topic or a bucket")
