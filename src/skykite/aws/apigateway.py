"""HTTP APIs as deployed: routes, and what is behind each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from skykite.aws.connection import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpIntegration:
    """What a route calls. `kind` is `AWS_PROXY` for functions, whose ARN is in `uri`; `subtype` names a service's
    action; `mapped` says that requests or responses are changed on the way."""

    kind: str
    uri: str
    subtype: str
    connection: str
    payload_format: str
    timeout_ms: int
    mapped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRoute:
    """`integration` is `None` where the route leads to nothing."""

    key: str
    authorization: str
    integration: HttpIntegration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApi:
    """`cors` is the API's `CorsConfiguration`, with AWS's keys."""

    id: str
    name: str
    stages: tuple[str, ...]
    cors: Mapping[str, Any] | None
    routes: tuple[HttpRoute, ...]


class ApiGateway:
    """https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def http_apis(self) -> tuple[HttpApi, ...]:
        """Every HTTP API of the account and region, oldest first."""
        found = [api for api in self._items("GetApis") if api.get("ProtocolType") == "HTTP"]
        found.sort(key=lambda api: (str(api.get("CreatedDate", "")), api["ApiId"]))
        return tuple(self._http_api(api) for api in found)

    def _http_api(self, api: Mapping[str, Any]) -> HttpApi:
        api_id = api["ApiId"]
        integrations = {one["IntegrationId"]: _integration(one) for one in self._items("GetIntegrations", ApiId=api_id)}
        return HttpApi(
            id=api_id,
            name=api.get("Name", api_id),
            stages=tuple(stage["StageName"] for stage in self._items("GetStages", ApiId=api_id)),
            cors=api.get("CorsConfiguration") or None,
            routes=tuple(
                HttpRoute(
                    key=route["RouteKey"],
                    authorization=route.get("AuthorizationType") or "NONE",
                    integration=integrations.get(str(route.get("Target", "")).removeprefix("integrations/")),
                )
                for route in self._items("GetRoutes", ApiId=api_id)
            ),
        )

    def _items(self, operation: str, **parameters: str) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            page = self._caller.call(operation, NextToken=token, **parameters)
            yield from page.get("Items", ())
            token = page.get("NextToken")
            if not token:
                return


def _integration(found: Mapping[str, Any]) -> HttpIntegration:
    return HttpIntegration(
        kind=found.get("IntegrationType", ""),
        uri=found.get("IntegrationUri", ""),
        subtype=found.get("IntegrationSubtype", ""),
        connection=found.get("ConnectionType", ""),
        payload_format=found.get("PayloadFormatVersion") or "1.0",
        timeout_ms=int(found.get("TimeoutInMillis") or 30_000),
        mapped=bool(found.get("RequestParameters") or found.get("ResponseParameters")),
    )
