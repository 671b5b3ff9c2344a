"""The part of the bootstrap stack that Live's messages go through: an AppSync Event API with two channel namespaces.

Only IAM opens it, for connecting, publishing and subscribing alike. IAM can tell namespaces apart but not channels, so
a handler in each namespace refuses whoever wants to listen to more than one channel at once. Pure.
"""

from __future__ import annotations

from typing import Any, Final

from skykite.model.bootstrap import (
    EVENT_API_ARN_OUTPUT,
    EVENT_API_ID_OUTPUT,
    EVENT_HTTP_HOST_OUTPUT,
    EVENT_REALTIME_HOST_OUTPUT,
    REPLIES_NAMESPACE,
    REQUESTS_NAMESPACE,
)

EVENT_API_ID: Final = "EventApi"

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


def event_api_resources() -> dict[str, Any]:
    """By logical id."""
    iam = [{"AuthType": "AWS_IAM"}]
    return {
        EVENT_API_ID: {
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
        "RequestsNamespace": _namespace(REQUESTS_NAMESPACE, REQUESTS_HANDLER),
        "RepliesNamespace": _namespace(REPLIES_NAMESPACE, REPLIES_HANDLER),
    }


def event_api_outputs() -> dict[str, Any]:
    """What `model.bootstrap.parse_event_api` reads."""
    attributes = {
        EVENT_API_ID_OUTPUT: ("ApiId", "The Event API of Live"),
        EVENT_API_ARN_OUTPUT: ("ApiArn", "What permissions to use Live name"),
        EVENT_HTTP_HOST_OUTPUT: ("Dns.Http", "Where events are published over HTTP"),
        EVENT_REALTIME_HOST_OUTPUT: ("Dns.Realtime", "Where WebSockets connect"),
    }
    return {
        name: {"Description": why, "Value": {"Fn::GetAtt": [EVENT_API_ID, attribute]}}
        for name, (attribute, why) in attributes.items()
    }


def _namespace(name: str, handler: str) -> dict[str, Any]:
    return {
        "Type": "AWS::AppSync::ChannelNamespace",
        "Properties": {
            "ApiId": {"Fn::GetAtt": [EVENT_API_ID, "ApiId"]},
            "Name": name,
            "CodeHandlers": handler,
        },
    }
