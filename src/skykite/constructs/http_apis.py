"""HTTP APIs as the templates have them, so that those made by plain CDK are served too.

In: a template. Out: `HttpApiEntry`s. Pure. Whatever a local gateway could not serve as API Gateway would is refused by
the gateway, not here: deploying it is fine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from skykite.model.manifest import Cors, HttpApiEntry, RouteEntry
from skykite.model.names import ConstructPath, FunctionId, LogicalId, StackName

_DEFAULT_TIMEOUT: Final = 30_000  # ms


def read_http_apis(
    stack: StackName,
    template: Mapping[str, Any],
    functions: Mapping[LogicalId, FunctionId],
    *,
    paths: Callable[[Mapping[str, Any]], ConstructPath],
) -> Iterator[HttpApiEntry]:
    """The HTTP APIs of one template with those of their routes that run one of `functions`."""
    resources: Mapping[str, Any] = template.get("Resources", {})
    for logical_id, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] != "AWS::ApiGatewayV2::Api" or properties.get("ProtocolType", "HTTP") != "HTTP":
            continue
        yield HttpApiEntry(
            path=paths(resource),
            stack=stack,
            logical_id=LogicalId(logical_id),
            name=_text(properties.get("Name"), logical_id),
            stage=_stage(resources, logical_id),
            cors=_cors(properties.get("CorsConfiguration")),
            routes=tuple(_routes(resources, logical_id, functions)),
        )


def _stage(resources: Mapping[str, Any], api: str) -> str:
    names = [
        _text(resource.get("Properties", {}).get("StageName"), "$default")
        for resource in resources.values()
        if resource["Type"] == "AWS::ApiGatewayV2::Stage" and _is_of(resource, api)
    ]
    return "$default" if "$default" in names or not names else names[0]


def _routes(resources: Mapping[str, Any], api: str, functions: Mapping[LogicalId, FunctionId]) -> Iterator[RouteEntry]:
    for resource in resources.values():
        if resource["Type"] != "AWS::ApiGatewayV2::Route" or not _is_of(resource, api):
            continue
        properties = resource["Properties"]
        integration = resources.get(_referenced(properties.get("Target")) or "", {}).get("Properties", {})
        function = functions.get(LogicalId(_referenced(integration.get("IntegrationUri")) or ""))
        if function is not None:
            yield RouteEntry(
                key=_text(properties.get("RouteKey"), "$default"),
                function=function,
                payload_format=cast("Any", _text(integration.get("PayloadFormatVersion"), "1.0")),
                timeout_ms=_number(integration.get("TimeoutInMillis"), _DEFAULT_TIMEOUT),
            )


def _is_of(resource: Mapping[str, Any], api: str) -> bool:
    return _referenced(resource.get("Properties", {}).get("ApiId")) == api


def _referenced(value: object) -> str | None:
    """The one resource a value is about: through `Ref`, `Fn::GetAtt`, and the joins around them."""
    if isinstance(value, Mapping):
        if "Ref" in value:
            name = str(value["Ref"])
            return None if name.startswith("AWS::") else name
        if "Fn::GetAtt" in value:
            target = value["Fn::GetAtt"]
            return target.partition(".")[0] if isinstance(target, str) else str(target[0])
        if "Fn::Join" in value:
            return _referenced(value["Fn::Join"][1])
    if isinstance(value, list):
        return next((name for name in map(_referenced, value) if name is not None), None)
    return None


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


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) else default


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
