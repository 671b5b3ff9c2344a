"""HTTP APIs as the templates have them, so that those made by plain CDK are served too, and what cannot be served.

In: the templates of the app. Out: `HttpApiEntry`s and `UnservedApi`s. Pure. A route, its integration, its function and
the API may each be in another stack. Nothing is left out silently: what runs on AWS and would not run the same behind
the local gateway is named with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from skykite.model.manifest import Cors, HttpApiEntry, RouteEntry, UnservedApi, UnservedRoute
from skykite.model.names import ConstructPath, FunctionId, StackName
from skykite.model.references import Address, Expression, Templates, path_of_resource

_DEFAULT_TIMEOUT: Final = 30_000  # ms
_AUTHORIZATIONS: Final = {
    "JWT": "it asks for a JSON web token",
    "CUSTOM": "it asks a Lambda authorizer",
    "AWS_IAM": "it asks for requests signed with AWS credentials",
}
_OTHER_KINDS: Final = (
    ("AWS::ApiGateway::RestApi", "it is a REST API"),
    ("AWS::Lambda::Url", "it is a function URL"),
)


class _Unserved(Exception):  # noqa: N818  (an answer, not a failure)
    """Why a route cannot be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadApis:
    """All that answers HTTP in an app."""

    served: tuple[HttpApiEntry, ...]
    unserved: tuple[UnservedApi, ...]


def read_http_apis(
    templates: Mapping[StackName, Mapping[str, Any]], functions: Mapping[Address, FunctionId]
) -> ReadApis:
    """`functions` are all of the app's."""
    return _Reader(Templates(templates), functions).read()


class _Reader:
    def __init__(self, templates: Templates, functions: Mapping[Address, FunctionId]) -> None:
        self._templates = templates
        self._functions = functions

    def read(self) -> ReadApis:
        served: list[HttpApiEntry] = []
        unserved: list[UnservedApi] = []
        for address, api in self._templates.of_type("AWS::ApiGatewayV2::Api"):
            reason = self._why_not_at_all(address, api)
            if reason is None:
                served.append(self._entry(address, api))
            else:
                unserved.append(UnservedApi(path=_path(address, api), reason=reason))
        for kind, reason in _OTHER_KINDS:
            unserved += [
                UnservedApi(path=_path(address, found), reason=reason)
                for address, found in self._templates.of_type(kind)
            ]
        for address, route in self._templates.of_type("AWS::ApiGatewayV2::Route"):
            if self._target(address, route, "ApiId", "AWS::ApiGatewayV2::Api") is None:
                reason = "it is a route of an API that is not in this app"
            elif self._literal(address, route, "RouteKey") is None:
                reason = "it is a route whose key only a deploy will tell"
            else:
                continue
            unserved.append(UnservedApi(path=_path(address, route), reason=reason))
        return ReadApis(served=tuple(served), unserved=tuple(unserved))

    def _why_not_at_all(self, address: Address, api: Mapping[str, Any]) -> str | None:
        properties = api.get("Properties", {})
        protocol = self._literal(address, api, "ProtocolType")
        if protocol == "WEBSOCKET":
            return "it is a WebSocket API"
        if "Body" in properties or "BodyS3Location" in properties:
            return "its routes are in an OpenAPI document"
        return None

    def _entry(self, address: Address, api: Mapping[str, Any]) -> HttpApiEntry:
        routes: list[RouteEntry] = []
        unserved: list[UnservedRoute] = []
        for key, found in self._routes(address, api):
            if isinstance(found, RouteEntry):
                routes.append(found)
            else:
                unserved.append(UnservedRoute(key=key, reason=found))
        return HttpApiEntry(
            path=_path(address, api),
            stack=address.stack,
            logical_id=address.logical_id,
            name=self._literal(address, api, "Name") or address.logical_id,
            stage=self._stage(address),
            cors=_cors(api.get("Properties", {}).get("CorsConfiguration")),
            routes=tuple(routes),
            unserved=tuple(unserved),
        )

    def _stage(self, api: Address) -> str:
        names = [
            self._literal(address, stage, "StageName") or "$default"
            for address, stage in self._templates.of_type("AWS::ApiGatewayV2::Stage")
            if self._target(address, stage, "ApiId", "AWS::ApiGatewayV2::Api") == api
        ]
        return "$default" if "$default" in names or not names else names[0]

    def _routes(self, api: Address, resource: Mapping[str, Any]) -> Iterator[tuple[str, RouteEntry | str]]:
        """Each route's key with the route, or with the reason why not."""
        properties = resource.get("Properties", {})
        if "Target" in properties:  # API Gateway's "quick create": an API with one route
            key = self._literal(api, resource, "RouteKey") or "$default"
            function = self._function(Expression(api.stack, properties["Target"]))
            yield key, RouteEntry(key=key, function=function) if function else "its target is no function of this app"
        for address, route in self._templates.of_type("AWS::ApiGatewayV2::Route"):
            if self._target(address, route, "ApiId", "AWS::ApiGatewayV2::Api") != api:
                continue
            written = self._literal(address, route, "RouteKey")
            if written is None:
                continue
            try:
                yield written, self._route(address, route, written)
            except _Unserved as unserved:
                yield written, str(unserved)

    def _route(self, address: Address, route: Mapping[str, Any], key: str) -> RouteEntry:
        """Raises _Unserved."""
        authorization = route["Properties"].get("AuthorizationType", "NONE")
        if authorization != "NONE":
            raise _Unserved(_AUTHORIZATIONS.get(str(authorization), f"it asks for the authorization {authorization!r}"))
        home = self._target(address, route, "Target", "AWS::ApiGatewayV2::Integration")
        if home is None:
            raise _Unserved("its integration is not in this app")
        integration = self._templates.resource(home).get("Properties", {})
        self._check_integration(home, integration)
        function = self._function(Expression(home.stack, integration.get("IntegrationUri")))
        if function is None:
            raise _Unserved("its function is not in this app")
        payload_format = self._literal(home, {"Properties": integration}, "PayloadFormatVersion") or "1.0"
        if payload_format not in ("1.0", "2.0"):
            raise _Unserved(f"its payload format is {payload_format!r}")
        return RouteEntry(
            key=key,
            function=function,
            payload_format=cast("Any", payload_format),
            timeout_ms=_number(integration.get("TimeoutInMillis"), _DEFAULT_TIMEOUT),
        )

    def _check_integration(self, address: Address, integration: Mapping[str, Any]) -> None:
        """Raises _Unserved for all but a function that is passed the request as it is."""
        kind = integration.get("IntegrationType")
        if integration.get("ConnectionType") == "VPC_LINK":
            raise _Unserved("it passes requests into a VPC")
        if kind == "HTTP_PROXY":
            target = self._templates.text(Expression(address.stack, integration.get("IntegrationUri")))
            raise _Unserved(f"it passes requests on to {target}")
        if "IntegrationSubtype" in integration:
            raise _Unserved(f"it calls an AWS service ({integration['IntegrationSubtype']})")
        if kind != "AWS_PROXY":
            raise _Unserved(f"its integration is of the type {kind}")
        if integration.get("RequestParameters") or integration.get("ResponseParameters"):
            raise _Unserved("its integration changes requests or responses on the way (parameter mapping)")

    def _function(self, expression: Expression) -> FunctionId | None:
        """The function of the app that a name, an ARN or an invoke ARN is about."""
        found = (self._functions[a] for a in self._templates.functions(expression) if a in self._functions)
        return next(found, None)

    def _target(self, address: Address, resource: Mapping[str, Any], name: str, type: str) -> Address | None:
        """The resource of a type that a property points to."""
        value = Expression(address.stack, resource.get("Properties", {}).get(name))
        found = self._templates.targets(value)
        return next((target for target in found if self._templates.resource(target)["Type"] == type), None)

    def _literal(self, address: Address, resource: Mapping[str, Any], name: str) -> str | None:
        return self._templates.literal(Expression(address.stack, resource.get("Properties", {}).get(name)))


def _path(address: Address, resource: Mapping[str, Any]) -> ConstructPath:
    return path_of_resource(resource) or ConstructPath(f"{address.stack}/{address.logical_id}")


def _cors(configuration: object) -> Cors | None:
    if not isinstance(configuration, Mapping):
        return None

    def names(key: str) -> tuple[str, ...]:
        return tuple(str(value) for value in configuration.get(key) or ())

    age = configuration.get("MaxAge")
    return Cors(
        allow_credentials=configuration.get("AllowCredentials") in (True, "true"),
        allow_headers=names("AllowHeaders"),
        allow_methods=names("AllowMethods"),
        allow_origins=names("AllowOrigins"),
        expose_headers=names("ExposeHeaders"),
        max_age_s=_number(age, 0) if age is not None else None,
    )


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
