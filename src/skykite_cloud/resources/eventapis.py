"""AWS::AppSync::Api and AWS::AppSync::ChannelNamespace, which MiniStack's CloudFormation does not know.

Made through the operations of its AppSync, which `events.management` holds to what is served. The physical id of both
is an ARN, as on AWS. AWS::AppSync::ApiKey it knows, but for GraphQL APIs only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from skykite_cloud.resources.rules import Handlers, Properties, PropertyError, refuse_nested

Attributes = dict[str, str]

API = "AWS::AppSync::Api"
NAMESPACE = "AWS::AppSync::ChannelNamespace"
KEY = "AWS::AppSync::ApiKey"
HANDLERS: dict[str, Handlers]
REPLACING: dict[str, tuple[str, ...]] = {API: (), NAMESPACE: ("ApiId", "Name")}

_EVENT_CONFIG = frozenset(
    {"AuthProviders", "ConnectionAuthModes", "DefaultPublishAuthModes", "DefaultSubscribeAuthModes"}
)


def check_event_config(properties: Properties) -> None:
    """What of `EventConfig` has its effect here."""
    config = properties.get("EventConfig") or {}
    refuse_nested("EventConfig", config, _EVENT_CONFIG)
    for name in sorted(_EVENT_CONFIG):
        if config and not config.get(name):
            raise PropertyError(f"#/EventConfig: required key [{name}] not found")
        for mode in config.get(name) or ():
            refuse_nested(f"EventConfig.{name}", mode, frozenset({"AuthType"}))


def find_event_api(properties: Properties) -> None:
    """A namespace belongs to an API that exists."""
    if properties["ApiId"] not in _events()._apis:
        raise PropertyError(f"Api {properties['ApiId']} not found")


def _create_api(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    made = _call("CreateApi", _events()._create_api, {**_api_members(properties), "tags": _tags(properties)})["api"]
    return made["apiArn"], _api_attributes(made)


def _update_api(arn: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    api_id = arn.rpartition("/")[2]
    made = _call("UpdateApi", _events()._update_api, _api_members(new), api_id)["api"]
    _events()._apis[api_id]["tags"] = _tags(new)
    return arn, _api_attributes(made)


def _delete_api(arn: str, properties: Properties) -> None:
    _events()._delete_api(arn.rpartition("/")[2])


def _create_namespace(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    members = {"name": properties["Name"], **_namespace_members(properties), "tags": _tags(properties)}
    create = _events()._create_channel_namespace
    arn = _call("CreateChannelNamespace", create, members, properties["ApiId"])["channelNamespace"][
        "channelNamespaceArn"
    ]
    return arn, {"ChannelNamespaceArn": arn}


def _update_namespace(arn: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    update, api_id, name = _events()._update_channel_namespace, new["ApiId"], new["Name"]
    _call("UpdateChannelNamespace", update, _namespace_members(new), api_id, name)
    _events()._channel_namespaces[api_id][name]["tags"] = _tags(new)
    return arn, {"ChannelNamespaceArn": arn}


def _delete_namespace(arn: str, properties: Properties) -> None:
    _, api_id, _, name = arn.rsplit("/", 3)
    _events()._delete_channel_namespace(api_id, name)


HANDLERS = {
    API: {"create": _create_api, "update": _update_api, "delete": _delete_api},
    NAMESPACE: {"create": _create_namespace, "update": _update_namespace, "delete": _delete_namespace},
}


def keys_of_event_apis(handlers: Handlers) -> Handlers:
    """MiniStack's handlers of AWS::AppSync::ApiKey, with the keys of Event APIs put where those are looked up."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
        if properties.get("ApiId") not in _events()._apis:
            made: tuple[str, Attributes] = handlers["create"](logical_id, properties, stack_name)
            return made
        api_id = properties["ApiId"]
        key = _call("CreateApiKey", _events()._create_api_key, _key_members(properties), api_id)["apiKey"]["id"]
        return key, _key_attributes(api_id, key)

    def update(key: str, old: Properties, new: Properties, stack_name: str, *logical_id: str) -> tuple[str, Attributes]:
        record = _events()._api_keys.get(new.get("ApiId"), {}).get(key)
        if record is None:
            if new.get("ApiId") in _events()._apis:  # of another API until now
                return create(logical_id[0] if logical_id else key, new, stack_name)
            updated: tuple[str, Attributes] = handlers["update"](key, old, new, stack_name, *logical_id)
            return updated
        record |= {"description": "", **_key_members(new)}
        return key, _key_attributes(new["ApiId"], key)

    def delete(key: str, properties: Properties) -> None:
        if _events()._api_keys.get(properties.get("ApiId"), {}).pop(key, None) is None:
            handlers["delete"](key, properties)

    return {**handlers, "create": create, "update": update, "delete": delete}


def _key_members(properties: Properties) -> dict[str, Any]:
    members: dict[str, Any] = {"description": properties.get("Description", "")}
    if "Expires" in properties:
        members["expires"] = int(properties["Expires"])
    return members


def _key_attributes(api_id: str, key: str) -> Attributes:
    return {"ApiKeyId": key, "ApiKey": key, "Arn": f"{_events()._apis[api_id]['apiArn']}/apikey/{key}"}


def _api_members(properties: Properties) -> dict[str, Any]:
    config = properties.get("EventConfig") or {}
    return {
        "name": properties["Name"],
        "ownerContact": properties.get("OwnerContact"),
        "eventConfig": {_camel(name): _modes(modes) for name, modes in config.items()},
    }


def _api_attributes(api: dict[str, Any]) -> Attributes:
    return {
        "ApiId": api["apiId"],
        "ApiArn": api["apiArn"],
        "Dns.Http": api["dns"]["HTTP"],
        "Dns.Realtime": api["dns"]["REALTIME"],
    }


def _namespace_members(properties: Properties) -> dict[str, Any]:
    return {
        "codeHandlers": properties.get("CodeHandlers"),
        "publishAuthModes": _modes(properties.get("PublishAuthModes") or []),
        "subscribeAuthModes": _modes(properties.get("SubscribeAuthModes") or []),
    }


def _modes(modes: list[Properties]) -> list[dict[str, Any]]:
    return [{_camel(key): value for key, value in mode.items()} for mode in modes]


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _tags(properties: Properties) -> dict[str, str]:
    """Without CloudFormation's own, which AppSync does not show."""
    tags = properties.get("Tags") or ()
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags if not str(tag["Key"]).startswith("aws:")}


def _call(what: str, operation: Callable[..., Any], members: dict[str, Any], *path: str) -> dict[str, Any]:
    status, _, body = operation(*path, json.dumps(members).encode())
    answer: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise PropertyError(f"{what} failed: {answer.get('message', answer)}")
    return answer


def _events() -> Any:
    from ministack.services import appsync_events

    return appsync_events
