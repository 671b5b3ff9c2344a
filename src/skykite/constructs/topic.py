"""`Topic`: an SNS topic and what gets its messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_sns as sns
from aws_cdk.aws_sns_subscriptions import LambdaSubscription, SqsSubscription
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import cdk_function, make_function, read_defaults, split_consumer
from skykite.constructs.encryption import read_encryption_key
from skykite.constructs.existing import ArnKind, check_not_beside, read_existing
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.given_values import find_resource
from skykite.constructs.names import NameKind, claim_name, read_name
from skykite.constructs.patterns import read_filter_policy
from skykite.constructs.props import PropProblem, check_choice, check_known, check_type, read_flag, shown
from skykite.constructs.props_events import Subscriber, SubscriberProps, TopicProps
from skykite.constructs.queue import QUEUE, is_fifo, read_dead_letter_queue

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sqs as sqs

    from skykite.constructs.function import Function

_ARN: Final = ArnKind(service="sns", noun="a topic", pattern=re.compile(r"[A-Za-z0-9_-]+(\.fifo)?"), example="orders")
_NAME: Final = NameKind(
    service="SNS",
    pattern=re.compile(r"[A-Za-z0-9_-]{1,251}"),
    words="up to 251 letters, digits, dashes and underscores",
)
_OPTIONS: Final = tuple(name for name in SubscriberProps.__annotations__ if name not in ("function", "queue"))
_SCOPES: Final = {"message_attributes": None, "message_body": "MessageBody"}  # by default attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCdk:
    """The CDK objects of a `Topic`; `functions`, `queues` and `subscriptions` by subscriber."""

    topic: sns.ITopic
    functions: Mapping[str, lambda_.IFunction]
    queues: Mapping[str, sqs.IQueue]
    subscriptions: Mapping[str, sns.Subscription]


class Topic(SkykiteConstruct):
    """An SNS topic: each message goes to every subscriber.

    ```python
    Topic(self, "Placed", subscribers={
        "receipt": "functions/receipt.send",
        "stock": {"queue": Queue(self, "Stock"), "filter_policy": {"kind": ["goods"]}},
    })
    ```

    - `subscribers`: by name, a handler; a dict of `Function`'s arguments with its `handler`; a `Function`; a CDK Lambda
      function; a `Queue`; a CDK queue; or a dict of one of those as `function` or `queue` with
        - `filter_policy`: which messages, in SNS's words
        - `filter_scope`: `"message_attributes"` (default) or `"message_body"`, where the message is JSON
        - `dead_letter_queue`: `True` for one of its own, a `Queue` or a CDK queue, for what SNS could not deliver
        - `raw_message_delivery`: `True` gives a queue the message itself, without SNS's envelope
    - `defaults={"function": {…}}`: `Function`'s arguments for all functions the topic makes
    - `fifo`: in order, and once; only queues may subscribe. `content_based_deduplication` goes with it
    - `display_name`, `name`: physical; by default CloudFormation chooses one
    - `encryption_key`: a KMS key. SNS has no encryption at rest without one
    - `existing`: instead of all about the topic itself, one that is there: its ARN, or the CDK object

    Creates the topic and its policy, a subscription for each subscriber, and its function or the statement in its
    queue's policy that lets this topic in. What SNS cannot deliver it tries again for 23 days; what a function fails
    at, Lambda repeats. Requests without TLS are refused. Linking it allows publishing and offers `name` and `arn`.

    Raises SkykiteError at once if any of it is wrong. https://docs.aws.amazon.com/sns/latest/dg/
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[TopicProps]) -> None:
        super().__init__(scope, id, kind="topic")
        given = cast("dict[str, Any]", props)
        self._functions: dict[str, Function | lambda_.IFunction] = {}
        self._queues: dict[str, sqs.IQueue] = {}
        self._subscriptions: dict[str, sns.Subscription] = {}
        self._endpoints: dict[str, str] = {}
        with self._checking():
            check_known(given, tuple(TopicProps.__annotations__))
            self._defaults = read_defaults(given.get("defaults"))
            existing = given.get("existing")
            if existing is None:
                self._topic = self._make(given)
            else:
                check_not_beside(given, ("subscribers", "defaults"))
                found = read_existing(self, existing, _ARN, attribute="topic_arn")
                self._topic = (
                    sns.Topic.from_topic_arn(self, "Resource", found)
                    if isinstance(found, str)
                    else cast("sns.ITopic", found)
                )
                self.fifo = bool(self._topic.fifo)
        self.add_subscribers(given.get("subscribers") or {})

    @property
    def cdk(self) -> TopicCdk:
        """The CDK objects behind it."""
        return TopicCdk(
            topic=self._topic,
            functions={name: cdk_function(function) for name, function in self._functions.items()},
            queues=dict(self._queues),
            subscriptions=dict(self._subscriptions),
        )

    @property
    def cdk_resource(self) -> Any:
        """What `(topic, "grant_publish")` asks."""
        return self._topic

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._topic.topic_name)

    @property
    def arn(self) -> str:
        return cast("str", self._topic.topic_arn)

    def get_function(self, subscriber: str) -> Function | lambda_.IFunction:
        """What a subscriber runs."""
        if subscriber not in self._functions:
            raise self.refuse("consumer-unknown", f"{self.title} has no function `{subscriber}` among its subscribers")
        return self._functions[subscriber]

    def add_subscribers(self, subscribers: Mapping[str, Subscriber]) -> None:
        """Takes what `subscribers` takes."""
        with self._checking():
            keys = GivenKeys(
                self._kite_program, "subscribers", subscribers, words="a dict of names to what gets the messages"
            )
        for name, given in keys.items():
            with keys.at(name), self._checking():
                keys.check(name, taken=("Resource", *self._subscriptions))
                self._subscribe(name, given)

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Topic", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow publishing."""
        self._topic.grant_publish(grantee)

    def _make(self, given: Mapping[str, Any]) -> sns.Topic:
        self.fifo = read_flag("fifo", given.get("fifo"), default=False)
        deduplication = given.get("content_based_deduplication")
        if deduplication is not None and not self.fifo:
            raise PropProblem(
                "prop-contradiction", "has content_based_deduplication, and is not FIFO", hint="add fifo=True"
            )
        display = given.get("display_name")
        if display is not None:
            check_type("display_name", display, str, "a string")
            if len(display) > 100:
                raise PropProblem(
                    "prop-value", f"has a display_name of {len(display)} characters", hint="SNS takes 100"
                )
        name = read_name(given.get("name"), _NAME, suffix=".fifo" if self.fifo else "")
        claim_name(self, "topic", name)
        return sns.Topic(
            self,
            "Resource",
            topic_name=name,
            fifo=self.fifo or None,
            content_based_deduplication=read_flag("content_based_deduplication", deduplication, default=False) or None,
            display_name=display,
            master_key=read_encryption_key(given.get("encryption_key")),
            enforce_ssl=True,
        )

    def _subscribe(self, name: str, given: object) -> None:
        where = f'subscribers["{name}"]'
        what, subscriber, options = split_consumer(given, _OPTIONS, within=where, whats=("function", "queue"))
        queue = find_resource(subscriber, QUEUE)
        if what == "queue" and queue is None:
            raise PropProblem(
                "prop-type",
                f'was given {where}["queue"]={shown(subscriber)}, which is not a queue',
                hint="give a `Queue`",
            )
        raw = read_flag(f'{where}["raw_message_delivery"]', options.get("raw_message_delivery"), default=False)
        if queue is not None:
            self._check_queue(where, subscriber)
            config = SqsSubscription(queue).bind(self._topic)
        else:
            self._check_function(where, raw=raw)
            within = f'{where}["function"]' if options else where
            function = make_function(
                self, name, subscriber, self._defaults, within=within, source="event", also=", or a `Queue`"
            )
            config = LambdaSubscription(cdk_function(function)).bind(self._topic)
        self._check_once(name, config.endpoint)
        policy, filter_scope = _read_filter(where, options)
        dead_letters = self._dead_letters(name, where, options)
        subscription = sns.Subscription(
            self._scope_of(config.subscriber_scope, dead_letters),
            f"{name}.Subscription",
            topic=self._topic,
            endpoint=config.endpoint,
            protocol=config.protocol,
            region=config.region,
            raw_message_delivery=raw or None,
            dead_letter_queue=dead_letters,
        )
        if policy is not None:  # CDK's own words for it know fewer comparisons
            resource = subscription.node.default_child
            resource.filter_policy = policy
            resource.filter_policy_scope = filter_scope
        if config.subscription_dependency is not None:
            subscription.node.add_dependency(config.subscription_dependency)
        self._subscriptions[name] = subscription
        if queue is not None:
            self._queues[name] = queue
        else:
            self._functions[name] = function

    def _check_queue(self, where: str, subscriber: object) -> None:
        if is_fifo(subscriber) and not self.fifo:
            raise PropProblem(
                "subscriber-kind",
                f"has the FIFO queue {shown(subscriber)} as {where}, which SNS refuses: the topic has no order to keep",
                hint="add fifo=True to the topic, or subscribe a standard queue",
            )

    def _check_function(self, where: str, *, raw: bool) -> None:
        if self.fifo:
            raise PropProblem(
                "subscriber-kind",
                f"is FIFO and has a function as {where}: SNS delivers FIFO topics to queues only",
                hint='subscribe a queue that has the function as its consumer: Queue(self, "…", fifo=True, consumer=…)',
                link="https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html",
            )
        if raw:
            raise PropProblem(
                "prop-contradiction",
                f"has raw_message_delivery in {where}, which SNS does for queues only",
                hint='a function finds the message in event["Records"][0]["Sns"]["Message"]',
            )

    def _check_once(self, name: str, endpoint: str) -> None:
        """SNS knows a subscriber by its address, and keeps one subscription of each."""
        other = self._endpoints.setdefault(endpoint, name)
        if other != name:
            raise PropProblem(
                "subscriber-twice",
                f"has one and the same subscriber as `{other}` and as `{name}`, which is one to SNS",
                hint="keep one; a filter_policy can take several values of a key",
            )

    def _dead_letters(self, name: str, where: str, options: Mapping[str, Any]) -> sqs.IQueue | None:
        queue = read_dead_letter_queue(
            f'{where}["dead_letter_queue"]',
            options.get("dead_letter_queue"),
            fifo=self.fifo,
            make_in=(self, f"{name}.DeadLetterQueue"),
        )
        return cast("sqs.IQueue | None", find_resource(queue, QUEUE))

    def _scope_of(self, *reached: Any) -> Any:
        """Where a subscription goes: beside what it reaches in another stack, because the permission for it is there
        and names the topic, and two stacks cannot each wait for the other."""
        own = aws_cdk.Stack.of(self).node.path
        for other in reached:
            if other is not None and aws_cdk.Stack.of(other).node.path != own:
                return other.node.try_find_child(self.path) or Construct(other, self.path)
        return self


def _read_filter(where: str, options: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str | None]:
    scope = options.get("filter_scope")
    policy = options.get("filter_policy")
    if scope is not None:
        check_choice(f'{where}["filter_scope"]', scope, tuple(_SCOPES))
        if policy is None:
            raise PropProblem(
                "prop-contradiction",
                f"has filter_scope in {where}, and no filter_policy",
                hint="add one, or leave it out",
            )
    if policy is None:
        return None, None
    nested = scope == "message_body"
    return read_filter_policy(f'{where}["filter_policy"]', policy, nested=nested), _SCOPES[
        scope or "message_attributes"
    ]
