"""Where the outcomes of a function's asynchronous invocations go, and the events it failed on.

In: a queue, topic, event bus or function, Skykite's or CDK's. Out: what CDK wants to be told of it, or a PropProblem.
I/O: none but questions to the CDK kernel.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import aws_lambda_destinations as destinations

from skykite.constructs.links import has_attribute
from skykite.constructs.props import PropProblem

_DESTINATIONS: Final = (
    ("queue_arn", destinations.SqsDestination),
    ("topic_arn", destinations.SnsDestination),
    ("event_bus_arn", destinations.EventBridgeDestination),
    ("function_arn", destinations.LambdaDestination),
)
_LINK: Final = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"


def destination_of(prop: str, given: Any) -> Any:
    """For `on_success` and `on_failure`. Raises PropProblem."""
    resource = cdk_resource_of(given)
    for attribute, make in _DESTINATIONS:
        if has_attribute(resource, attribute):
            _refuse_fifo(prop, resource)
            return make(resource)
    raise PropProblem(
        "destination-unknown",
        f"has {prop}=`{given.node.path}`, a {type(given).__name__}, which Lambda cannot send to",
        hint="give a queue, a topic, an event bus or a function",
        link=_LINK,
    )


def dead_letters_of(given: Any) -> dict[str, Any]:
    """The argument of CDK's function for `dead_letter_queue`. Raises PropProblem."""
    resource = cdk_resource_of(given)
    for attribute, argument in (("queue_arn", "dead_letter_queue"), ("topic_arn", "dead_letter_topic")):
        if has_attribute(resource, attribute):
            _refuse_fifo("dead_letter_queue", resource)
            return {argument: resource}
    raise PropProblem(
        "destination-unknown",
        f"has dead_letter_queue=`{given.node.path}`, a {type(given).__name__}, which Lambda cannot send to",
        hint="give True, a queue or a topic; `on_failure` takes more",
    )


def cdk_resource_of(given: Any) -> Any:
    """The CDK construct behind one of ours; CDK's own are what they are. A function's is what is to be invoked."""
    for name in ("cdk_target", "cdk_resource"):
        if hasattr(type(given), name):
            return getattr(given, name)
    return given


def _refuse_fifo(prop: str, resource: Any) -> None:
    if getattr(resource, "fifo", False):
        raise PropProblem(
            "destination-fifo",
            f"has {prop}=`{resource.node.path}`, which is first-in-first-out; Lambda sends to standard queues and "
            "topics only",
            hint="give one without fifo=True",
            link=_LINK,
        )
