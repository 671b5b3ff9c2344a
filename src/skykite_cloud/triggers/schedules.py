"""Rules with a schedule, and EventBridge Scheduler's schedules: run at their minute, not some seconds after. On the
event loop, by one timer for the next that is due.

What was due while the cloud was stopped is not made up for, but for schedules of one time, which have only that one.
"""

from __future__ import annotations

import importlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import request_scope

from skykite_cloud.seams import imported, when_imported
from skykite_cloud.triggers import queues
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.expressions import At, Expression, ExpressionError, parse_expression
from skykite_cloud.triggers.queues import UndeliverableError
from skykite_cloud.triggers.rules import Targets, about_failure
from skykite_cloud.triggers.streams import seconds

Record = dict[str, Any]
Key = tuple[str, str, str, str]
"""`rule` or `schedule`, account, region, name."""


@dataclass(slots=True)
class _Planned:
    """What a schedule said when its next time was found."""

    said: tuple[str, str, Any]
    expression: Expression
    zone: tzinfo
    due: float | None


class Schedules:
    """A part of the engine."""

    name = "schedules"

    def __init__(self, engine: Engine, targets: Targets) -> None:
        self._engine = engine
        self._targets = targets
        self._planned: dict[Key, _Planned] = {}
        self._done: dict[Key, str] = {}

    def install(self) -> None:
        """Take the place of MiniStack's two threads, which look every ten seconds."""

        def replace_rules(eventbridge: Any) -> None:
            eventbridge.start_scheduler = lambda: None
            eventbridge._validate_schedule_expression = lambda text: not text or _is_valid(text)

        def replace_scheduler(scheduler: Any) -> None:
            scheduler.start_scheduler = lambda: None
            scheduler._create_schedule = _checked(scheduler, scheduler._create_schedule)
            scheduler._update_schedule = _checked(scheduler, scheduler._update_schedule)

        when_imported("ministack.services.eventbridge", replace_rules)
        when_imported("ministack.services.scheduler", replace_scheduler)

    def look(self, now: float) -> float | None:
        due: list[float] = []
        seen: set[Key] = set()
        for key, record, text, zone in _enabled():
            seen.add(key)
            planned = self._plan(key, record, text, zone, now)
            if planned is None:
                continue
            if planned.due is not None and planned.due <= now:
                self._fire(key, record, planned, now)
            if planned.due is not None:
                due.append(planned.due)
        for gone in self._planned.keys() - seen:
            del self._planned[gone]
        scheduler = imported("ministack.services.scheduler")
        if scheduler is not None:
            self._done = {
                key: text for key, text in self._done.items() if scheduler._schedules.contains_scoped(*key[1:])
            }
        return min(due, default=None)

    def state(self) -> dict[Key, str]:
        return dict(self._done)

    def restore(self, state: dict[Key, str]) -> None:
        self._done = state

    # ------------------------------------------------------------------

    def _plan(self, key: Key, record: Record, text: str, zone: str, now: float) -> _Planned | None:
        said = (text, zone, record.get("StartDate"))
        planned = self._planned.get(key)
        if planned is not None and planned.said == said:
            return planned
        try:
            expression = parse_expression(text, one_time=key[0] == "schedule")
            where = _zone(zone)
        except ExpressionError:
            return None  # from a state of before it was refused
        planned = _Planned(said, expression, where, None)
        self._planned[key] = planned
        if isinstance(expression, At) and self._done.get(key) == text:
            return planned
        planned.due = self._next(record, planned, now)
        return planned

    @staticmethod
    def _next(record: Record, planned: _Planned, now: float) -> float | None:
        anchor = float(record.get("CreationTime") or record.get("CreationDate") or now)
        start, end = seconds(record.get("StartDate")), seconds(record.get("EndDate"))
        if start is not None:
            anchor = max(anchor, start)
        due = planned.expression.next_after(max(now, (start or 0) - 1), planned.zone, anchor)
        return None if due is None or (end is not None and due > end) else due

    def _fire(self, key: Key, record: Record, planned: _Planned, now: float) -> None:
        scheduled, account, region = planned.due or now, key[1], key[2]
        once = isinstance(planned.expression, At)
        if once:
            self._done[key] = planned.said[0]
        planned.due = None if once else self._next(record, planned, now)
        with request_scope(account, region):
            if key[0] == "rule":
                self._fire_rule(key, record, scheduled)
            else:
                self._fire_schedule(record, scheduled)
                if planned.due is None and record.get("ActionAfterCompletion") == "DELETE":
                    importlib.import_module("ministack.services.scheduler")._schedules.pop(key[3], None)
                    self._planned.pop(key, None)
                    self._done.pop(key, None)
        self._engine.changed()

    def _fire_rule(self, key: Key, rule: Record, scheduled: float) -> None:
        eventbridge = importlib.import_module("ministack.services.eventbridge")
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": "aws.events",
            "DetailType": "Scheduled Event",
            "Detail": "{}",
            "EventBusName": rule.get("EventBusName", "default"),
            "Time": int(scheduled),
            "Resources": [rule["Arn"]],
            "Account": key[1],
            "Region": key[2],
        }
        view = eventbridge._pattern_event_view(event)
        for target in list(eventbridge._targets.get(key[3]) or ()):
            eventbridge._invoke_target(target, event, rule, view)

    def _fire_schedule(self, schedule: Record, scheduled: float) -> None:
        target, execution = schedule["Target"], str(uuid.uuid4())
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(scheduled))
        text = _input_of(schedule, moment, execution)
        try:
            self._targets.permit_schedule(target)
            if ":event-bus/" in target["Arn"]:
                _put_event(target, text)
            else:
                self._targets.deliver(target, text)
        except UndeliverableError as error:
            about = {
                "SCHEDULE_ARN": queues.text(schedule["Arn"]),
                "SCHEDULED_TIME": queues.text(moment),
                "EXECUTION_ID": queues.text(execution),
                "RETRY_ATTEMPTS": queues.number(0),
                **about_failure(target, error),
            }
            self._targets.dead(target, text, error, about, schedule["Arn"])


def _enabled() -> Iterator[tuple[Key, Record, str, str]]:
    """Every schedule that is to run: its key, record, expression and timezone."""
    eventbridge = imported("ministack.services.eventbridge")
    for (account, region, name), rule in eventbridge._rules.all_items() if eventbridge else ():
        if rule.get("ScheduleExpression") and rule.get("State") == "ENABLED":
            yield ("rule", account, region, name), rule, rule["ScheduleExpression"], "UTC"
    scheduler = imported("ministack.services.scheduler")
    for (account, region, name), schedule in scheduler._schedules.all_items() if scheduler else ():
        if schedule.get("State") == "ENABLED":
            zone = schedule.get("ScheduleExpressionTimezone") or "UTC"
            yield ("schedule", account, region, name), schedule, schedule["ScheduleExpression"], zone


def _input_of(schedule: Record, moment: str, execution: str) -> str:
    given = schedule["Target"].get("Input")
    if given is None:
        _, _, _, region, account, _ = schedule["Arn"].split(":", 5)
        return json.dumps(
            {
                "version": "0",
                "id": execution,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": account,
                "time": moment,
                "region": region,
                "resources": [schedule["Arn"]],
                "detail": "{}",
            }
        )
    for name, value in (
        ("schedule-arn", schedule["Arn"]), ("scheduled-time", moment),
        ("execution-id", execution), ("attempt-number", "1"),
    ):  # fmt: skip
        given = given.replace(f"<aws.scheduler.{name}>", value)
    return str(given)


def _put_event(target: Record, text: str) -> None:
    eventbridge = importlib.import_module("ministack.services.eventbridge")
    parameters = target.get("EventBridgeParameters") or {}
    entry = {
        "Source": parameters.get("Source", "aws.scheduler"),
        "DetailType": parameters.get("DetailType", "Scheduled Event"),
        "Detail": text,
        "EventBusName": target["Arn"],
    }
    _, _, body = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    if json.loads(body).get("FailedEntryCount"):
        raise UndeliverableError("ResourceNotFoundException", f"Event bus {target['Arn']} does not exist.")


def _zone(name: str) -> tzinfo:
    if name in ("UTC", "Etc/UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ExpressionError(f"`{name}` is no timezone that is known here") from error


def _is_valid(text: str) -> bool:
    try:
        parse_expression(text)
    except ExpressionError:
        return False
    return True


def _checked(scheduler: Any, act: Any) -> Any:
    def checked(name: str, body: Record) -> Any:
        text = body.get("ScheduleExpression")
        zone = body.get("ScheduleExpressionTimezone") or "UTC"
        what = f"Schedule Expression {text}"
        try:
            if text:
                parse_expression(text, one_time=True)
            what = f"ScheduleExpressionTimezone {zone}"
            _zone(zone)
        except ExpressionError as error:
            return scheduler._error(400, "ValidationException", f"Invalid {what}. {error}")
        return act(name, body)

    return checked
