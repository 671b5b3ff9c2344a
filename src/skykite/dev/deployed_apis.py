"""HTTP APIs that are deployed in the embedded cloud, as the gateway serves them, and the ports they keep.

In: APIs as API Gateway tells them. Out: `ServedApi`s. What the gateway would not answer as AWS does is named with the
reason, as `constructs.http_apis` does it for templates. I/O: one file with the ports.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from skykite.cloud.files import write_private
from skykite.dev.ports import Ports
from skykite.errors import SkykiteError
from skykite.gateway import ServedApi
from skykite.gateway.api import CompiledApi
from skykite.model.manifest import Cors, HttpApiEntry, RouteEntry, UnservedRoute
from skykite.model.names import ConstructPath, FunctionId, LogicalId, StackName

if TYPE_CHECKING:
    from skykite.aws import HttpApi, HttpIntegration, HttpRoute

_T = TypeVar("_T")
_FUNCTION: Final = re.compile(r".*:function:(?P<name>[A-Za-z0-9_-]+(?::[A-Za-z0-9$_-]+)?)(?:/invocations)?")
_AUTHORIZATIONS: Final = {
    "JWT": "it asks for a JSON web token",
    "CUSTOM": "it asks a Lambda authorizer",
    "AWS_IAM": "it asks for requests signed with AWS credentials",
}


class KeptPorts:
    """Which port each API has, the same again after a restart if it is free then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports = Ports(None)
        try:
            self._kept = msgspec.json.decode(file.read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError):
            self._kept = {}

    @property
    def known(self) -> bool:
        """Whether there ever was an API."""
        return bool(self._kept)

    def port_of(self, api: str) -> int:
        return self._ports.port_of(ConstructPath(api), prefer=self._kept.get(api))

    async def serve(self, serve: Callable[[], Awaitable[_T]]) -> _T:
        """As `Ports.serve`."""
        return await self._ports.serve(serve)

    def keep(self, ports: Mapping[str, int]) -> None:
        """These are the ones in use. What other APIs had is remembered: they may come back."""
        kept = {**self._kept, **ports}
        if kept != self._kept:
            self._kept = kept
            write_private(self._file, msgspec.json.encode(kept, order="deterministic"))


def served_api(api: HttpApi, *, account: str, port: int) -> ServedApi:
    """Raises SkykiteError for routes that the gateway cannot take."""
    routes: list[RouteEntry] = []
    unserved: list[UnservedRoute] = []
    for route in api.routes:
        reason = _why_not(route)
        if reason is None:
            routes.append(_route(route))
        else:
            unserved.append(UnservedRoute(key=route.key, reason=reason))
    entry = HttpApiEntry(
        path=ConstructPath(api.id),
        stack=StackName(""),
        logical_id=LogicalId(api.id),
        name=api.name,
        stage=_stage(api.stages),
        cors=_cors(api.cors),
        routes=tuple(routes),
        unserved=tuple(unserved),
    )
    served = ServedApi(entry=entry, api_id=api.id, account=account, port=port)
    try:
        CompiledApi(served)
    except SkykiteError as error:
        raise SkykiteError(
            error.code, f"the API `{api.name}` is not served: {error.message}", hint=error.hint
        ) from error
    return served


def _why_not(route: HttpRoute) -> str | None:
    if route.authorization != "NONE":
        return _AUTHORIZATIONS.get(route.authorization, f"it asks for the authorization {route.authorization!r}")
    integration = route.integration
    if integration is None:
        return "it has no integration"
    return _why_not_integration(integration)


def _why_not_integration(integration: HttpIntegration) -> str | None:
    if integration.connection == "VPC_LINK":
        return "it passes requests into a VPC"
    if integration.kind == "HTTP_PROXY":
        return f"it passes requests on to {integration.uri}"
    if integration.subtype:
        return f"it calls an AWS service ({integration.subtype})"
    if integration.kind != "AWS_PROXY" or _FUNCTION.fullmatch(integration.uri) is None:
        return f"its integration is of the type {integration.kind}"
    if integration.mapped:
        return "its integration changes requests or responses on the way (parameter mapping)"
    if integration.payload_format not in ("1.0", "2.0"):
        return f"its payload format is {integration.payload_format!r}"
    return None


def _route(route: HttpRoute) -> RouteEntry:
    assert route.integration is not None
    found = _FUNCTION.fullmatch(route.integration.uri)
    assert found is not None
    return RouteEntry(
        key=route.key,
        function=FunctionId(found["name"]),
        payload_format=cast("Any", route.integration.payload_format),
        timeout_ms=route.integration.timeout_ms,
    )


def _stage(names: tuple[str, ...]) -> str:
    return "$default" if "$default" in names or not names else names[0]


def _cors(configuration: Mapping[str, Any] | None) -> Cors | None:
    if configuration is None:
        return None

    def names(key: str) -> tuple[str, ...]:
        return tuple(str(value) for value in configuration.get(key) or ())

    age = configuration.get("MaxAge")
    return Cors(
        allow_credentials=bool(configuration.get("AllowCredentials")),
        allow_headers=names("AllowHeaders"),
        allow_methods=names("AllowMethods"),
        allow_origins=names("AllowOrigins"),
        expose_headers=names("ExposeHeaders"),
        max_age_s=None if age is None else int(age),
    )
