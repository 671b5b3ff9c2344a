"""`Api`: an HTTP API whose routes run functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.blame import UserLine, find_user_line, read_user_source
from skykite.constructs.function import Function, merge_function_props
from skykite.constructs.links import has_attribute
from skykite.constructs.props import (
    ApiDefaults,
    ApiProps,
    CorsProps,
    FunctionProps,
    PropProblem,
    RouteFunctionProps,
    check_choice,
    check_known,
    check_strings,
    check_type,
    shown,
)
from skykite.constructs.route_lines import NOWHERE, RouteLines, read_route_lines
from skykite.constructs.routes import RouteKey, check_different, parse_route, written_twice

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

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
        self._call = find_user_line(self._kite_program.root)
        given = cast("dict[str, Any]", props)
        with self._checking():
            check_known(given, tuple(ApiProps.__annotations__))
            defaults = _read_defaults(given.get("defaults") or {})
            routes = given.get("routes") or {}
            check_type("routes", routes, Mapping, "a dict of route keys to functions")
        keys = self._read_routes(routes)
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
        for key, (text, value) in zip(keys, routes.items(), strict=True):
            with self._at(text):
                self._add_route(key, value, defaults)

    @property
    def cdk(self) -> ApiCdk:
        """The CDK objects behind it."""
        functions = {
            key: function.cdk.function if isinstance(function, Function) else function
            for key, function in self._functions.items()
        }
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

    def _read_routes(self, routes: Mapping[Any, Any]) -> list[RouteKey]:
        self._written = self._read_lines(routes)
        keys: list[RouteKey] = []
        for text in routes:
            with self._at(text), self._checking():
                key = parse_route(text)
                if self._written.twice is not None and self._written.twice[0] == text:
                    raise written_twice(key, *self._written.twice[1:])
                check_different(key, keys)
            keys.append(key)
        return keys

    def _read_lines(self, routes: Mapping[Any, Any]) -> RouteLines:
        if self._call is None:
            return NOWHERE
        return read_route_lines(read_user_source(self._call), line=self._call.line, routes=routes.keys())

    @contextmanager
    def _at(self, route: Any) -> Iterator[None]:
        """Errors in here show the line of the route's key, if it is known."""
        line = self._written.lines.get(route) if isinstance(route, str) else None
        self._place = UserLine(file=self._call.file, line=line) if self._call is not None and line is not None else None
        try:
            yield
        finally:
            self._place = None

    def _add_route(self, key: RouteKey, value: Any, defaults: Mapping[str, Any]) -> None:
        function, target = self._function_of(key, value, defaults)
        with self._checking():
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

    def _function_of(self, key: RouteKey, value: Any, defaults: Mapping[str, Any]) -> tuple[Any, Any]:
        """What the user gets to see, and the CDK function. `Function` checks its own props."""
        if isinstance(value, Function):
            return value, value.cdk.function
        if isinstance(value, str):
            own: Mapping[str, Any] = {"handler": value}
        elif isinstance(value, Mapping):
            with self._checking():
                check_known(value, tuple(RouteFunctionProps.__annotations__), within=f'routes["{key}"]')
            own = value
        elif has_attribute(value, "function_arn"):
            return value, value
        else:
            raise self.refuse(
                "route-function",
                f"{self.title} has {shown(value)} for the route `{key}`",
                hint="give a handler, a dict of function props, a `Function` or a CDK Lambda function",
            )
        with self._checking():
            merged = cast("Any", merge_function_props(defaults, own))
            function = _RouteFunction(self, str(key), self._place, isinstance(value, str), merged)
        return function, function.cdk.function


class _RouteFunction(Function):
    """A route's own function: what is wrong with it is to be changed where the route stands."""

    def __init__(self, api: Api, id: str, place: UserLine | None, by_handler: bool, props: Any) -> None:
        self._place = place
        if by_handler:
            self._change_handler = "change the route to "
        super().__init__(api, id, **props)


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


def _read_defaults(given: object) -> Mapping[str, Any]:
    check_type("defaults", given, Mapping, "a dict")
    defaults = cast("Mapping[str, Any]", given)
    check_known(defaults, tuple(ApiDefaults.__annotations__), within="`defaults`")
    function = defaults.get("function", {})
    check_type('defaults["function"]', function, Mapping, "a dict")
    check_known(function, tuple(FunctionProps.__annotations__), within='`defaults["function"]`')
    return cast("Mapping[str, Any]", function)
