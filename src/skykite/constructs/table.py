"""`Table`: a DynamoDB table, on demand, and the functions that read its stream."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import read_defaults
from skykite.constructs.existing import ArnKind, check_not_beside, read_existing
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.props import PropProblem, TableProps, check_known
from skykite.constructs.stream_consumers import StreamConsumers
from skykite.constructs.table_schema import make_table

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function
    from skykite.constructs.props_sources import StreamConsumer

_WORDS: Final = "a dict of names to consumers"
_STREAM: Final = "/stream/"
_ARN: Final = ArnKind(
    service="dynamodb",
    noun="a table",
    pattern=re.compile(rf"table/[A-Za-z0-9_.-]{{3,255}}(?:{_STREAM}[0-9T:.-]+)?"),
    example="table/Notes",
    regional=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCdk:
    """The CDK objects of a `Table`; `functions` by name."""

    table: dynamodb.ITable
    functions: Mapping[str, lambda_.IFunction]


class Table(SkykiteConstruct):
    """A DynamoDB table, billed per request.

    ```python
    Table(self, "Notes",
        fields={"id": "string", "owner": "string", "created": "number"},
        primary_index={"partition_key": "id"},
        global_indexes={"byOwner": {"partition_key": "owner", "sort_key": "created"}},
    )
    ```

    - `fields`: the attributes that keys use, to `"string"`, `"number"` or `"binary"`
    - `primary_index`: `partition_key` and, if wanted, `sort_key`
    - `global_indexes`: by name, `partition_key`, `sort_key`, `projection` (`"all"`, `"keys_only"`, or attributes)
    - `local_indexes`: by name, `sort_key`, `projection`
    - `time_to_live`: the attribute that holds when an item expires, in seconds since 1970
    - `stream`: `"new-and-old-images"` (also `True`), `"new-image"`, `"old-image"`, `"keys-only"`
    - `consumers`: by name, what reads its stream, which they turn on: a handler; a dict of `Function`'s arguments with
      its `handler`; a `Function`; any CDK Lambda function; or a dict of `StreamConsumerProps`, with one of those as its
      `function`:
        - `batch_size` (1–10000 records, default 100), `max_batching_window` (0–300 seconds, default 0)
        - `starting_position`: `"latest"` (default) or `"trim_horizon"`
        - `filters`: up to five patterns, such as `{"eventName": ["INSERT"]}`; a record that matches one is taken
        - `report_batch_item_failures`: whether the function's `{"batchItemFailures": […]}` counts; default `True`
        - `bisect_batch_on_error`, `retry_attempts` (0–10000), `max_record_age` (60–604800 seconds): what happens to a
          batch that failed. Without the last two it blocks its shard until its records expire, after a day.
        - `on_failure`: a queue, a topic or a bucket that is told of batches that were given up
        - `parallelization_factor` (1–10 batches of a shard at once), `tumbling_window` (0–900 seconds), `enabled`
    - `defaults={"function": {…}}`: `Function`'s arguments for the functions it makes
    - `removal_policy`: `"retain"` or `"destroy"`. By default the table is kept when its stack goes in the stages `prod`
      and `production` and those that start with `prod-` or `production-`, and deleted with it in all others.
    - `existing`: the ARN of a table (for consumers: of its stream), or a CDK table, instead of a new one

    Raises SkykiteError at once if any of it is wrong.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[TableProps]) -> None:
        super().__init__(scope, id, kind="table")
        given = cast("dict[str, Any]", props)
        with self._checking():
            check_known(given, tuple(TableProps.__annotations__))
            self._defaults = read_defaults(given.get("defaults"))
            if given.get("existing") is None:
                self._table = make_table(self, given, self._kite_program.synthesis)
            else:
                self._table = self._import(given)
            keys = self._read_consumers(given.get("consumers") or {})
        self._consumers = StreamConsumers.of_table(self, self._table)
        self._consumers.add(keys, self._defaults)

    @property
    def cdk(self) -> TableCdk:
        """The CDK objects behind it."""
        return TableCdk(table=self._table, functions=self._consumers.cdk_functions)

    @property
    def cdk_resource(self) -> Any:
        """What `(table, "grant_read_data")` asks."""
        return self._table

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._table.table_name)

    @property
    def arn(self) -> str:
        return cast("str", self._table.table_arn)

    def add_consumers(self, consumers: Mapping[str, StreamConsumer]) -> None:
        """More of them, for instance ones that are made after the table. It needs a `stream`."""
        with self._checking():
            keys = self._read_consumers(consumers)
        self._consumers.add(keys, self._defaults)

    def get_function(self, name: str) -> Function | lambda_.IFunction:
        """A consumer's function."""
        return self._consumers.get_function(name)

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Table", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow reading and writing it and its indexes."""
        self._table.grant_read_write_data(grantee)

    def _read_consumers(self, given: object) -> GivenKeys:
        keys = GivenKeys(self._kite_program, "consumers", given, words=_WORDS)
        if any(True for _ in keys) and self._table.table_stream_arn is None:
            raise PropProblem(
                "table-stream",
                "has consumers and no stream for them to read",
                hint="add stream=True where it is made; for an existing table, give the ARN of its stream",
            )
        return keys

    def _import(self, given: Mapping[str, Any]) -> Any:
        check_not_beside(given, ("consumers", "defaults"))
        found = read_existing(self, given["existing"], _ARN, attribute="table_arn")
        if not isinstance(found, str):
            return found
        return dynamodb.Table.from_table_attributes(
            self,
            "Resource",
            table_arn=found.partition(_STREAM)[0],
            table_stream_arn=found if _STREAM in found else None,
            grant_index_permissions=True,
        )
