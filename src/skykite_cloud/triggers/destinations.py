"""Where Lambda sends what became of an event: destinations, and dead-letter queues and topics. On the event loop.

A destination gets AWS's document about the invocation, a dead-letter queue the event itself with attributes.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope

from skykite_cloud.triggers import queues
from skykite_cloud.triggers.invoking import Ended, Function, Scope
from skykite_cloud.triggers.permissions import Permissions
from skykite_cloud.triggers.queues import UndeliverableError

logger = logging.getLogger("skykite.triggers")

Document = dict[str, Any]
_ERROR_LIMIT = 1024


class Destinations:
    """`invoke` takes an asynchronous event for another function."""

    def __init__(self, invoke: Callable[[str, Scope, bytes], object], permissions: Permissions) -> None:
        self._invoke = invoke
        self._permissions = permissions

    def succeeded(self, pending: Document, function: Function, ended: Ended, settings: Document) -> None:
        target = _destination(settings, "OnSuccess")
        if target:
            document = _document(pending, function, ended, "Success")
            self._send(target, document, function, pending["scope"], succeeded=True)

    def failed(
        self, pending: Document, function: Function, ended: Ended | None, condition: str, settings: Document
    ) -> str | None:
        """Where the event went, in words."""
        kept = None
        target = _destination(settings, "OnFailure")
        if target:
            document = _document(pending, function, ended, condition)
            if self._send(target, document, function, pending["scope"], succeeded=False):
                kept = f"`{target}`"
        dead = (function.config.get("DeadLetterConfig") or {}).get("TargetArn")
        if dead and self._send_dead(dead, pending, function, ended):
            kept = f"`{dead}`"
        return kept

    def _send(self, target: str, document: Document, function: Function, scope: Scope, *, succeeded: bool) -> bool:
        """Whether it arrived."""
        text = json.dumps(document)
        service = target.split(":")[2]
        try:
            with request_scope(*scope):
                self._permissions.of_role(str(function.config.get("Role", "")), function.name, target)
                if service == "lambda":
                    self._invoke(target, scope, text.encode())
                elif service == "events":
                    _put_event(target, text, function, succeeded=succeeded)
                else:
                    send_text(target, text, {})
        except UndeliverableError as error:
            logger.warning("%s could not be sent to %s: %s", function.name, target, error)
            return False
        return True

    def _send_dead(self, target: str, pending: Document, function: Function, ended: Ended | None) -> bool:
        attributes = {
            "RequestID": queues.text(pending["request_id"]),
            "ErrorCode": queues.number(200 if ended is not None else 429),
            "ErrorMessage": queues.text((ended.error if ended is not None else "Rate Exceeded.")[:_ERROR_LIMIT] or "-"),
        }
        try:
            with request_scope(*pending["scope"]):
                self._permissions.of_role(str(function.config.get("Role", "")), function.name, target)
                send_text(target, pending["payload"].decode(), attributes)
        except UndeliverableError as error:
            logger.warning("an event could not be sent to the dead-letter target %s: %s", target, error)
            return False
        return True


def send_text(target: str, text: str, attributes: Document) -> None:
    """To a queue or a topic. Raises `UndeliverableError`."""
    service = [*target.split(":"), "", "", ""][2]
    if service == "sqs":
        queues.send(target, text, attributes=attributes)
    elif service == "sns":
        publish(target, text, attributes=attributes)
    else:
        raise UndeliverableError("InvalidTarget", f"{target} is neither a queue nor a topic")


def publish(topic_arn: str, message: str, *, subject: str = "", attributes: Document | None = None) -> None:
    """To a topic, as a service publishes. Raises `UndeliverableError`."""
    sns = importlib.import_module("ministack.services.sns")
    try:
        if sns.publish_internal(topic_arn, message, subject, message_attributes=attributes or {}) is None:
            raise UndeliverableError("NotFound", f"Topic does not exist: {topic_arn}")
    except sns.SnsPublishError as error:
        raise UndeliverableError(error.code, str(error)) from error


def timestamp(moment: float | None = None) -> str:
    """`2019-11-14T18:16:05.568Z`, as AWS writes it."""
    when = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def _destination(settings: Document, kind: str) -> str:
    return str(((settings.get("DestinationConfig") or {}).get(kind) or {}).get("Destination") or "")


def _document(pending: Document, function: Function, ended: Ended | None, condition: str) -> Document:
    unqualified = ":" not in function.arn.partition(":function:")[2]
    document: Document = {
        "version": "1.0",
        "timestamp": timestamp(),
        "requestContext": {
            "requestId": pending["request_id"],
            "functionArn": f"{function.arn}:$LATEST" if unqualified else function.arn,
            "condition": condition,
            "approximateInvokeCount": pending["attempts"],
        },
        "requestPayload": json.loads(pending["payload"]),
    }
    if ended is not None:
        document["responseContext"] = {"statusCode": 200, "executedVersion": function.version}
        if ended.failed:
            document["responseContext"]["functionError"] = ended.function_error or "Unhandled"
        document["responsePayload"] = ended.body
    return document


def _put_event(bus: str, detail: str, function: Function, *, succeeded: bool) -> None:
    eventbridge = importlib.import_module("ministack.services.eventbridge")
    entry = {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}",
        "Detail": detail,
        "EventBusName": bus,
        "Resources": [bus, f"{function.arn}:{function.version}"],
    }
    status, _, body = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    if status >= 400 or json.loads(body).get("FailedEntryCount"):
        raise UndeliverableError("ResourceNotFoundException", f"Event bus {bus} does not exist.")
