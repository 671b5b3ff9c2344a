"""The part of the bootstrap stack that Live's messages go through: an AppSync Event API with two channel namespaces.

Only IAM opens it, for connecting, publishing and subscribing alike. IAM can tell namespaces apart but not channels, so
a handler in each namespace refuses whoever wants to listen to more than one channel at once. Pure.
"""

from __future__ import annotations

from typing import Any, Final

from skykite.model.bootstrap import (
    EVENT_API_ARN_OUTPUT,
    EVENT_API_GENERATION_OUTPUT,
    EVENT_API_ID_OUTPUT,
    EVENT_HTTP_HOST_OUTPUT,
    EVENT_REALTIME_HOST_OUTPUT,
    REPLIES_NAMESPACE,
    REQUESTS_NAMESPACE,
)

# In APPSYNC_JS, whose embedded counterpart knows these very texts: `skykite_cloud.events.handlers`.
_HANDLER: Final = """\
import {{ util }} from '@aws-appsync/utils';

// {why}
export function onSubscribe(ctx) {{
  const channel = ctx.info.channel;
  if (channel.segments.length !== {segments} || channel.path.includes('*')) {{
    util.unauthorized();
  }}
}}
"""
REQUESTS_HANDLER: Final = _HANDLER.format(segments=2, why="A listener names its stage: /kite-requests/<stage>.")
REPLIES_HANDLER: Final = _HANDLER.format(
    segments=3, why="A listener names its stage and itself: /kite-replies/<stage>/<session>."
)


def event_api_resources(generation: int) -> dict[str, Any]:
    """By logical id, which is another for each generation."""
    iam = [{"AuthType": "AWS_IAM"}]
    return {
        _id("EventApi", generation): {
            "Type": "AWS::AppSync::Api",
            "Properties": {
                "Name": "skykite-live",
                "EventConfig": {
                    "AuthProviders": iam,
                    "ConnectionAuthModes": iam,
                    "DefaultPublishAuthModes": iam,
                    "DefaultSubscribeAuthModes": iam,
                },
            },
        },
        _id("RequestsNamespace", generation): _namespace(REQUESTS_NAMESPACE, REQUESTS_HANDLER, generation),
        _id("RepliesNamespace", generation): _namespace(REPLIES_NAMESPACE, REPLIES_HANDLER, generation),
    }


def event_api_outputs(generation: int) -> dict[str, Any]:
    """What `model.bootstrap.parse_event_api` reads."""
    attributes = {
        EVENT_API_ID_OUTPUT: ("ApiId", "The Event API of Live"),
        EVENT_API_ARN_OUTPUT: ("ApiArn", "What permissions to use Live name"),
        EVENT_HTTP_HOST_OUTPUT: ("Dns.Http", "Where events are published over HTTP"),
        EVENT_REALTIME_HOST_OUTPUT: ("Dns.Realtime", "Where WebSockets connect"),
    }
    outputs: dict[str, Any] = {
        name: {"Description": why, "Value": {"Fn::GetAtt": [_id("EventApi", generation), attribute]}}
        for name, (attribute, why) in attributes.items()
    }
    counted = {"Description": "How many Event APIs this stack has had", "Value": str(generation)}
    return {**outputs, EVENT_API_GENERATION_OUTPUT: counted}


def _id(name: str, generation: int) -> str:
    return name if generation == 1 else f"{name}{generation}"


def _namespace(name: str, handler: str, generation: int) -> dict[str, Any]:
    return {
        "Type": "AWS::AppSync::ChannelNamespace",
        "Properties": {
            "ApiId": {"Fn::GetAtt": [_id("EventApi", generation), "ApiId"]},
            "Name": name,
            "CodeHandlers": handler,
        },
    }
