"""What a topic does with a message: to each subscription that wants it, in its shape; what cannot be delivered, to the
subscription's dead-letter queue. On the event loop; HTTP endpoints are called on threads.

Functions are invoked asynchronously, with all that Lambda does about failures. FIFO topics keep their groups' order and
hand on their deduplication ids.
"""

from __future__ import annotations

import importlib
import json
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from ministack.core.responses import request_scope

from skykite_cloud.seams import when_imported
from skykite_cloud.triggers import queues, timing
from skykite_cloud.triggers.asynchronous import Asynchronous
from skykite_cloud.triggers.destinations import timestamp
from skykite_cloud.triggers.engine import Engine
from skykite_cloud.triggers.invoking import Scope, find_function
from skykite_cloud.triggers.permissions import Permissions
from skykite_cloud.triggers.queues import UndeliverableError

logger = logging.getLogger("skykite.triggers")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One message, as one subscription gets it."""

    topic_arn: str
    id: str
    text: str
    subject: str
    attributes: Record
    group: str | None
    deduplication: str | None
    sequence: str | None
    time: str

    @property
    def scope(self) -> Scope:
        _, _, _, region, account, _ = self.topic_arn.split(":", 5)
        return account, region

    def document(self, subscription_arn: str) -> Record:
        """What queues and endpoints get, unless they want it raw."""
        document: Record = {
            **self._shown(),
            "SequenceNumber": self.sequence,
            "SigningCertURL": self._url("SimpleNotificationService-0000000000000000000000.pem"),
            "UnsubscribeURL": self._url(f"?Action=Unsubscribe&SubscriptionArn={subscription_arn}"),
            "MessageAttributes": self._shown_attributes() or None,
        }
        if self.sequence is not None:  # a FIFO topic's messages are not signed
            for name in ("SignatureVersion", "Signature", "SigningCertURL"):
                document[name] = None
        return {name: value for name, value in document.items() if value is not None}

    def _shown(self) -> Record:
        """What both say of it."""
        return {
            "Type": "Notification",
            "MessageId": self.id,
            "TopicArn": self.topic_arn,
            "Subject": self.subject or None,
            "Message": self.text,
            "Timestamp": self.time,
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
        }

    def event(self, subscription_arn: str) -> Record:
        """What functions get."""
        document = self.document(subscription_arn)
        return {
            "Records": [
                {
                    "EventSource": "aws:sns",
                    "EventVersion": "1.0",
                    "EventSubscriptionArn": subscription_arn,
                    "Sns": {
                        **self._shown(),
                        "SigningCertUrl": document.get("SigningCertURL", ""),
                        "UnsubscribeUrl": document["UnsubscribeURL"],
                        "MessageAttributes": self._shown_attributes(),
                    },
                }
            ]
        }

    def _shown_attributes(self) -> Record:
        return {
            name: {"Type": one.get("DataType", "String"), "Value": one.get("StringValue") or one.get("BinaryValue", "")}
            for name, one in self.attributes.items()
        }

    def _url(self, path: str) -> str:
        return f"https://sns.{self.scope[1]}.amazonaws.com/{path}"


class Topics:
    """Installs itself in MiniStack's SNS."""

    def __init__(self, engine: Engine, asynchronous: Asynchronous, permissions: Permissions) -> None:
        self._engine = engine
        self._asynchronous = asynchronous
        self._permissions = permissions

    def install(self) -> None:
        when_imported("ministack.services.sns", self._replace)

    def _replace(self, sns: Any) -> None:
        subscribe = sns._subscribe

        def checked_subscribe(parameters: Record) -> Any:
            refused = _refuse_subscription(sns, parameters)
            return subscribe(parameters) if refused is None else refused

        sns._fanout = self._fan_out
        sns._subscribe = checked_subscribe

    def _fan_out(
        self,
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str = "",
        message_structure: str = "",
        message_attributes: Record | None = None,
        message_group_id: str = "",
        message_dedup_id: str = "",
    ) -> None:
        """As MiniStack's, on any thread."""
        sns = importlib.import_module("ministack.services.sns")
        topic = sns._topic_by_arn_any_scope(topic_arn)
        if not topic:
            return
        attributes = message_attributes or {}
        fifo = sns._is_fifo_topic(topic)
        sequence = str(topic.get("fifo_seq", 0)).zfill(20) if fifo else None
        now = timestamp()
        for subscription in list(topic["subscriptions"]):
            if not subscription.get("confirmed"):
                continue
            text = sns._resolve_message_for_protocol(message, message_structure, subscription["protocol"])
            if not sns._matches_filter_policy(subscription, attributes, text):
                continue
            published = Published(
                topic_arn=topic_arn,
                id=msg_id,
                text=text,
                subject=subject,
                attributes=attributes,
                group=message_group_id or None,
                deduplication=message_dedup_id or None,
                sequence=sequence,
                time=now,
            )
            self._engine.on_loop(partial(self._deliver, subscription, published))

    def _deliver(self, subscription: Record, published: Published) -> None:
        endpoint = subscription["endpoint"]
        try:
            with request_scope(*published.scope):
                if subscription["protocol"] in ("sqs", "lambda"):
                    self._permissions.of_service("sns.amazonaws.com", endpoint, published.topic_arn)
            match subscription["protocol"]:
                case "sqs":
                    _send(endpoint, subscription, published)
                case "lambda":
                    self._invoke(endpoint, subscription, published)
                case "http" | "https":
                    self._post(subscription, published, attempt=0)
                case other:
                    logger.info("a message of %s for %s (%s) goes nowhere", published.topic_arn, endpoint, other)
        except UndeliverableError as error:
            self._redrive(subscription, published, error)

    def _invoke(self, function_arn: str, subscription: Record, published: Published) -> None:
        if find_function(function_arn, published.scope) is None:
            raise UndeliverableError("ResourceNotFoundException", f"Function not found: {function_arn}")
        event = published.event(subscription["arn"])
        self._asynchronous.accept(function_arn, published.scope, json.dumps(event, ensure_ascii=False).encode())

    def _post(self, subscription: Record, published: Published, attempt: int) -> None:
        sns = importlib.import_module("ministack.services.sns")
        body = published.text if _is_raw(subscription) else json.dumps(published.document(subscription["arn"]))

        def post() -> int:
            if attempt:
                time.sleep(timing.wait_of(timing.HTTP_RETRIES_S[attempt - 1]).here)
            return int(sns._http_post_sync(subscription["endpoint"], body, "Notification"))

        def posted(outcome: int | BaseException) -> None:
            if isinstance(outcome, BaseException):
                if attempt < len(timing.HTTP_RETRIES_S):
                    self._post(subscription, published, attempt + 1)
                else:
                    self._redrive(subscription, published, UndeliverableError("HTTPError", str(outcome)))

        self._engine.on_thread(published.scope, post, posted)

    def _redrive(self, subscription: Record, published: Published, error: UndeliverableError) -> None:
        policy = subscription["attributes"].get("RedrivePolicy")
        target = json.loads(policy).get("deadLetterTargetArn") if policy else None
        hint = "it is lost: a dead-letter queue of the subscription would keep it"
        if target:
            body = published.text if _is_raw(subscription) else json.dumps(published.document(subscription["arn"]))
            attributes = published.attributes if _is_raw(subscription) else {}
            about = {
                "RequestID": queues.text(published.id),
                "ErrorCode": queues.text(error.code),
                "ErrorMessage": queues.text(str(error)),
            }
            try:
                with request_scope(*published.scope):
                    self._permissions.of_service("sns.amazonaws.com", target, published.topic_arn)
                queues.send(
                    target, body, attributes={**attributes, **about},
                    group=published.group, deduplication=published.deduplication if published.sequence else None,
                )  # fmt: skip
                hint = f"it went to `{target}`"
            except UndeliverableError as lost:
                hint = f"nor could it go to the dead-letter queue: {lost}"
        topic = published.topic_arn.rpartition(":")[2]
        self._engine.tell("delivery-failed", f"topic `{topic}` could not deliver a message: {error}", hint)


def _send(queue_arn: str, subscription: Record, published: Published) -> None:
    raw = _is_raw(subscription)
    with request_scope(*published.scope):
        queues.send(
            queue_arn,
            published.text if raw else json.dumps(published.document(subscription["arn"]), ensure_ascii=False),
            attributes=published.attributes if raw else {},
            group=published.group,
            deduplication=published.deduplication if queue_arn.endswith(".fifo") else None,
        )


def _is_raw(subscription: Record) -> bool:
    return bool(subscription["attributes"].get("RawMessageDelivery", "false").lower() == "true")


def _refuse_subscription(sns: Any, parameters: Record) -> Any:
    """SNS's answer to a subscription that it does not take, `None` for one that it does."""
    topic = sns._topic_by_arn_any_scope(sns._normalize_arn(sns._p(parameters, "TopicArn")))
    if topic is None:
        return None
    protocol, endpoint = sns._p(parameters, "Protocol"), sns._p(parameters, "Endpoint")
    fifo = sns._is_fifo_topic(topic)
    reason = None
    if fifo and protocol != "sqs":
        reason = f"Invalid protocol type: {protocol}"
    elif not fifo and protocol == "sqs" and endpoint.endswith(".fifo"):
        reason = "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
    if reason is None:
        reason = _refuse_attributes(_attributes_of(sns, parameters), protocol)
    return None if reason is None else sns._error("InvalidParameter", reason, 400)


def _attributes_of(sns: Any, parameters: Record) -> dict[str, str]:
    found: dict[str, str] = {}
    number = 1
    while key := sns._p(parameters, f"Attributes.entry.{number}.key"):
        found[key] = sns._p(parameters, f"Attributes.entry.{number}.value")
        number += 1
    return found


def _refuse_attributes(attributes: dict[str, str], protocol: str) -> str | None:
    if attributes.get("RawMessageDelivery", "").lower() == "true" and protocol == "lambda":
        return (
            "Invalid parameter: Attributes Reason: RawMessageDelivery: Delivery protocol [lambda] does not support raw"
        )
    policy = attributes.get("FilterPolicy")
    if policy:
        try:
            parsed = json.loads(policy)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            return "Invalid parameter: Attributes Reason: FilterPolicy: failed to parse JSON."
    return None
