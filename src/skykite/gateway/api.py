"""One HTTP API, compiled: what to do with a request, and what to say after the function. Pure.

A request in; out comes a response, or an invocation whose outcome the API then turns into a response.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from skykite.errors import SkykiteError
from skykite.gateway.cors import PREFIX, CorsPolicy
from skykite.gateway.event import RouteFacts, encode_v1, encode_v2
from skykite.gateway.hosts import is_allowed
from skykite.gateway.request import Arrival, Request, decode_path
from skykite.gateway.response import HttpResponse, MalformedResponseError, interpret, message
from skykite.gateway.router import Router
from skykite.model.events import Notice
from skykite.model.invocation import PAYLOAD_LIMIT, Failed, Invocation, Outcome, Trigger
from skykite.model.manifest import HttpApiEntry, RouteEntry

MAX_TIMEOUT_MS: Final = 30_000

NOT_FOUND: Final = message(404, "Not Found")
TOO_LARGE: Final = message(413, "Request Entity Too Large")
INTERNAL_ERROR: Final = message(500, "Internal Server Error")
UNAVAILABLE: Final = message(503, "Service Unavailable")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedApi:
    """An API to serve. `api_id` is the deployed one; `port` 0 takes any free port, and keeps it."""

    entry: HttpApiEntry
    api_id: str
    account: str
    port: int = 0


class Call(msgspec.Struct, frozen=True):
    """A function has to be asked."""

    route: RouteEntry
    invocation: Invocation


class Answer(msgspec.Struct, frozen=True):
    """A response, and what to tell the developer about it."""

    response: HttpResponse
    notice: Notice | None = None


class CompiledApi:
    """Raises SkykiteError for routes that API Gateway would not take."""

    def __init__(self, served: ServedApi) -> None:
        entry = served.entry
        self.served = served
        # Routes that are not served keep their place, so that no other route answers for them.
        self._router = Router([*(route.key for route in entry.routes), *(route.key for route in entry.unserved)])
        self._cors = CorsPolicy(entry.cors) if entry.cors is not None else None
        self._prefix = "" if entry.stage == "$default" else f"/{entry.stage}"
        self._routes = tuple(
            (
                route,
                RouteFacts(
                    key=route.key,
                    resource=route.key.partition(" ")[2] or route.key,
                    account=served.account,
                    api_id=served.api_id,
                    stage=entry.stage,
                ),
                encode_v1 if route.payload_format == "1.0" else encode_v2,
            )
            for route in entry.routes
        )
        self._allows = lru_cache(maxsize=64)(lambda host: is_allowed(host, served.api_id))

    @property
    def base_path(self) -> str:
        """What stands before every path: nothing, or the named stage."""
        return self._prefix

    def decide(self, request: Request, arrival: Arrival) -> Call | Answer:
        """What to do with a request."""
        refusal = self._refuse_host(request)
        if refusal is not None:
            return refusal
        path = decode_path(request.path)
        inner = self._without_stage(path)
        match = self._router.match(request.method, inner) if inner is not None else None
        if match is None:
            if request.method == "OPTIONS" and self._cors is not None:
                return Answer(HttpResponse(204, self._cors_headers(request), b""))
            return Answer(self._with_cors(request, NOT_FOUND))
        if match.route >= len(self._routes):
            return Answer(self._with_cors(request, self._not_here(match.route - len(self._routes))))
        route, facts, encode = self._routes[match.route]
        payload, trace = encode(request, arrival, facts, path, match.parameters)
        if len(payload) > PAYLOAD_LIMIT:
            return Answer(
                self._with_cors(request, TOO_LARGE),
                Notice(
                    notice="request-too-large",
                    message=f"`{request.method} {path}` makes an event of {len(payload):,} bytes;"
                    f" Lambda takes {PAYLOAD_LIMIT:,}, so API Gateway answers 413",
                    hint="binary bodies grow by a third as base64; let the client send large files straight to S3",
                ),
            )
        return Call(
            route,
            Invocation(
                request_id=arrival.request_id,
                function=route.function,
                payload=payload,
                trigger=Trigger(kind="http", label=f"{request.method} {path}"),
                trace_id=trace,
            ),
        )

    def conclude(self, request: Request, call: Call, outcome: Outcome) -> Answer:
        """The response to a request whose function is done."""
        if isinstance(outcome, Failed):
            response = UNAVAILABLE if outcome.kind == "unavailable" else INTERNAL_ERROR
            return Answer(self._with_cors(request, response))
        try:
            response = interpret(outcome.payload, call.route.payload_format)
        except MalformedResponseError as error:
            return Answer(
                self._with_cors(request, INTERNAL_ERROR),
                Notice(
                    notice="response-malformed",
                    message=f"`{call.route.function}` returned {error}; API Gateway answers 500 to that",
                    hint="return text, a list, or a dict; or one with `statusCode`, `headers` and a string `body`"
                    if call.route.payload_format == "2.0"
                    else "return a dict with `statusCode`, `headers` and a string `body`",
                ),
            )
        return Answer(self._with_cors(request, response))

    def fail(self, request: Request) -> Answer:
        """The response when the function could not be asked."""
        return Answer(self._with_cors(request, INTERNAL_ERROR))

    def stop(self, request: Request) -> Answer:
        """The response when the gateway stops before the function is done."""
        return Answer(self._with_cors(request, UNAVAILABLE))

    def time_out(self, request: Request, call: Call) -> Answer:
        """The response when the function takes longer than its integration may. It runs on."""
        return Answer(
            self._with_cors(request, UNAVAILABLE),
            Notice(
                notice="integration-timeout",
                message=f"`{call.route.function}` has not answered `{call.invocation.trigger.label}` after"
                f" {timeout_s(call.route):g} s; API Gateway answers 503 while the function runs on",
                hint="HTTP APIs wait 30 s at most: answer early and go on in a queue",
            ),
        )

    def _not_here(self, index: int) -> HttpResponse:
        unserved = self.served.entry.unserved[index]
        return message(501, f"Skykite does not serve `{unserved.key}` on this machine: {unserved.reason}.")

    def _refuse_host(self, request: Request) -> Answer | None:
        host = request.header(b"host")
        if host is None:
            return Answer(message(400, "Bad Request"))
        if self._allows(host):
            return None
        return Answer(
            message(
                403,
                f"Skykite serves this API on this machine only, and `{host}` is not a name of it."
                f" Use localhost, 127.0.0.1 or {self.served.api_id}.execute-api.<region>.amazonaws.com as Host.",
            )
        )

    def _without_stage(self, path: str) -> str | None:
        if not self._prefix:
            return path if path.startswith("/") else None
        if not path.startswith(self._prefix):
            return None
        rest = path[len(self._prefix) :]
        return rest if rest.startswith("/") else None if rest else "/"

    def _cors_headers(self, request: Request) -> list[tuple[str, str]]:
        if self._cors is None:
            return []
        requested = request.header(b"access-control-request-method") if request.method == "OPTIONS" else None
        if request.method == "OPTIONS" and requested is None:
            return []
        return self._cors.headers(origin=request.header(b"origin"), requested_method=requested)

    def _with_cors(self, request: Request, response: HttpResponse) -> HttpResponse:
        if self._cors is None:
            return response
        own = [header for header in response.headers if not header[0].startswith(PREFIX)]
        return HttpResponse(response.status, own + self._cors_headers(request), response.body)


def timeout_s(route: RouteEntry) -> float:
    """How long API Gateway waits for the function behind a route."""
    return min(route.timeout_ms, MAX_TIMEOUT_MS) / 1000


def check_alike(apis: tuple[ServedApi, ...]) -> None:
    """Raises SkykiteError if one port is wanted twice."""
    ports: dict[int, ServedApi] = {}
    for api in apis:
        other = ports.setdefault(api.port, api) if api.port else api
        if other is not api:
            raise SkykiteError(
                "port-in-use",
                f"`{other.entry.path}` and `{api.entry.path}` are both to be served on port `{api.port}`",
                hint="give each API a port of its own",
            )
