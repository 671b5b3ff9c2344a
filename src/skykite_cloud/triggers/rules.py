"""Targets of EventBridge's rules: what each gets, and where it goes if it cannot be delivered. On the event loop.

MiniStack matches the patterns, and fills in input templates. Functions are invoked asynchronously, with all that Lambda
does about failures; what no target can take goes to the target's dead-letter queue at once, since nothing here fails
for a while and then works, which is what EventBridge's own retries are for.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
from http import HTTPStatus
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

from skykite_cloud.seams import when_imported
from skykite_cloud.triggers import queues
from skykite_cloud.triggers.asynchronous import Asynchronous
from skykite_cloud.triggers.destinations import publish, timestamp
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.invoking import find_function
from skykite_cloud.triggers.permissions import Permissions
from skykite_cloud.triggers.queues import UndeliverableError

logger = logging.getLogger("skykite.triggers")

Record = dict[str, Any]

_STEP = re.compile(r"\.?([A-Za-z0-9_-]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
_MOST_TARGETS = 5
_MOST_ENTRIES = 10
_MISSING = ("ResourceNotFoundException", "NotFound", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class Targets:
    """Delivers to the targets of rules and of schedules."""

    def __init__(self, engine: Engine, asynchronous: Asynchronous, permissions: Permissions) -> None:
        self._engine = engine
        self._asynchronous = asynchronous
        self._permissions = permissions

    def install(self) -> None:
        def replace(eventbridge: Any) -> None:
            eventbridge._invoke_target = self._invoke_target
            _check_first(eventbridge)

        when_imported("ministack.services.eventbridge", replace)

    def _invoke_target(self, target: Record, event: Record, rule: Record, view: Any = None) -> None:
        """As MiniStack's, on any thread: for each target of a rule that matched."""
        eventbridge = importlib.import_module("ministack.services.eventbridge")
        view = view or eventbridge._pattern_event_view(event)
        whole = view.event_with_detail()
        given = _input(eventbridge, target, rule, view)

        def deliver() -> None:
            self._permit(target, str(rule.get("Arn", "")))
            if target["Arn"].split(":")[2:3] == ["events"] and ":event-bus/" in target["Arn"]:
                self._to_bus(eventbridge, target, event, rule, given)
            else:
                self.deliver(target, json.dumps(whole) if given is None else given)

        def deliver_or_keep() -> None:
            try:
                deliver()
            except UndeliverableError as error:
                about = {"RULE_ARN": queues.text(str(rule.get("Arn", ""))), **about_failure(target, error)}
                self.dead(target, json.dumps(whole), error, about, str(rule.get("Arn", "")))

        self._engine.on_loop(deliver_or_keep)

    def _permit(self, target: Record, rule_arn: str) -> None:
        """Raises `UndeliverableError` if the rule may not use this target: by its role if it has one."""
        arn, role = target["Arn"], target.get("RoleArn")
        if role:
            self._permissions.of_role(role, "events", arn)
        elif arn.split(":")[2] in ("lambda", "sqs", "sns"):
            self._permissions.of_service("events.amazonaws.com", arn, rule_arn)

    def permit_schedule(self, target: Record) -> None:
        """A schedule uses its role for whatever it does. Raises `UndeliverableError`."""
        self._permissions.of_role(target["RoleArn"], "scheduler", target["Arn"])

    def deliver(self, target: Record, text: str) -> None:
        """Give a target its input. Raises `UndeliverableError`."""
        arn = target["Arn"]
        _, _, service, region, account, _ = [*arn.split(":", 5), *[""] * 6][:6]
        scope = (get_account_id(), get_region())
        if service in ("lambda", "sqs", "sns", "kinesis") and (account, region) != scope:
            raise UndeliverableError("NO_RESOURCE", f"{arn} is in another account or region")
        match service:
            case "lambda":
                if find_function(arn, scope) is None:
                    raise UndeliverableError("ResourceNotFoundException", f"Function not found: {arn}")
                self._asynchronous.accept(arn, scope, _json_only(text))
            case "sqs":
                group = (target.get("SqsParameters") or {}).get("MessageGroupId") or None
                queues.send(arn, text, group=group)
            case "sns":
                publish(arn, text)
            case "kinesis":
                _put_record(arn, target, text)
            case "states":
                importlib.import_module("ministack.services.eventbridge")._dispatch_to_stepfunctions(arn, text)
            case "events" if ":api-destination/" in arn:
                _to_api_destination(arn, target, text)
            case _:
                self._engine.tell(
                    "target-unsupported",
                    f"the embedded cloud does not deliver to `{arn}`",
                    "functions, queues, topics, streams, state machines, buses and API destinations get events here",
                    once=f"target-unsupported {arn}",
                )

    def dead(self, target: Record, text: str, error: UndeliverableError, about: Record, source: str) -> None:
        """Keep what could not be delivered in the target's dead-letter queue, or say that it is lost. `source` is the
        ARN of the rule or schedule."""
        arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        hint = "it is lost: a dead-letter queue of the target would keep it"
        if arn:
            try:
                if ":rule/" in source:
                    self._permissions.of_service("events.amazonaws.com", arn, source)
                else:
                    self._permissions.of_role(target["RoleArn"], "scheduler", arn)
                queues.send(arn, text, attributes=about)
                hint = f"it went to `{arn}`"
            except UndeliverableError as lost:
                hint = f"nor could it go to the dead-letter queue: {lost}"
        kind, _, name = source.rpartition(":")[2].partition("/")
        self._engine.tell("delivery-failed", f"{kind} `{name}` could not deliver an event: {error}", hint)

    @staticmethod
    def _to_bus(eventbridge: Any, target: Record, event: Record, rule: Record, given: str | None) -> None:
        spec = eventbridge.parse_arn(target["Arn"])
        if spec.resource.split("/", 1)[1] not in eventbridge._event_buses:
            raise UndeliverableError("ResourceNotFoundException", f"Event bus {target['Arn']} does not exist.")
        eventbridge._dispatch_to_event_bus(spec, event, rule, set(event.get("_DispatchPath") or []), given)


def _check_first(eventbridge: Any) -> None:
    """Refuse what PutRule and PutTargets refuse."""
    put_rule, put_targets = eventbridge._put_rule, eventbridge._put_targets

    def checked_rule(data: Record) -> Any:
        schedule, bus = data.get("ScheduleExpression"), str(data.get("EventBusName") or "default")
        if not schedule and not data.get("EventPattern"):
            message = "Parameter(s) EventPattern or ScheduleExpression must be specified."
            return error_response_json("ValidationException", message, 400)
        if schedule and bus.rpartition("/")[2] != "default":
            message = "ScheduleExpression is supported only on the default event bus."
            return error_response_json("ValidationException", message, 400)
        return put_rule(data)

    def checked_targets(data: Record) -> Any:
        key = eventbridge._rule_key(data.get("Rule"), data.get("EventBusName") or "default")
        ids = {one["Id"] for one in eventbridge._targets.get(key) or ()} | {one["Id"] for one in data["Targets"]}
        if len(ids) > _MOST_TARGETS:
            message = "The requested resource exceeds the maximum number allowed."
            return error_response_json("LimitExceededException", message, 400)
        return put_targets(data)

    eventbridge._put_rule, eventbridge._put_targets = checked_rule, checked_targets
    _check_entries(eventbridge)


def _check_entries(eventbridge: Any) -> None:
    """Refuse the entries that PutEvents refuses, which does not keep it from taking the others of a call."""
    put_events = eventbridge._put_events

    def checked(data: Record, *arguments: Any, **options: Any) -> Any:
        entries = data.get("Entries") or []
        refused = {index: wrong for index, entry in enumerate(entries) if (wrong := _wrong_entry(entry))}
        if not refused or len(entries) > _MOST_ENTRIES:
            return put_events(data, *arguments, **options)
        taken = [entry for index, entry in enumerate(entries) if index not in refused]
        status, headers, body = put_events({**data, "Entries": taken}, *arguments, **options)
        answer = json.loads(body)
        if status >= HTTPStatus.BAD_REQUEST:
            return status, headers, body
        others = iter(answer["Entries"])
        return json_response(
            {
                "FailedEntryCount": answer["FailedEntryCount"] + len(refused),
                "Entries": [refused.get(index) or next(others) for index in range(len(entries))],
            }
        )

    eventbridge._put_events = checked


def _wrong_entry(entry: Record) -> Record | None:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def about_failure(target: Record, error: UndeliverableError) -> Record:
    """Attributes of a message in a dead-letter queue."""
    return {
        "TARGET_ARN": queues.text(target["Arn"]),
        "ERROR_CODE": queues.text("NO_RESOURCE" if error.code in _MISSING else error.code),
        "ERROR_MESSAGE": queues.text(str(error)),
    }


def _input(eventbridge: Any, target: Record, rule: Record, view: Any) -> str | None:
    """What the target wants instead of the event."""
    transformer = target.get("InputTransformer")
    if transformer:
        return _transform(eventbridge, transformer, rule, view)
    if target.get("Input"):
        return str(target["Input"])
    path = target.get("InputPath")
    if not path:
        return None
    found = at_path(view.event_with_detail(), path)
    return json.dumps(found)


def _transform(eventbridge: Any, transformer: Record, rule: Record, view: Any) -> str:
    event = view.event_with_detail()
    values: Record = {}
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        found = at_path(event, path)
        values[name] = "" if found is None else found
    values |= {
        "aws.events.event.json": event,
        "aws.events.event": view.envelope(),
        "aws.events.event.ingestion-time": timestamp(),
        "aws.events.rule-name": rule.get("Name", ""),
        "aws.events.rule-arn": rule.get("Arn", ""),
    }
    return str(eventbridge._render_input_template(transformer.get("InputTemplate", ""), values))


def at_path(value: Any, path: str) -> Any:
    """What a JSON path leads to: `$.detail.items[0].id`. `None` if it leads nowhere."""
    position = 1 if path.startswith("$") else 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return None
        name, index, quoted = step.groups()
        if index is not None:
            if not isinstance(value, list) or int(index) >= len(value):
                return None
            value = value[int(index)]
        else:
            if not isinstance(value, dict) or (name or quoted) not in value:
                return None
            value = value[name or quoted]
        position = step.end()
    return value


def _json_only(text: str) -> bytes:
    try:
        json.loads(text)
    except ValueError as error:
        raise UndeliverableError("INVALID_JSON", f"the input of a function has to be JSON: {error}") from error
    return text.encode()


def _put_record(arn: str, target: Record, text: str) -> None:
    parameters = target.get("KinesisParameters") or {}
    path = parameters.get("PartitionKeyPath")
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    key = at_path(event, path) if path else parameters.get("PartitionKey")
    key = key or (event.get("id") if isinstance(event, dict) else None)
    kinesis = importlib.import_module("ministack.services.kinesis")
    if not kinesis.put_record_internal(arn, str(key or "event")[:256], text.encode()):
        raise UndeliverableError("ResourceNotFoundException", f"Stream {arn} not found.")


def _to_api_destination(arn: str, target: Record, text: str) -> None:
    eventbridge = importlib.import_module("ministack.services.eventbridge")
    try:
        event = json.loads(text)
    except ValueError:
        event = {}
    parameters = eventbridge._resolve_http_parameters(target.get("HttpParameters") or {}, event)
    eventbridge._dispatch_to_api_destination(eventbridge.parse_arn(arn), text, {**target, "HttpParameters": parameters})
