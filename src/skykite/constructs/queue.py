"""`Queue`: an SQS queue and the function that works it off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_sqs as sqs
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import cdk_function, make_function, read_defaults, split_consumer, timeout_of
from skykite.constructs.encryption import read_encryption_key
from skykite.constructs.existing import ArnKind, check_not_beside, read_existing
from skykite.constructs.given_values import find_resource, read_duration
from skykite.constructs.links import has_attribute
from skykite.constructs.names import NameKind, claim_name, read_name
from skykite.constructs.props import PropProblem, check_known, read_flag, shown
from skykite.constructs.props_events import DeadLetterQueueProps, QueueProps
from skykite.constructs.quantities import read_count, read_seconds
from skykite.constructs.queue_props import CONSUMER_OPTIONS, read_fifo, read_source
from skykite.constructs.removal import removal_policy

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function

QUEUE: Final = "queue_arn"  # what tells a queue
_ARN: Final = ArnKind(
    service="sqs", noun="a queue", pattern=re.compile(r"[A-Za-z0-9_-]+(\.fifo)?"), example="orders", regional=True
)
_NAME: Final = NameKind(
    service="SQS", pattern=re.compile(r"[A-Za-z0-9_-]{1,75}"), words="up to 75 letters, digits, dashes and underscores"
)
_FIFO_SUFFIX: Final = ".fifo"
_KINDS: Final = {True: "FIFO", False: "standard"}
_VISIBILITY: Final = 30  # seconds, SQS's default
_LONGEST_VISIBILITY: Final = 43_200
_DEAD_LETTER_RETENTION: Final = 1_209_600  # 14 days, SQS's longest


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCdk:
    """The CDK objects of a `Queue`."""

    queue: sqs.IQueue
    consumer: lambda_.IFunction | None
    dead_letter_queue: sqs.IQueue | None


class Queue(SkykiteConstruct):
    """An SQS queue, and what works it off.

    ```python
    Queue(self, "Orders", consumer="functions/orders.work", dead_letter_queue=True)
    ```

    - `consumer`: a handler; a dict of `Function`'s arguments with its `handler`; a `Function`; a CDK Lambda function;
      or a dict of one of those as `function` with
        - `batch_size`: messages a batch, 1–10,000; over 10 only with a window; FIFO 1–10. Default 10
        - `max_batching_window`: seconds to wait for a full batch, 0–300
        - `report_batch_item_failures`: `True` (default): the function returns
          `{"batchItemFailures": [{"itemIdentifier": <messageId>}]}`, and only those messages come again. What raises
          fails as a whole, what returns nothing has done it all. `False`: any answer is success
        - `max_concurrency`: how many batches at a time, 2–1000
        - `filters`: up to 5 patterns, of which a message is to match one; SQS deletes the others
    - `defaults={"function": {…}}`: `Function`'s arguments for the consumer
    - `fifo`: in order, and once. `content_based_deduplication`, `deduplication_scope` (`"queue"`, `"message_group"`)
      and `fifo_throughput_limit` (`"per_queue"`, `"per_message_group_id"`) go with it
    - `dead_letter_queue`: `True` for one of its own, where a message goes after 3 tries and stays 14 days; a dict with
      `max_receive_count` and `retention_period`, or with `max_receive_count` and `queue`; a `Queue`; a CDK queue. What
      takes them is its `dead_letter_queue`: `orders.dead_letter_queue.add_consumer("functions/orders.mourn")`
    - `visibility_timeout`: seconds a message is hidden while it is worked on. Default: six times the consumer's
      timeout and its batching window, as Lambda advises. Not less than the timeout: Lambda refuses that
    - `retention_period`, `delay`: seconds
    - `encryption_key`: a KMS key. Default: encrypted with SQS's own
    - `name`: physical; by default CloudFormation chooses one
    - `removal_policy`: `"retain"` or `"destroy"`; by default kept in production-like stages, as `Table`
    - `existing`: instead of all about the queue itself, one that is there: its ARN, or the CDK object

    Creates the queue, its policy, the consumer with an event source mapping, and the dead-letter queue with its policy.
    Requests without TLS are refused. Linking it allows sending and no more, and offers `name`, `arn` and `url`: its
    consumer may receive and delete by being that, and whoever else does needs
    `permissions=[(queue, "grant_consume_messages")]`.

    Raises SkykiteError at once if any of it is wrong. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[QueueProps]) -> None:
        super().__init__(scope, id, kind="queue")
        given = cast("dict[str, Any]", props)
        self._function: Function | lambda_.IFunction | None = None
        self.dead_letter_queue: Queue | sqs.IQueue | None = None
        self._visibility: int | None = None
        with self._checking():
            check_known(given, tuple(QueueProps.__annotations__))
            self._defaults = read_defaults(given.get("defaults"))
            existing = given.get("existing")
            self._new = existing is None
            if existing is None:
                self._make(given)
            else:
                check_not_beside(given, ("consumer", "defaults"))
                self._queue = _import(self, existing)
                self.fifo = bool(self._queue.fifo)
                self.content_based_deduplication: bool | None = None  # only AWS knows
        if given.get("consumer") is not None:
            self.add_consumer(given["consumer"])

    @property
    def cdk(self) -> QueueCdk:
        """The CDK objects behind it."""
        consumer = None if self._function is None else cdk_function(self._function)
        return QueueCdk(
            queue=self._queue, consumer=consumer, dead_letter_queue=find_resource(self.dead_letter_queue, QUEUE)
        )

    @property
    def cdk_resource(self) -> Any:
        """What `(queue, "grant_purge")` asks."""
        return self._queue

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._queue.queue_name)

    @property
    def arn(self) -> str:
        return cast("str", self._queue.queue_arn)

    @property
    def url(self) -> str:
        """What SQS's clients ask for."""
        return cast("str", self._queue.queue_url)

    def get_function(self) -> Function | lambda_.IFunction:
        """What works it off."""
        if self._function is None:
            raise self.refuse("consumer-unknown", f"{self.title} has no consumer", hint="add consumer=")
        return self._function

    def add_consumer(self, consumer: Any) -> None:
        """Takes what `consumer` takes. A queue has one."""
        with self._checking():
            if self._function is not None:
                raise PropProblem(
                    "consumer-taken",
                    "has a consumer already: two would share its messages out between them",
                    hint="send messages to a `Topic` with two queues, or tell them apart in one function",
                )
            _, function, options = split_consumer(consumer, CONSUMER_OPTIONS, within="consumer")
            source = read_source(options, fifo=self.fifo)
            self._function = make_function(
                self,
                "Consumer",
                function,
                self._defaults,
                within='consumer["function"]' if options else "consumer",
                source="batch" if source["report_batch_item_failures"] else "event",
            )
            self._hide_long_enough(timeout_of(self._function), source["window"] or 0)
            window = source.pop("window")
            cdk_function(self._function).add_event_source(
                SqsEventSource(
                    self._queue,
                    max_batching_window=None if window is None else aws_cdk.Duration.seconds(window),
                    **source,
                )
            )

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Queue", "name": self.name, "arn": self.arn, "url": self.url}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow sending."""
        self._queue.grant_send_messages(grantee)

    def _make(self, given: Mapping[str, Any]) -> None:
        synthesis = self._kite_program.synthesis
        self.fifo = read_flag("fifo", given.get("fifo"), default=False)
        fifo_props = read_fifo(given, fifo=self.fifo)
        self.content_based_deduplication = fifo_props["content_based_deduplication"] is True
        self._visibility = read_seconds(
            "visibility_timeout", given.get("visibility_timeout"), 0, _LONGEST_VISIBILITY, service="SQS"
        )
        retention = read_duration("retention_period", given.get("retention_period"), 60, 1_209_600, service="SQS")
        delay = read_duration("delay", given.get("delay"), 0, 900, service="SQS")
        policy = removal_policy(given.get("removal_policy"), synthesis)
        dead_letters = self._read_dead_letters(given)
        name = read_name(given.get("name"), _NAME, suffix=_FIFO_SUFFIX if self.fifo else "")
        claim_name(self, "queue", name)
        key = read_encryption_key(given.get("encryption_key"))
        self._queue = sqs.Queue(
            self,
            "Resource",
            queue_name=name,
            fifo=self.fifo or None,
            **fifo_props,
            visibility_timeout=None if self._visibility is None else aws_cdk.Duration.seconds(self._visibility),
            retention_period=retention,
            delivery_delay=delay,
            dead_letter_queue=dead_letters,
            encryption=sqs.QueueEncryption.KMS if key is not None else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
            enforce_ssl=True,
            removal_policy=policy,
        )

    def _read_dead_letters(self, props: Mapping[str, Any]) -> sqs.DeadLetterQueue | None:
        given = props.get("dead_letter_queue")
        if given is None or given is False:
            return None
        options: Mapping[str, Any] = {}
        if isinstance(given, Mapping):
            check_known(given, tuple(DeadLetterQueueProps.__annotations__), within="dead_letter_queue")
            options, given = given, given.get("queue") or True
        tries = read_count(
            'dead_letter_queue["max_receive_count"]', options.get("max_receive_count"), 1, 1000, service="SQS"
        )
        own = {name: props[name] for name in ("encryption_key", "removal_policy") if props.get(name) is not None}
        if options.get("retention_period") is not None:
            if given is not True:
                raise PropProblem(
                    "prop-contradiction",
                    "has retention_period beside `queue` in dead_letter_queue",
                    hint="set it where that queue is made",
                )
            own["retention_period"] = options["retention_period"]
        self.dead_letter_queue = read_dead_letter_queue(
            "dead_letter_queue", given, fifo=self.fifo, make_in=(self, "DeadLetterQueue"), **own
        )
        return sqs.DeadLetterQueue(queue=find_resource(self.dead_letter_queue, QUEUE), max_receive_count=tries or 3)

    def _hide_long_enough(self, timeout: int | None, window: int) -> None:
        """Lambda refuses to read a queue that shows a message again while a function may still be at it."""
        if timeout is None:
            return
        if self._visibility is None and self._new:
            advised = min(max(6 * timeout + window, _VISIBILITY), _LONGEST_VISIBILITY)
            self._queue.node.default_child.visibility_timeout = advised
            return
        hidden = self._visibility if self._new else _visibility_of(self._queue)
        if hidden is not None and hidden < timeout:
            raise PropProblem(
                "visibility-timeout",
                f"hides a message for {hidden} seconds, and its consumer may take {timeout}: Lambda refuses to read "
                "such a queue",
                hint=f"leave visibility_timeout out for {6 * timeout} seconds, as Lambda advises, or set at least "
                f"{timeout}"
                if self._new
                else f"make that queue with a visibility timeout of {6 * timeout} seconds, as Lambda advises",
                link="https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
            )


def is_fifo(given: object) -> bool:
    """Of a `Queue` or a CDK queue."""
    return given.fifo if isinstance(given, Queue) else bool(cast("sqs.IQueue", given).fifo)


def read_dead_letter_queue(
    where: str, given: object, *, fifo: bool, make_in: tuple[SkykiteConstruct, str], **props: Any
) -> Queue | sqs.IQueue | None:
    """What takes what could not be delivered: `True` for a new queue, made under that id with those props, a `Queue` or
    a CDK queue. `fifo` says what kind it has to be. Raises PropProblem."""
    if given is None or given is False:
        return None
    if given is True:
        props = {"retention_period": _DEAD_LETTER_RETENTION, **props}
        return Queue(make_in[0], make_in[1], fifo=fifo, **props)
    queue = find_resource(given, QUEUE)
    if queue is None:
        raise PropProblem(
            "prop-type", f"was given {where}={shown(given)}, which is not a queue", hint="give True or a `Queue`"
        )
    if is_fifo(given) != fifo:
        raise PropProblem(
            "dead-letter-queue-kind",
            f"has {shown(given)} for {where}, a {_KINDS[not fifo]} queue where AWS wants a {_KINDS[fifo]} one",
            hint=f"make it with fifo={fifo}, or write True for one of its own",
        )
    return cast("Queue | sqs.IQueue", given)


def _visibility_of(queue: sqs.IQueue) -> int | None:
    """Seconds, of a CDK queue that is made in this app."""
    resource = queue.node.default_child
    if resource is None or not has_attribute(resource, "visibility_timeout"):
        return None
    given = resource.visibility_timeout
    return _VISIBILITY if given is None else int(given) if isinstance(given, int | float) else None


def _import(scope: Queue, existing: object) -> sqs.IQueue:
    found = read_existing(scope, existing, _ARN, attribute=QUEUE)
    return sqs.Queue.from_queue_arn(scope, "Resource", found) if isinstance(found, str) else cast("sqs.IQueue", found)
