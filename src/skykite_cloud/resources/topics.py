"""AWS::SNS::*: attributes that MiniStack's handler drops, FIFO topics, and references that lead somewhere."""

from __future__ import annotations

import asyncio
from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError, TypeRules, expect_success, names

_ATTRIBUTES = ("ContentBasedDeduplication", "FifoThroughputScope", "FifoTopic", "KmsMasterKeyId", "TracingConfig")
_UNSET = {"ContentBasedDeduplication": "false", "TracingConfig": "PassThrough"}


def check_topic(properties: Properties) -> None:
    """FIFO topics are named so, and only they remove duplicates."""
    fifo, name = _true(properties.get("FifoTopic")), properties.get("TopicName")
    if name and fifo != str(name).endswith(".fifo"):
        raise PropertyError(
            "Invalid parameter: Topic names with FIFO attribute must end with .fifo suffix"
            if fifo
            else f"Invalid parameter: Topic Name {name}: only FIFO topics end with .fifo"
        )
    if not fifo and _true(properties.get("ContentBasedDeduplication")):
        raise PropertyError("Invalid parameter: Attributes Reason: Content-based deduplication is for FIFO topics only")
    if str(properties.get("SignatureVersion", "1")) != "1":
        raise PropertyError("The embedded cloud does not support SignatureVersion 2 of AWS::SNS::Topic")


def name_fifo_topic(logical_id: str, properties: Properties, stack_name: str) -> Properties:
    """A generated name ends as a FIFO topic's must."""
    if properties.get("TopicName") or not _true(properties.get("FifoTopic")):
        return {}
    from ministack.services.cloudformation import provisioners

    return {"TopicName": provisioners._physical_name(stack_name, logical_id, max_len=251) + ".fifo"}


def apply_attributes(arn: str, properties: Properties, old: Properties) -> None:
    """Through SetTopicAttributes."""
    from ministack.services import sns

    for name in _ATTRIBUTES:
        if name not in properties and name not in old:
            continue
        value = properties.get(name, _UNSET.get(name, ""))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        given = {"TopicArn": arn, "AttributeName": name, "AttributeValue": text}
        expect_success("SetTopicAttributes", sns._set_topic_attributes(given))
    attributes = sns._topics[arn]["attributes"]
    if attributes.get("FifoTopic") == "true":
        attributes.setdefault("ContentBasedDeduplication", "false")
    else:
        attributes.pop("FifoTopic", None)


def find_topic(properties: Properties) -> None:
    """A subscription is to a topic that exists, and its endpoint suits its protocol."""
    from ministack.services import sns

    if properties["TopicArn"] not in sns._topics:
        raise PropertyError("Topic does not exist")
    refused = sns._validate_subscription_endpoint(properties["Protocol"], properties.get("Endpoint", ""))
    if refused:
        expect_success("Subscribe", refused)


def confirm_subscription(arn: str, properties: Properties, old: Properties) -> None:
    """What Subscribe does beside keeping the subscription: count it, and ask a web address whether it agrees."""
    from ministack.services import sns

    topic = sns._topics.get(properties["TopicArn"])
    if topic is None:
        return
    sns._refresh_subscription_counts(topic)
    if properties["Protocol"] not in ("http", "https") or old:
        return
    subscription = sns._find_subscription(properties["TopicArn"], arn)
    if subscription is not None and not subscription.get("token"):
        from ministack.core.responses import new_uuid

        subscription["token"] = new_uuid()
        asking = sns._send_subscription_confirmation(properties["TopicArn"], subscription)
        try:
            asyncio.ensure_future(asking, loop=asyncio.get_running_loop())  # noqa: RUF006 - it ends by itself
        except RuntimeError:  # a nested stack is made on a thread
            asyncio.run(asking)


def find_topics(properties: Properties) -> None:
    """A policy is for topics that exist."""
    from ministack.services import sns

    for arn in properties["Topics"]:
        if arn not in sns._topics:
            raise PropertyError(f"Topic does not exist: {arn}")


def _true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


RULES = {
    "AWS::SNS::Topic": TypeRules(
        consumed=names(
            "ContentBasedDeduplication DisplayName FifoThroughputScope FifoTopic KmsMasterKeyId SignatureVersion "
            "Subscription Tags TopicName TracingConfig"
        ),
        fill=name_fifo_topic,
        before=(check_topic,),
        after=(apply_attributes,),
    ),
    "AWS::SNS::Subscription": TypeRules(
        consumed=names(
            "DeliveryPolicy Endpoint FilterPolicy FilterPolicyScope Protocol RawMessageDelivery RedrivePolicy "
            "SubscriptionRoleArn TopicArn"
        ),
        before=(find_topic,),
        after=(confirm_subscription,),
    ),
    "AWS::SNS::TopicPolicy": TypeRules(consumed=names("PolicyDocument Topics"), before=(find_topics,)),
}
