"""CORS as HTTP APIs do it."""

from __future__ import annotations

import pytest

from kit.gateway import failed, make_api, succeeded
from skykite.gateway.api import Answer, Call, CompiledApi
from skykite.gateway.cors import CorsPolicy
from skykite.gateway.request import Arrival, Request
from skykite.model.manifest import Cors
from skykite.model.names import RequestId

ARRIVAL = Arrival(request_id=RequestId("id"), time="", epoch_ms=0, source_ip="127.0.0.1", port="1")
CORS = Cors(
    allow_credentials=True,
    allow_headers=("authorization", "content-type"),
    allow_methods=("GET", "POST"),
    allow_origins=("https://app.example.com", "http://localhost:3000"),
    expose_headers=("date", "x-count"),
    max_age_s=300,
)
ORIGIN = {b"Origin": b"https://app.example.com"}
PREFLIGHT = {**ORIGIN, b"Access-Control-Request-Method": b"POST"}
ACTUAL_HEADERS = [
    ("access-control-allow-origin", "https://app.example.com"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "date,x-count"),
]
PREFLIGHT_HEADERS = [
    ("access-control-allow-origin", "https://app.example.com"),
    ("access-control-allow-methods", "GET,POST"),
    ("access-control-allow-headers", "authorization,content-type"),
    ("access-control-max-age", "300"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "date,x-count"),
]


def make_request(method: str, headers: dict[bytes, bytes], path: str = "/notes") -> Request:
    sent = [(b"Host", b"localhost"), *headers.items()]
    return Request(method=method, path=path, query="", protocol="HTTP/1.1", headers=sent, body=b"")


def answer(request: Request, *keys: str, cors: Cors | None = CORS) -> Answer:
    decision = CompiledApi(make_api(*keys, cors=cors)).decide(request, ARRIVAL)
    assert isinstance(decision, Answer)
    return decision


def test_a_preflight_that_no_route_matches_is_answered_by_the_gateway() -> None:
    response = answer(make_request("OPTIONS", PREFLIGHT), "GET /notes").response
    assert (response.status, response.headers, response.body) == (204, PREFLIGHT_HEADERS, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        ORIGIN,
        {b"Access-Control-Request-Method": b"POST"},
        {**PREFLIGHT, b"Origin": b"https://evil.example.com"},
    ],
    ids=["neither", "no method", "no origin", "a strange origin"],
)
def test_options_without_an_allowed_preflight_get_no_cors_headers(headers: dict[bytes, bytes]) -> None:
    response = answer(make_request("OPTIONS", headers), "GET /notes").response
    assert (response.status, response.headers) == (204, [])


@pytest.mark.parametrize("key", ["OPTIONS /notes", "ANY /{proxy+}", "$default"])
def test_a_route_that_matches_options_gets_them_and_the_headers_are_added(key: str) -> None:
    api = CompiledApi(make_api("GET /notes", key, cors=CORS))
    request = make_request("OPTIONS", PREFLIGHT)
    call = api.decide(request, ARRIVAL)
    assert isinstance(call, Call)
    response = api.conclude(request, call, succeeded({"statusCode": 200})).response
    assert (response.status, response.headers) == (200, PREFLIGHT_HEADERS)


def test_without_cors_options_find_nothing() -> None:
    assert answer(make_request("OPTIONS", PREFLIGHT), "GET /notes", cors=None).response.status == 404


def test_the_functions_own_cors_headers_are_ignored() -> None:
    api = CompiledApi(make_api("GET /notes", cors=CORS))
    request = make_request("GET", ORIGIN)
    call = api.decide(request, ARRIVAL)
    assert isinstance(call, Call)
    returned = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "X-Count": "1"}}
    response = api.conclude(request, call, succeeded(returned)).response
    assert response.headers == [("x-count", "1"), *ACTUAL_HEADERS]


def test_without_cors_the_functions_headers_are_the_answer() -> None:
    api = CompiledApi(make_api("GET /notes"))
    request = make_request("GET", ORIGIN)
    call = api.decide(request, ARRIVAL)
    assert isinstance(call, Call)
    response = api.conclude(
        request, call, succeeded({"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}})
    ).response
    assert response.headers == [("access-control-allow-origin", "*")]


def test_errors_carry_the_headers_too_so_that_a_page_can_read_them() -> None:
    assert answer(make_request("GET", ORIGIN, "/nowhere"), "GET /notes").response.headers[1:] == ACTUAL_HEADERS
    api = CompiledApi(make_api("GET /notes", cors=CORS))
    request = make_request("GET", ORIGIN)
    call = api.decide(request, ARRIVAL)
    assert isinstance(call, Call)
    assert api.conclude(request, call, failed()).response.headers[1:] == ACTUAL_HEADERS


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        (("*",), "https://a.test", "*"),
        (("https://*",), "https://a.test", "https://a.test"),
        (("https://*",), "http://a.test", None),
        (("http://*",), "http://localhost:3000", "http://localhost:3000"),
        (("https://A.test",), "https://a.test", "https://a.test"),
        (("https://a.test",), "https://a.test:8443", None),
        (("https://a.test",), "https://a.test.evil", None),
        (("https://a.test",), "null", None),
        ((), "https://a.test", None),
        (("*",), None, None),
    ],
)
def test_origins_are_compared_whole(allowed: tuple[str, ...], origin: str | None, expected: str | None) -> None:
    headers = CorsPolicy(Cors(allow_origins=allowed)).headers(origin=origin, requested_method=None)
    assert dict(headers).get("access-control-allow-origin") == expected
