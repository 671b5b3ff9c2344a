"""Where the rules of an `EventBus` send their events.

In: the targets of one rule as a user wrote them. Out: `ReadTarget`s, then targets of the CDK rule. Functions are made
on the way. No I/O beyond what making a `Function` takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import aws_cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as cdk_targets

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import cdk_function, make_function, split_consumer
from skykite.constructs.given_keys import check_name
from skykite.constructs.given_values import find_resource, read_duration
from skykite.constructs.props import PropProblem, check_type, shown
from skykite.constructs.props_events import TargetProps
from skykite.constructs.quantities import read_count
from skykite.constructs.queue import QUEUE, Queue, is_fifo, read_dead_letter_queue
from skykite.constructs.topic import Topic

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_sqs as sqs

    from skykite.constructs.function import Function

_LIMIT: Final = 5  # targets a rule
_RESOURCES: Final = ("queue", "topic", "event_bus")
_WHATS: Final = ("function", *_RESOURCES)
_OPTIONS: Final = tuple(name for name in TargetProps.__annotations__ if name not in _WHATS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTarget:
    """One of `function`, `queue`, `topic` and `event_bus`, and how it is reached."""

    name: str
    function: Function | lambda_.IFunction | None = None
    queue: sqs.IQueue | None = None
    topic: sns.ITopic | None = None
    event_bus: events.IEventBus | None = None
    retry_attempts: int | None = None
    max_event_age: aws_cdk.Duration | None = None
    dead_letter_queue: sqs.IQueue | None = None
    input: events.RuleTargetInput | None = None
    message_group_id: str | None = None

    @property
    def lambda_function(self) -> lambda_.IFunction | None:
        return None if self.function is None else cdk_function(self.function)


def read_targets(scope: SkykiteConstruct, rule: str, given: object, defaults: Mapping[str, Any]) -> list[ReadTarget]:
    """Raises PropProblem, and SkykiteError for what is wrong with a function."""
    where = f'rules["{rule}"]["targets"]'
    if not given:
        raise PropProblem(
            "prop-missing", f'has no targets in rules["{rule}"]', hint='say where events go: "targets": {"work": "…"}'
        )
    check_type(where, given, Mapping, "a dict of names to targets")
    targets = cast("Mapping[Any, Any]", given)
    if len(targets) > _LIMIT:
        raise PropProblem(
            "rule-targets",
            f'has {len(targets)} targets in rules["{rule}"]; EventBridge takes {_LIMIT}',
            hint="write a second rule of the same pattern, or send the events to a `Topic`",
        )
    found: list[ReadTarget] = []
    for name, target in targets.items():
        check_name(where, name)
        found.append(_read_target(scope, rule, name, target, defaults))
    return found


def add_targets(rule: events.Rule, targets: list[ReadTarget]) -> None:
    """To the CDK rule, with the permissions it needs."""
    for index, target in enumerate(targets):
        rule.add_target(_cdk_target(target))
        if target.event_bus is not None:  # CDK has no words for it
            age = target.max_event_age.to_seconds() if target.max_event_age is not None else None
            policy = {"MaximumRetryAttempts": target.retry_attempts, "MaximumEventAgeInSeconds": age}
            given = {name: value for name, value in policy.items() if value is not None}
            if given:
                rule.node.default_child.add_property_override(f"Targets.{index}.RetryPolicy", given)


def _read_target(
    scope: SkykiteConstruct, rule: str, name: str, given: object, defaults: Mapping[str, Any]
) -> ReadTarget:
    where = f'rules["{rule}"]["targets"]["{name}"]'
    what, target, options = split_consumer(given, _OPTIONS, within=where, whats=_WHATS)
    kind = _kind_of(target)
    if isinstance(given, Mapping) and "handler" not in given and what != kind:
        raise PropProblem(
            "prop-type", f'was given {where}["{what}"]={shown(target)}, which is not a {what.replace("_", " ")}'
        )
    read: dict[str, Any] = {
        "name": name,
        "retry_attempts": read_count(
            f'{where}["retry_attempts"]', options.get("retry_attempts"), 0, 185, service="EventBridge"
        ),
        "max_event_age": read_duration(
            f'{where}["max_event_age"]', options.get("max_event_age"), 60, 86_400, service="EventBridge"
        ),
        "input": _read_input(f'{where}["input"]', options, kind),
        "message_group_id": _read_group(where, options.get("message_group_id"), target, kind),
    }
    if kind == "function":
        within = f'{where}["function"]' if options else where
        also = ", a `Queue`, a `Topic` or an `EventBus`"
        read["function"] = make_function(
            scope, f"{rule}.{name}", target, defaults, within=within, source="event", also=also
        )
    else:
        _check_topic(where, target)
        read[kind] = find_resource(target, f"{kind}_arn")
    dead_letters = read_dead_letter_queue(
        f'{where}["dead_letter_queue"]',
        options.get("dead_letter_queue"),
        fifo=False,
        make_in=(scope, f"{rule}.{name}.DeadLetterQueue"),
    )
    read["dead_letter_queue"] = find_resource(dead_letters, QUEUE)
    return ReadTarget(**read)


def _kind_of(target: object) -> str:
    return next((kind for kind in _RESOURCES if find_resource(target, f"{kind}_arn") is not None), "function")


def _check_topic(where: str, target: object) -> None:
    topic = find_resource(target, "topic_arn")
    if topic is not None and (target.fifo if isinstance(target, Topic) else bool(topic.fifo)):
        raise PropProblem(
            "target-kind",
            f"has the FIFO topic {shown(target)} as {where}: EventBridge delivers to standard topics only",
            hint="send the events to a FIFO queue with a message_group_id",
        )


def _read_input(where: str, options: Mapping[str, Any], kind: str) -> events.RuleTargetInput | None:
    given = options.get("input")
    if given is None:
        return None
    if kind == "event_bus":
        raise PropProblem(
            "prop-contradiction", f"has {where}, and another bus gets the event as it is", hint="leave it out"
        )
    if isinstance(given, events.RuleTargetInput):
        return given
    try:
        json.dumps(given)
    except (TypeError, ValueError) as error:
        raise PropProblem("prop-type", f"was given {where}={shown(given)}, which JSON cannot say: {error}") from None
    return events.RuleTargetInput.from_object(given)


def _read_group(where: str, given: object, target: object, kind: str) -> str | None:
    name = f'{where}["message_group_id"]'
    fifo = kind == "queue" and is_fifo(target)
    if given is None:
        if fifo:
            raise PropProblem(
                "target-kind",
                f"has a FIFO queue as {where} and no message_group_id, without which SQS takes no message",
                hint=f'write {{"queue": …, "message_group_id": "{where.split(chr(34))[-2]}"}}',
            )
        return None
    check_type(name, given, str, "a string")
    if not fifo:
        raise PropProblem("prop-contradiction", f"has {name}, and no FIFO queue to use it", hint="leave it out")
    if isinstance(target, Queue) and target.content_based_deduplication is False:
        raise PropProblem(
            "target-kind",
            f"has the FIFO queue `{target.path}` as {where}, which wants to be told what is a duplicate, and "
            "EventBridge does not tell",
            hint="add content_based_deduplication=True to the queue",
        )
    return str(given)


def _cdk_target(target: ReadTarget) -> Any:
    if target.event_bus is not None:
        return cdk_targets.EventBus(target.event_bus, dead_letter_queue=target.dead_letter_queue)
    common: dict[str, Any] = {
        "retry_attempts": target.retry_attempts,
        "max_event_age": target.max_event_age,
        "dead_letter_queue": target.dead_letter_queue,
    }
    if target.queue is not None:
        return cdk_targets.SqsQueue(
            target.queue, message=target.input, message_group_id=target.message_group_id, **common
        )
    if target.topic is not None:
        return cdk_targets.SnsTopic(target.topic, message=target.input, **common)
    return cdk_targets.LambdaFunction(cast("Any", target.lambda_function), event=target.input, **common)
