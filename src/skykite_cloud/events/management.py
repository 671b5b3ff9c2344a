"""Event APIs as MiniStack keeps them: what is made is held to what is served here, and found again by its host names.

MiniStack's service stays in charge of the API's operations, of their records and of the records' place in a snapshot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ministack.core.responses import error_response_json, get_region

from skykite_cloud.events.channels import is_segment
from skykite_cloud.events.handlers import is_known
from skykite_cloud.seams import imported, when_imported

Record = dict[str, Any]
Operation = Literal["connect", "publish", "subscribe"]

_MODULE = "ministack.services.appsync_events"
_VERIFIED = ("AWS_IAM", "API_KEY")
_OWN_MODES = {"publish": "publishAuthModes", "subscribe": "subscribeAuthModes"}
_API_MODES = {
    "connect": "connectionAuthModes",
    "publish": "defaultPublishAuthModes",
    "subscribe": "defaultSubscribeAuthModes",
}
_HEAD = "the embedded cloud lacks"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A channel namespace of an API."""

    arn: str
    record: Record


@dataclass(frozen=True, slots=True)
class Api:
    """One Event API, as it is right now."""

    account: str
    region: str
    api_id: str
    record: Record

    @property
    def exists(self) -> bool:
        """Whether it has not been deleted meanwhile."""
        return _stores()._apis.get_scoped(self.account, self.region, self.api_id) is not None

    @property
    def arn(self) -> str:
        arn: str = self.record["apiArn"]
        return arn

    @property
    def http_host(self) -> str:
        host: str = self.record["dns"]["HTTP"]
        return host

    def namespace(self, name: str) -> Namespace | None:
        namespaces = _stores()._channel_namespaces.get_scoped(self.account, self.region, self.api_id, {})
        record = namespaces.get(name)
        return Namespace(f"{self.arn}/channelNamespace/{name}", record) if record else None

    def has_key(self, key: str, now: float) -> bool:
        """Whether this is one of the API's keys, and has not expired."""
        keys = _stores()._api_keys.get_scoped(self.account, self.region, self.api_id, {})
        return key in keys and keys[key]["expires"] > now

    def modes(self, operation: Operation, namespace: Namespace | None) -> set[str]:
        """The ways to authorize that are open for this operation; a namespace's own ones go first."""
        own = namespace.record.get(_OWN_MODES[operation]) if namespace else None
        modes = own or self.record["eventConfig"][_API_MODES[operation]]
        return {mode.get("authType", "") for mode in modes}


def api_at(kind: Literal["HTTP", "REALTIME"], host: str) -> Api | None:
    """The API whose endpoint has this name, without a port."""
    module = imported(_MODULE)
    if module is None:
        return None
    for (account, region, api_id), record in module._apis.all_items():
        if record["dns"][kind] == host:
            return Api(account, region, api_id, record)
    return None


def install() -> None:
    """Mend the service as soon as it is there. Before any state is restored."""
    when_imported(_MODULE, _mend)


def _stores() -> Any:
    return imported(_MODULE)


def _mend(events: Any) -> None:
    events._default_dns_for_api = _dns
    create_namespace = events._create_channel_namespace

    def create_inheriting(api_id: str, body: bytes) -> Any:
        # MiniStack copies the API's modes for publishing, for subscribing too. AWS asks the API each time.
        answer = create_namespace(api_id, body)
        if answer[0] < 400:
            given = _parsed(body)
            record = events._channel_namespaces[api_id][given["name"]]
            record |= {name: given.get(name) or [] for name in _OWN_MODES.values()}
        return answer

    events._create_api = _checked(events._create_api, _problem_of_api)
    events._update_api = _checked(events._update_api, _problem_of_api)
    events._create_channel_namespace = _checked(create_inheriting, _problem_of_namespace)
    events._update_channel_namespace = _checked(events._update_channel_namespace, _problem_of_namespace)


def _dns(api_id: str) -> dict[str, str]:
    """As on AWS: independent of the port, and not named after the API's id."""
    name = "".join(chr(ord("a") + byte % 26) for byte in hashlib.sha256(api_id.encode()).digest()[:26])
    region = get_region()
    return {
        "HTTP": f"{name}.appsync-api.{region}.amazonaws.com",
        "REALTIME": f"{name}.appsync-realtime-api.{region}.amazonaws.com",
    }


def _checked(operation: Callable[..., Any], problem_of: Callable[[Record], str | None]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        problem = problem_of(_parsed(arguments[-1]))
        if problem:
            return error_response_json("BadRequestException", problem, 400)
        return operation(*arguments)

    return checked


def _parsed(body: bytes) -> Record:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _problem_of_api(given: Record) -> str | None:
    config = given.get("eventConfig") or {}
    for mode in _all_modes(config):
        if mode not in _VERIFIED:
            return f"{_HEAD} authorization by {mode} for Event APIs"
    if config.get("logConfig"):
        return f"{_HEAD} logs of Event APIs"
    providers = {provider.get("authType") for provider in config.get("authProviders") or ()}
    for modes in _API_MODES.values():
        for mode in config.get(modes) or ():
            if mode.get("authType") not in providers:
                return f"{modes} names {mode.get('authType')}, which is not among the authProviders"
    return None


def _problem_of_namespace(given: Record) -> str | None:
    if "name" in given and not is_segment(str(given["name"])):
        return f"`{given['name']}` is not a name of a channel namespace"
    if given.get("handlerConfigs"):
        return f"{_HEAD} data sources of channel namespaces"
    code = given.get("codeHandlers")
    if code and not is_known(code):
        return f"{_HEAD} APPSYNC_JS in channel namespaces: it knows Skykite's own handlers only"
    for name in _OWN_MODES.values():
        for mode in given.get(name) or ():
            if mode.get("authType") not in _VERIFIED:
                return f"{_HEAD} authorization by {mode.get('authType')} for Event APIs"
    return None


def _all_modes(config: Record) -> Iterator[str]:
    for name in ("authProviders", *_API_MODES.values()):
        yield from (str(mode.get("authType")) for mode in config.get(name) or ())
