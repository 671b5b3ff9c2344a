"""AWS::ApiGatewayV2::*: endpoints in AWS's form, CORS in the API's spelling, references that lead somewhere."""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError, refuse_nested

_CORS = {
    "AllowCredentials": "allowCredentials",
    "AllowHeaders": "allowHeaders",
    "AllowMethods": "allowMethods",
    "AllowOrigins": "allowOrigins",
    "ExposeHeaders": "exposeHeaders",
    "MaxAge": "maxAge",
}


def name_endpoint(api_id: str, properties: Properties, old: Properties) -> dict[str, str]:
    """What Fn::GetAtt ApiEndpoint and GetApi say."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import apigateway

    from skykite_cloud.endpoints import api_endpoint

    api = apigateway._apis[api_id]
    api["apiEndpoint"] = api_endpoint(api_id, api["protocolType"])
    arn = f"arn:aws:execute-api:{get_region()}:{get_account_id()}:{api_id}"
    return {"ApiEndpoint": api["apiEndpoint"], "ExecuteApiArn": arn}


def apply_cors(api_id: str, properties: Properties, old: Properties) -> None:
    """MiniStack keeps CloudFormation's spelling of the keys, which nothing that reads them knows."""
    from ministack.services import apigateway

    cors = properties.get("CorsConfiguration")
    if cors:
        refuse_nested("CorsConfiguration", cors, frozenset(_CORS))
        apigateway._apis[api_id]["corsConfiguration"] = {_CORS[key]: _typed(key, value) for key, value in cors.items()}


def find_api(properties: Properties) -> None:
    """The parts of an API belong to one that exists."""
    from ministack.services import apigateway

    api_id = properties["ApiId"]
    if api_id not in apigateway._apis:
        raise PropertyError(f"Invalid API identifier specified {api_id}")


def find_target(properties: Properties) -> None:
    """A route leads to an integration of its API."""
    from ministack.services import apigateway

    target = properties.get("Target")
    if target is None:
        return
    kind, _, integration = str(target).partition("/")
    if kind != "integrations" or integration not in apigateway._integrations.get(properties["ApiId"], {}):
        raise PropertyError(f"Invalid integration target {target}")


def refuse_second_route(properties: Properties) -> None:
    """One route of a key per API."""
    from ministack.services import apigateway

    routes = apigateway._routes.get(properties["ApiId"], {}).values()
    if any(route.get("routeKey") == properties["RouteKey"] for route in routes):
        raise PropertyError(f"Route with key {properties['RouteKey']} already exists for this API")


def _typed(key: str, value: Any) -> Any:
    # Parameters and intrinsic functions give strings where JSON has numbers and booleans.
    if key == "MaxAge":
        return int(value)
    if key == "AllowCredentials":
        return value in (True, "true")
    return value
