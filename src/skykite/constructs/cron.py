"""`Cron`: a function that runs on a schedule."""

from __future__ import annotations

import difflib
import json
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import cdk_function, make_function
from skykite.constructs.given_values import read_duration, read_resource
from skykite.constructs.props import PropProblem, check_known, check_type, read_flag, shown
from skykite.constructs.props_sources import CronProps
from skykite.constructs.quantities import read_count
from skykite.model.schedules import find_problem

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function

_LINK: Final = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"
_SERVICE: Final = "EventBridge Scheduler"
_EVENT_LIMIT: Final = 256 * 1024  # bytes
_DAY: Final = 24 * 60 * 60
_EXAMPLE: Final = 'write it as IANA does, for instance "Europe/Berlin"'


@dataclass(frozen=True, slots=True, kw_only=True)
class CronCdk:
    """The CDK objects of a `Cron`."""

    schedule: scheduler.Schedule
    function: lambda_.IFunction


class Cron(SkykiteConstruct):
    """Runs a function again and again, at fixed times or intervals.

    ```python
    Cron(self, "Nightly", schedule="cron(0 3 * * ? *)", timezone="Europe/Berlin", job="functions/cleanup.run")
    ```

    - `schedule`: `"rate(5 minutes)"`, or `"cron(minutes hours day-of-month month day-of-week year)"`. It is checked
      here as AWS checks it; for a cron of Unix the error says how AWS writes it.
    - `job`: a handler; a dict of `Function`'s arguments with its `handler`; a `Function`; or any CDK Lambda function
    - `event`: a dict that the function gets as its event. In its strings Scheduler replaces
      `<aws.scheduler.scheduled-time>` and `<aws.scheduler.execution-id>`. Without it, the event is Scheduler's own,
      with `"detail-type": "Scheduled Event"` and the `time`.
    - `timezone`: the IANA name of the time zone that a cron's fields are in, daylight saving included; default UTC
    - `enabled`: `False` keeps it deployed and lets it rest. `enabled=self.mode != "live"` lets it rest while you
      develop.
    - `retry_attempts`, `max_event_age`: how often (0–185) and how long (60 seconds to a day, the default) Scheduler
      tries again when Lambda does not take the event. How often Lambda runs the function again after it failed is the
      function's own `retry_attempts`.
    - `dead_letter_queue`: a queue for events that could not be handed over
    - `description`

    It is a schedule of EventBridge Scheduler with a role that may invoke this function, not a rule of EventBridge. AWS
    calls scheduled rules legacy: they know UTC only, and 300 of them fill an account's region. One service for all
    also means that giving a time zone later changes neither the event nor the resource.

    Raises SkykiteError at once if any of it is wrong.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[CronProps]) -> None:
        super().__init__(scope, id, kind="cron")
        given = cast("dict[str, Any]", props)
        with self._checking():
            check_known(given, tuple(CronProps.__annotations__))
            schedule = _read_schedule(given.get("schedule"))
            timezone = _read_timezone(given.get("timezone"), schedule)
            event = _read_event(given.get("event"))
            retries = read_count("retry_attempts", given.get("retry_attempts"), 0, 185, service=_SERVICE)
            age = read_duration("max_event_age", given.get("max_event_age"), 60, _DAY, service=_SERVICE)
            dead_letters = read_resource("dead_letter_queue", given.get("dead_letter_queue"), "queue_arn", "a queue")
            enabled = read_flag("enabled", given.get("enabled"), default=True)
            description = given.get("description")
            if description is not None:
                check_type("description", description, str, "a string")
            if given.get("job") is None:
                raise PropProblem("job-missing", "has no job", hint='add job="path/to/file.function" to its arguments')
            self._function = make_function(self, "Job", given["job"], {}, within="job", source="event")
            self._schedule = scheduler.Schedule(
                self,
                "Resource",
                schedule=scheduler.ScheduleExpression.expression(
                    schedule, aws_cdk.TimeZone.of(timezone) if timezone is not None else None
                ),
                target=targets.LambdaInvoke(
                    cdk_function(self._function),
                    input=scheduler.ScheduleTargetInput.from_object(event) if event is not None else None,
                    retry_attempts=retries,
                    max_event_age=age,
                    dead_letter_queue=dead_letters,
                ),
                enabled=enabled,
                description=description,
            )

    @property
    def cdk(self) -> CronCdk:
        """The CDK objects behind it."""
        return CronCdk(schedule=self._schedule, function=cdk_function(self._function))

    @property
    def cdk_resource(self) -> Any:
        """The schedule; it has no grants."""
        return self._schedule

    @property
    def name(self) -> str:
        """The schedule's physical name, a token until it is deployed."""
        return cast("str", self._schedule.schedule_name)

    @property
    def arn(self) -> str:
        """The schedule's ARN."""
        return cast("str", self._schedule.schedule_arn)

    @property
    def job(self) -> Function | lambda_.IFunction:
        """What it runs."""
        return self._function


def _read_schedule(given: object) -> str:
    if given is None:
        raise PropProblem(
            "schedule-missing", "has no schedule", hint='add schedule="rate(5 minutes)" to its arguments', link=_LINK
        )
    check_type("schedule", given, str, "a string")
    problem = find_problem(str(given))
    if problem is not None:
        raise PropProblem(
            "schedule-invalid",
            f"has the schedule `{given}`, which AWS refuses: {problem.reason}",
            hint=problem.hint,
            link=_LINK,
        )
    return str(given)


def _read_timezone(given: object, schedule: str) -> str | None:
    if given is None:
        return None
    check_type("timezone", given, str, 'the name of a time zone, for instance "Europe/Berlin"')
    name = str(given)
    if schedule.startswith("rate("):
        raise PropProblem(
            "schedule-timezone",
            f"has timezone=`{name}` beside `{schedule}`, on which it has no effect",
            hint="leave it out, or say when with a cron",
        )
    known = zoneinfo.available_timezones()  # empty on machines that have no time zones
    if known and name not in known:
        places = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known, reverse=True) if "/" in zone}
        place = difflib.get_close_matches(name.rpartition("/")[2].lower().replace(" ", "_"), places, n=1, cutoff=0.75)
        raise PropProblem(
            "schedule-timezone",
            f"has timezone=`{name}`, which is not the name of a time zone",
            hint=f"did you mean `{places[place[0]]}`?" if place else _EXAMPLE,
        )
    return name


def _read_event(given: object) -> Mapping[str, Any] | None:
    if given is None:
        return None
    check_type("event", given, Mapping, "a dict")
    try:
        size = len(json.dumps(given).encode())
    except (TypeError, ValueError) as error:
        raise PropProblem(
            "prop-type",
            f"was given event={shown(given)}, which is not JSON: {error}",
            hint="use dicts and lists",
        ) from None
    if size > _EVENT_LIMIT:
        raise PropProblem(
            "event-too-large", f"has an event of {size} bytes", hint=f"{_SERVICE} takes {_EVENT_LIMIT} bytes"
        )
    return cast("Mapping[str, Any]", given)
