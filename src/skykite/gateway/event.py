"""The event a function gets for a request: payload formats 2.0 and 1.0. Pure: a request in, JSON bytes out.

The shapes are AWS's, absent keys included; where its documentation is silent, recorded events decided.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from skykite.gateway.hosts import domain_prefix
from skykite.gateway.request import HOP_BY_HOP, Arrival, Request, decode_body, parse_query, trace_id

_encoder: Final = msgspec.json.Encoder()

_CANONICAL: Final = {
    "content-length": "Content-Length",
    "content-type": "Content-Type",
    "cookie": "Cookie",
    "host": "Host",
    "user-agent": "User-Agent",
    "x-amzn-trace-id": "X-Amzn-Trace-Id",
    "x-forwarded-for": "X-Forwarded-For",
    "x-forwarded-port": "X-Forwarded-Port",
    "x-forwarded-proto": "X-Forwarded-Proto",
}
"""Headers that API Gateway names itself in format 1.0; all others keep the sender's spelling."""


class RouteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of one route has in common."""

    key: str
    resource: str  # the key without its method
    account: str
    api_id: str
    stage: str


class _Http(msgspec.Struct, gc=False):
    method: str
    path: str
    protocol: str
    sourceIp: str  # noqa: N815
    userAgent: str  # noqa: N815


class _ContextV2(msgspec.Struct, gc=False, rename="camel"):
    account_id: str
    api_id: str
    domain_name: str
    domain_prefix: str
    http: _Http
    request_id: str
    route_key: str
    stage: str
    time: str
    time_epoch: int


class _EventV2(msgspec.Struct, gc=False, rename="camel"):
    version: str
    route_key: str
    raw_path: str
    raw_query_string: str
    cookies: list[str] | UnsetType
    headers: dict[str, str]
    query_string_parameters: dict[str, str] | UnsetType
    request_context: _ContextV2
    body: str | UnsetType
    path_parameters: dict[str, str] | UnsetType
    is_base64_encoded: bool = msgspec.field(name="isBase64Encoded")


def encode_v2(
    request: Request, arrival: Arrival, route: RouteFacts, path: str, parameters: dict[str, str] | None
) -> tuple[bytes, str]:
    """The event, and the trace it belongs to. `path` is the decoded path, with the stage if that is named."""
    headers: dict[str, str] = {}
    cookies: list[str] | UnsetType = UNSET
    for raw_name, raw_value in request.headers:
        name = _lower(raw_name)
        value = raw_value.decode("latin-1")
        if name == "cookie":
            crumbs = [crumb for part in value.split(";") if (crumb := part.strip())]
            cookies = crumbs if cookies is UNSET else cookies + crumbs
        elif name not in HOP_BY_HOP:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    trace = _add_own(headers, request, arrival)
    host = headers.get("host", "")
    query: dict[str, str] | UnsetType = UNSET
    if request.query:
        query = {}
        for name, value in parse_query(request.query):
            query[name] = f"{query[name]},{value}" if name in query else value
    body: str | UnsetType = UNSET
    base64 = False
    if request.body:
        body, base64 = decode_body(request.body, headers.get("content-type"))
    event = _EventV2(
        "2.0",
        route.key,
        path,
        request.query,
        cookies,
        headers,
        query or UNSET,
        _ContextV2(
            route.account,
            route.api_id,
            host,
            domain_prefix(host, route.api_id),
            _Http(request.method, path, request.protocol, arrival.source_ip, headers.get("user-agent", "")),
            arrival.request_id,
            route.key,
            route.stage,
            arrival.time,
            arrival.epoch_ms,
        ),
        body,
        parameters or UNSET,
        base64,
    )
    return _encoder.encode(event), trace


def encode_v1(
    request: Request, arrival: Arrival, route: RouteFacts, path: str, parameters: dict[str, str] | None
) -> tuple[bytes, str]:
    """Format 1.0, which has every key always, `path` still encoded, and each header once more as a list."""
    many: dict[str, list[str]] = {}
    plain: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name = _lower(raw_name)
        if name not in HOP_BY_HOP:
            plain[name] = raw_value.decode("latin-1")
            spelling = spelled.setdefault(name, _CANONICAL.get(name) or raw_name.decode("latin-1"))
            many.setdefault(spelling, []).append(plain[name])
    trace = _add_own(plain, request, arrival)
    for name in ("content-length", "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"):
        many[_CANONICAL[name]] = [plain[name]]
    many = dict(sorted(many.items()))
    query: dict[str, list[str]] = {}
    for name, value in parse_query(request.query) if request.query else ():
        query.setdefault(name, []).append(value)
    body: str | None = None
    base64 = False
    if request.body:
        body, base64 = decode_body(request.body, plain.get("content-type"))
    host = plain.get("host", "")
    event = {
        "version": "1.0",
        "resource": route.resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in many.items()},
        "multiValueHeaders": many,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "accountId": route.account,
            "apiId": route.api_id,
            "authorizer": {"claims": None, "scopes": None},
            "domainName": host,
            "domainPrefix": domain_prefix(host, route.api_id),
            "extendedRequestId": arrival.request_id,
            "httpMethod": request.method,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAmr": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": arrival.source_ip,
                "user": None,
                "userAgent": plain.get("user-agent", ""),
                "userArn": None,
            },
            "path": path,
            "protocol": request.protocol,
            "requestId": arrival.request_id,
            "requestTime": arrival.time,
            "requestTimeEpoch": arrival.epoch_ms,
            "resourceId": route.key,
            "resourcePath": route.resource,
            "stage": route.stage,
        },
        "pathParameters": parameters,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": base64,
    }
    return _encoder.encode(event), trace


def _add_own(headers: dict[str, str], request: Request, arrival: Arrival) -> str:
    """Put in what API Gateway adds or overwrites, and return the trace."""
    forwarded = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{forwarded}, {arrival.source_ip}" if forwarded else arrival.source_ip
    headers["x-forwarded-port"] = arrival.port
    headers["x-forwarded-proto"] = "http"
    headers["content-length"] = str(len(request.body))
    trace = trace_id(headers.get("x-amzn-trace-id"), arrival)
    headers["x-amzn-trace-id"] = trace
    return trace


@lru_cache(maxsize=1024)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()
