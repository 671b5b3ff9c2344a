"""`Api`: an HTTP API whose routes run functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.consumers import cdk_function, make_function, read_defaults
from skykite.constructs.given_keys import GivenKeys
from skykite.constructs.props import (
    ApiProps,
    CorsProps,
    PropProblem,
    check_choice,
    check_known,
    check_strings,
    check_type,
)
from skykite.constructs.routes import RouteKey, check_different, parse_route, written_twice

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from skykite.constructs.function import Function

_CORS_METHODS: Final = ("*", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_ANY_ORIGIN: Final[CorsProps] = {"allow_origins": ["*"], "allow_methods": ["*"], "allow_headers": ["*"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCdk:
    """The CDK objects of an `Api`; `functions` and `routes` by route key."""

    http_api: apigateway.HttpApi
    functions: Mapping[str, lambda_.IFunction]
    routes: Mapping[str, apigateway.HttpRoute]


class Api(SkykiteConstruct):
    """An API Gateway HTTP API.

    ```python
    Api(self, "Api", routes={"GET /notes/{id}": "functions/notes.get", "POST /notes": "functions/notes.create"})
    ```

    - `routes`: route keys (`"GET /notes/{id}"`, `"ANY /{proxy+}"`, `"$default"`) to what answers: a handler; a dict
      of `Function`'s arguments with its `handler`; a `Function`; or any CDK Lambda function. Each route given by a
      handler or a dict has a function of its own, under the id of its key, also where two name the same handler: their
      logs, permissions and metrics stay apart. Share one by making a `Function` and giving it to both.
    - `defaults={"function": {…}}`: `Function`'s arguments for all those functions. `environment` merges, `permissions`
      and `link` add up, anything else of the route's own replaces the default.
    - `cors`: `True` (default) lets any origin in, without credentials; `False` none; a dict is `CorsProps`.
    - `description`

    Raises SkykiteError at once if any of it is wrong.
    """

    def __init__(self, scope: Construct, id: str, **props: Unpack[ApiProps]) -> None:
        super().__init__(scope, id, kind="api")
        given = cast("dict[str, Any]", props)
        with self._checking():
            check_known(given, tuple(ApiProps.__annotations__))
            defaults = read_defaults(given.get("defaults"))
            routes = GivenKeys(
                self._kite_program, "routes", given.get("routes") or {}, words="a dict of route keys to functions"
            )
        parsed = self._parse(routes)
        with self._checking():
            cors = read_cors(given.get("cors", True))
            description = given.get("description")
            if description is not None:
                check_type("description", description, str, "a string")
            synthesis = self._kite_program.synthesis
            self._http_api = apigateway.HttpApi(
                self,
                "Resource",
                api_name="-".join((synthesis.stage, synthesis.app, id)),
                description=description,
                cors_preflight=cors,
            )
        self._integrations: dict[str, HttpLambdaIntegration] = {}
        self._functions: dict[str, Function | lambda_.IFunction] = {}
        self._routes: dict[str, apigateway.HttpRoute] = {}
        for key, (text, value) in zip(parsed, routes.items(), strict=True):
            with routes.at(text), self._checking():
                self._add_route(key, value, defaults)

    @property
    def cdk(self) -> ApiCdk:
        """The CDK objects behind it."""
        functions = {key: cdk_function(function) for key, function in self._functions.items()}
        return ApiCdk(http_api=self._http_api, functions=functions, routes=dict(self._routes))

    @property
    def cdk_resource(self) -> Any:
        """What `(api, "grant_…")` asks."""
        return self._http_api

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end; a token until it is deployed."""
        return cast("str", self._http_api.api_endpoint)

    @property
    def id(self) -> str:
        """API Gateway's id of it."""
        return cast("str", self._http_api.api_id)

    def function(self, route: str) -> Function | lambda_.IFunction:
        """What answers a route, by its key as written."""
        if route not in self._functions:
            raise self.refuse("route-unknown", f"{self.title} has no route `{route}`")
        return self._functions[route]

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Api", "id": self.id, "url": self.url}

    def grant_to(self, grantee: Any) -> None:
        """Nothing to allow: its routes are public, and `link` gives the URL."""

    def _parse(self, routes: GivenKeys) -> list[RouteKey]:
        keys: list[RouteKey] = []
        for text in routes:
            with routes.at(text), self._checking():
                key = parse_route(text)
                twice = routes.twice(text)
                if twice is not None:
                    raise written_twice(key, *twice)
                check_different(key, keys)
            keys.append(key)
        return keys

    def _add_route(self, key: RouteKey, value: object, defaults: Mapping[str, Any]) -> None:
        function = make_function(self, str(key), value, defaults, within=f'routes["{key}"]', source="request")
        target = cdk_function(function)
        address = target.node.addr
        if address not in self._integrations:
            self._integrations[address] = HttpLambdaIntegration(str(key), target)
        self._routes[str(key)] = apigateway.HttpRoute(
            self._http_api,
            str(key),
            http_api=self._http_api,
            route_key=apigateway.HttpRouteKey.with_(key.path, apigateway.HttpMethod[key.method])
            if key.path
            else apigateway.HttpRouteKey.DEFAULT,
            integration=self._integrations[address],
        )
        self._functions[str(key)] = function


def read_cors(given: object) -> apigateway.CorsPreflightOptions | None:
    """Check `cors`. Raises PropProblem."""
    if given is False:
        return None
    if given is True:
        given = _ANY_ORIGIN
    check_type("cors", given, Mapping, "True, False or a dict")
    cors = dict(cast("Mapping[str, Any]", given))
    check_known(cors, tuple(CorsProps.__annotations__), within="`cors`")
    lists = {
        name: list(check_strings(f'cors["{name}"]', cors[name], "a list of strings"))
        for name in ("allow_headers", "allow_methods", "allow_origins", "expose_headers")
        if cors.get(name) is not None
    }
    for method in lists.get("allow_methods", ()):
        check_choice('cors["allow_methods"]', method, _CORS_METHODS)
    for origin in lists.get("allow_origins", ()):
        if origin != "*" and "://" not in origin:
            raise PropProblem(
                "cors-origin",
                f"lets in the origin `{origin}`, which no browser sends",
                hint=f'an origin has a scheme and no path: "https://{origin}"',
            )
    credentials = cors.get("allow_credentials", False)
    check_type('cors["allow_credentials"]', credentials, bool, "True or False")
    if credentials and any("*" in values for values in lists.values()):
        raise PropProblem(
            "cors-credentials",
            "allows credentials together with `*` in `cors`, which API Gateway refuses",
            hint="name the origins, methods and headers",
        )
    age = cors.get("max_age")
    if age is not None and not isinstance(age, aws_cdk.Duration):
        check_type('cors["max_age"]', age, int, "a whole number of seconds")
        age = aws_cdk.Duration.seconds(age)
    methods = [
        apigateway.CorsHttpMethod.ANY if method == "*" else apigateway.CorsHttpMethod[method]
        for method in lists.get("allow_methods", ())
    ]
    return apigateway.CorsPreflightOptions(
        allow_credentials=credentials or None,
        allow_headers=lists.get("allow_headers"),
        allow_methods=methods or None,
        allow_origins=lists.get("allow_origins"),
        expose_headers=lists.get("expose_headers"),
        max_age=age,
    )
