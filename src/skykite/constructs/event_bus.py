"""`EventBus`: an EventBridge bus, and rules that say which events go where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_events as events
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import read_defaults
from skykite.constructs.encryption import read_encryption_key
from skykite.constructs.existing import ArnKind, check_not_beside, read_existing
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.names import NameKind, claim_name, read_name
from skykite.constructs.patterns import read_event_pattern
from skykite.constructs.props import PropProblem, check_known, check_type, read_flag
from skykite.constructs.props_events import ArchiveProps, EventBusProps, RuleProps
from skykite.constructs.quantities import read_days
from skykite.constructs.removal import removal_policy
from skykite.constructs.rule_targets import ReadTarget, add_targets, read_targets

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function

DEFAULT_BUS: Final = "default"
_ARN: Final = ArnKind(
    service="events", noun="an event bus", pattern=re.compile(r"event-bus/[A-Za-z0-9._/-]+"), example="event-bus/shop"
)
_NAME: Final = NameKind(
    service="EventBridge",
    pattern=re.compile(r"(?!default$)[A-Za-z0-9._-]{1,256}"),
    words="up to 256 letters, digits, dots, dashes and underscores, and not `default`",
)
_TAKEN: Final = ("Archive", "Resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBusCdk:
    """The CDK objects of an `EventBus`; `rules` by rule, `functions` by rule and target."""

    event_bus: events.IEventBus
    rules: Mapping[str, events.Rule]
    functions: Mapping[tuple[str, str], lambda_.IFunction]
    archive: events.CfnArchive | None


class EventBus(SkykiteConstruct):
    """An EventBridge event bus.

    ```python
    EventBus(self, "Bus", rules={
        "placed": {
            "pattern": {"source": ["shop"], "detail_type": ["OrderPlaced"]},
            "targets": {"receipt": "functions/receipt.send", "stock": Queue(self, "Stock")},
        },
    })
    ```

    - `rules`: by name, a dict of
        - `pattern`: which events, in EventBridge's words: `source`, `detail_type`, `detail`, `account`, `region`,
          `resources`, `id`, `time`, `version`, `$or`
        - `targets`: up to 5, by name: a handler; a dict of `Function`'s arguments with its `handler`; a `Function`; a
          `Queue`, `Topic` or `EventBus`; any of CDK's own; or a dict of one of those as `function`, `queue`, `topic` or
          `event_bus` with
            - `retry_attempts`: how often EventBridge tries to deliver, 0–185; default 185
            - `max_event_age`: seconds it goes on trying, 60–86,400; default a day
            - `dead_letter_queue`: `True` for one of its own, a `Queue` or a CDK queue, for what it could not deliver
            - `input`: what the target gets instead of the event: anything JSON can say, or a CDK `RuleTargetInput`
            - `message_group_id`: of a FIFO queue
        - `description`; `enabled`: `False` keeps the rule and stops it
    - `defaults={"function": {…}}`: `Function`'s arguments for all functions the bus makes
    - `archive`: `True` keeps all events for good; a dict has `retention_period` (days) and `pattern`
    - `description`; `encryption_key`: a KMS key, by default EventBridge's own
    - `name`: physical; by default made of stage, app and construct path
    - `removal_policy` of bus and archive: `"retain"` or `"destroy"`; a bus with an archive is kept by default in
      production-like stages, as `Table`
    - `existing`: instead of all about the bus itself, one that is there: `"default"`, its ARN, or the CDK object

    Creates the bus, a rule for each rule, functions with a permission for their rule, statements in the policies of
    queues and topics, a role for what goes to other buses, and the archive. Only a rule itself may put its events into
    a queue, run a function or feed another bus. A topic lets in all of EventBridge that is in its account: SNS takes no
    condition there. Linking it allows putting events and offers `name` and `arn`.

    Raises SkykiteError at once if any of it is wrong. https://docs.aws.amazon.com/eventbridge/latest/userguide/
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[EventBusProps]) -> None:
        super().__init__(scope, id, kind="event bus")
        given = cast("dict[str, Any]", props)
        self._rules: dict[str, events.Rule] = {}
        self._targets: dict[tuple[str, str], ReadTarget] = {}
        self._archive: events.CfnArchive | None = None
        with self._checking():
            check_known(given, tuple(EventBusProps.__annotations__))
            self._defaults = read_defaults(given.get("defaults"))
            existing = given.get("existing")
            if existing is None:
                self._bus = self._make(given)
            else:
                check_not_beside(given, ("rules", "defaults"))
                self._bus = self._import(existing)
        self.add_rules(given.get("rules") or {})

    @property
    def cdk(self) -> EventBusCdk:
        """The CDK objects behind it."""
        functions = {key: target.lambda_function for key, target in self._targets.items()}
        return EventBusCdk(
            event_bus=self._bus,
            rules=dict(self._rules),
            functions={key: function for key, function in functions.items() if function is not None},
            archive=self._archive,
        )

    @property
    def cdk_resource(self) -> Any:
        """What `(bus, "grant_put_events_to")` asks."""
        return self._bus

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._bus.event_bus_name)

    @property
    def arn(self) -> str:
        return cast("str", self._bus.event_bus_arn)

    def get_function(self, rule: str, target: str) -> Function | lambda_.IFunction:
        """What a target of a rule runs."""
        found = self._targets.get((rule, target))
        if found is None or found.function is None:
            raise self.refuse(
                "consumer-unknown", f"{self.title} has no function `{target}` among the targets of `{rule}`"
            )
        return found.function

    def add_rules(self, rules: Mapping[str, RuleProps]) -> None:
        """Takes what `rules` takes."""
        with self._checking():
            keys = GivenKeys(self._kite_program, "rules", rules, words="a dict of names to rules")
        for name, given in keys.items():
            with keys.at(name), self._checking():
                keys.check(name, taken=(*_TAKEN, *self._rules))
                self._add_rule(name, given)

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "EventBus", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow putting events."""
        self._bus.grant_put_events_to(grantee)

    def _make(self, given: Mapping[str, Any]) -> events.EventBus:
        archive = _read_archive(given.get("archive"))
        chosen = removal_policy(given.get("removal_policy"), self._kite_program.synthesis)
        name = read_name(given.get("name"), _NAME) or self._default_name()
        claim_name(self, "event bus", name)
        bus = events.EventBus(
            self,
            "Resource",
            event_bus_name=name,
            description=_read_description("description", given.get("description")),
            kms_key=read_encryption_key(given.get("encryption_key")),
        )
        if archive is not None:
            self._archive = events.CfnArchive(self, "Archive", source_arn=bus.event_bus_arn, **archive)
            self._archive.apply_removal_policy(chosen)
        if archive is not None or given.get("removal_policy") is not None:
            bus.apply_removal_policy(chosen)
        return bus

    def _default_name(self) -> str:
        """CloudFormation does not choose one, and CDK's would be the same in every stage."""
        synthesis = self._kite_program.synthesis
        name = "-".join((synthesis.stage, synthesis.app, *str(self.path).split("/")))
        return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:256]

    def _import(self, existing: object) -> events.IEventBus:
        if existing == DEFAULT_BUS:
            return events.EventBus.from_event_bus_name(self, "Resource", DEFAULT_BUS)
        found = read_existing(self, existing, _ARN, attribute="event_bus_arn")
        if isinstance(found, str):
            return events.EventBus.from_event_bus_arn(self, "Resource", found)
        return cast("events.IEventBus", found)

    def _add_rule(self, name: str, given: object) -> None:
        where = f'rules["{name}"]'
        check_type(where, given, Mapping, "a dict of `pattern` and `targets`")
        props = cast("Mapping[str, Any]", given)
        check_known(props, tuple(RuleProps.__annotations__), within=where)
        if props.get("pattern") is None:
            raise PropProblem(
                "prop-missing",
                f"has no `pattern` in {where}",
                hint='say which events: "pattern": {"source": ["shop"]}. For a schedule make a `Cron`',
            )
        pattern = read_event_pattern(f'{where}["pattern"]', props["pattern"])
        targets = read_targets(self, name, props.get("targets"), self._defaults)
        rule = events.Rule(
            _scope_of_rule(self, targets),
            name,
            event_bus=self._bus,
            event_pattern=events.EventPattern(version=["0"]),  # CDK wants one; it knows fewer comparisons than AWS
            description=_read_description(f'{where}["description"]', props.get("description")),
            enabled=read_flag(f'{where}["enabled"]', props.get("enabled"), default=True),
        )
        rule.node.default_child.event_pattern = pattern
        add_targets(rule, targets)
        self._rules[name] = rule
        self._targets.update({(name, target.name): target for target in targets})


def _scope_of_rule(bus: EventBus, targets: list[ReadTarget]) -> Any:
    """A queue lets in one rule, and a rule names its queue: both belong to one stack, because two stacks cannot each
    wait for the other."""
    own = aws_cdk.Stack.of(bus)
    others = {
        stack.node.path: stack
        for target in targets
        for queue in (target.queue, target.dead_letter_queue)
        if queue is not None and (stack := aws_cdk.Stack.of(queue)).node.path != own.node.path
    }
    if not others:
        return bus
    home = next(iter(others.values()))
    if len(others) > 1 or any(
        queue is not None and aws_cdk.Stack.of(queue).node.path != home.node.path
        for target in targets
        for queue in (target.queue, target.dead_letter_queue)
    ):
        raise PropProblem(
            "rule-stacks",
            "has a rule with queues in several stacks, which would wait for each other",
            hint="write a rule for each stack",
        )
    return home.node.try_find_child(str(bus.path)) or Construct(home, str(bus.path))


def _read_archive(given: object) -> dict[str, Any] | None:
    if given is None or given is False:
        return None
    if given is True:
        return {}
    check_type("archive", given, Mapping, "True, False or a dict")
    archive = cast("Mapping[str, Any]", given)
    check_known(archive, tuple(ArchiveProps.__annotations__), within="archive")
    pattern = archive.get("pattern")
    return {
        "retention_days": read_days(
            'archive["retention_period"]', archive.get("retention_period"), 1, 2**31 - 1, service="EventBridge"
        ),
        "event_pattern": None if pattern is None else read_event_pattern('archive["pattern"]', pattern),
    }


def _read_description(name: str, given: object) -> str | None:
    if given is None:
        return None
    check_type(name, given, str, "a string")
    if len(str(given)) > 512:
        raise PropProblem("prop-value", f"has a {name} of {len(str(given))} characters", hint="EventBridge takes 512")
    return str(given)
