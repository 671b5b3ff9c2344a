"""The event a function gets. Expected values are what recorded events of real HTTP APIs hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.gateway import make_api
from skykite.gateway.api import Answer, Call, CompiledApi
from skykite.gateway.request import Arrival, Request, decode_path, format_time, parse_query, split_target
from skykite.model.manifest import RouteEntry
from skykite.model.names import FunctionId, RequestId

ID = RequestId("6a5145a9-1bae-49e2-912e-c92d5d9438a0")
ARRIVAL = Arrival(
    request_id=ID,
    time="23/Nov/2026:21:41:46 +0000",
    epoch_ms=1_795_470_106_789,
    source_ip="127.0.0.1",
    port="4000",
)


def make_request(
    method: str = "GET",
    target: bytes = b"/",
    headers: list[tuple[bytes, bytes]] | None = None,
    body: bytes = b"",
) -> Request:
    path, query = split_target(target) or ("", "")
    return Request(
        method=method,
        path=path,
        query=query,
        protocol="HTTP/1.1",
        headers=[(b"Host", b"127.0.0.1:4000"), *(headers or [])],
        body=body,
    )


def event_of(request: Request, *keys: str, stage: str = "$default", payload_format: Any = "2.0") -> dict[str, Any]:
    routes = [
        RouteEntry(key=key, function=FunctionId(key), payload_format=payload_format) for key in keys or ("$default",)
    ]
    call = CompiledApi(make_api(*routes, stage=stage)).decide(request, ARRIVAL)
    assert isinstance(call, Call), call
    assert call.invocation.request_id == ID
    event = json.loads(call.invocation.payload)
    assert isinstance(event, dict)
    return event


def test_format_2_has_every_field_of_a_recorded_event() -> None:
    request = make_request(
        "POST",
        b"/capture/space%20value?repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb"
        b"&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
        [
            (b"User-Agent", b"curl/8.7.1"),
            (b"Accept", b"*/*"),
            (b"Content-Type", b"application/json"),
            (b"X-Probe", b"first"),
            (b"X-Probe", b"second"),
            (b"Cookie", b"session=abc123; theme=dark"),
            (b"Connection", b"keep-alive"),
        ],
        '{"unicode":"lambda-λ"}'.encode(),
    )
    assert event_of(request, "POST /capture/{name}") == {
        "version": "2.0",
        "routeKey": "POST /capture/{name}",
        "rawPath": "/capture/space value",
        "rawQueryString": "repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb"
        "&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
        "cookies": ["session=abc123", "theme=dark"],
        "headers": {
            "accept": "*/*",
            "content-length": "23",
            "content-type": "application/json",
            "host": "127.0.0.1:4000",
            "user-agent": "curl/8.7.1",
            "x-amzn-trace-id": "Root=1-6b04b31a-6a5145a91bae49e2912ec92d",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "4000",
            "x-forwarded-proto": "http",
            "x-probe": "first,second",
        },
        "queryStringParameters": {
            "empty": "",
            "encodedPlus": "a+b",
            "literalPlus": "a b",
            "redirect": "https://example.com/a/b",
            "repeat": "one,two",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "127.0.0.1:4000",
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": "POST",
                "path": "/capture/space value",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl/8.7.1",
            },
            "requestId": ID,
            "routeKey": "POST /capture/{name}",
            "stage": "$default",
            "time": "23/Nov/2026:21:41:46 +0000",
            "timeEpoch": 1_795_470_106_789,
        },
        "body": '{"unicode":"lambda-λ"}',
        "pathParameters": {"name": "space value"},
        "isBase64Encoded": False,
    }


def test_format_2_leaves_out_what_is_not_there() -> None:
    event = event_of(make_request())
    assert sorted(event) == [
        "headers",
        "isBase64Encoded",
        "rawPath",
        "rawQueryString",
        "requestContext",
        "routeKey",
        "version",
    ]
    assert event["rawQueryString"] == ""
    assert event["isBase64Encoded"] is False
    assert event["headers"]["content-length"] == "0"
    assert event["requestContext"]["http"]["userAgent"] == ""


def test_format_1_has_every_field_always() -> None:
    request = make_request(
        "POST",
        b"/users/J%20D/orders?status=pending&tag=a&tag=b",
        [
            (b"user-agent", b"TestAgent"),
            (b"x-Custom", b"one"),
            (b"x-custom", b"two"),
            (b"cookie", b"session=abc123; theme=dark"),
        ],
    )
    event = event_of(request, "POST /users/{user}/orders", payload_format="1.0")
    assert event == {
        "version": "1.0",
        "resource": "/users/{user}/orders",
        "path": "/users/J%20D/orders",
        "httpMethod": "POST",
        "headers": {
            "Content-Length": "0",
            "Cookie": "session=abc123; theme=dark",
            "Host": "127.0.0.1:4000",
            "User-Agent": "TestAgent",
            "X-Amzn-Trace-Id": "Root=1-6b04b31a-6a5145a91bae49e2912ec92d",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "4000",
            "X-Forwarded-Proto": "http",
            "x-Custom": "two",
        },
        "multiValueHeaders": {
            "Content-Length": ["0"],
            "Cookie": ["session=abc123; theme=dark"],
            "Host": ["127.0.0.1:4000"],
            "User-Agent": ["TestAgent"],
            "X-Amzn-Trace-Id": ["Root=1-6b04b31a-6a5145a91bae49e2912ec92d"],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["4000"],
            "X-Forwarded-Proto": ["http"],
            "x-Custom": ["one", "two"],
        },
        "queryStringParameters": {"status": "pending", "tag": "b"},
        "multiValueQueryStringParameters": {"status": ["pending"], "tag": ["a", "b"]},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "authorizer": {"claims": None, "scopes": None},
            "domainName": "127.0.0.1:4000",
            "domainPrefix": "a1b2c3d4e5",
            "extendedRequestId": ID,
            "httpMethod": "POST",
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
                "sourceIp": "127.0.0.1",
                "user": None,
                "userAgent": "TestAgent",
                "userArn": None,
            },
            "path": "/users/J D/orders",
            "protocol": "HTTP/1.1",
            "requestId": ID,
            "requestTime": "23/Nov/2026:21:41:46 +0000",
            "requestTimeEpoch": 1_795_470_106_789,
            "resourceId": "POST /users/{user}/orders",
            "resourcePath": "/users/{user}/orders",
            "stage": "$default",
        },
        "pathParameters": {"user": "J D"},
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }


def test_format_1_gives_null_for_what_is_not_there() -> None:
    event = event_of(make_request(), payload_format="1.0")
    absent = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
    assert {name: event[name] for name in absent} == dict.fromkeys(absent)
    assert event["resource"] == "$default"


def test_a_named_stage_is_in_the_path_but_not_in_the_match() -> None:
    event = event_of(make_request(target=b"/dev/notes/1"), "GET /notes/{id}", stage="dev")
    assert event["rawPath"] == "/dev/notes/1"
    assert event["requestContext"]["http"]["path"] == "/dev/notes/1"
    assert event["requestContext"]["stage"] == "dev"
    assert event["pathParameters"] == {"id": "1"}


@pytest.mark.parametrize("target", [b"/notes", b"/devil/notes", b"/"])
def test_without_its_named_stage_nothing_is_found(target: bytes) -> None:
    answer = CompiledApi(make_api("$default", stage="dev")).decide(make_request(target=target), ARRIVAL)
    assert isinstance(answer, Answer)
    assert answer.response.status == 404


@pytest.mark.parametrize("target", [b"/dev", b"/dev/"])
def test_the_bare_stage_is_the_root(target: bytes) -> None:
    assert event_of(make_request(target=target), "GET /", stage="dev")["routeKey"] == "GET /"


@pytest.mark.parametrize(
    ("content_type", "body", "expected", "base64"),
    [
        ("application/json", b"{}", "{}", False),
        ("Application/JSON; charset=utf-8", b"{}", "{}", False),
        ("text/csv", b"a,b", "a,b", False),
        ("application/xml", b"<a/>", "<a/>", False),
        ("application/javascript", b"1", "1", False),
        ("application/x-www-form-urlencoded", b"a=1", "YT0x", True),
        ("multipart/form-data; boundary=x", b"--x--", "LS14LS0=", True),
        ("application/octet-stream", b"\x01\x02\x03\x04\x05", "AQIDBAU=", True),
        ("application/vnd.api+json", b"{}", "e30=", True),
        (None, b"hello", "aGVsbG8=", True),
        ("text/plain", b"\xff\xfe", "//4=", True),
        ("text/plain; charset=utf-8", "λ".encode(), "λ", False),
    ],
)
@pytest.mark.parametrize("payload_format", ["1.0", "2.0"])
def test_only_the_types_aws_takes_for_text_come_as_text(
    payload_format: str, content_type: str | None, body: bytes, expected: str, *, base64: bool
) -> None:
    headers = [(b"Content-Type", content_type.encode())] if content_type else []
    event = event_of(make_request("POST", b"/", headers, body), payload_format=payload_format)
    assert (event["body"], event["isBase64Encoded"]) == (expected, base64)


@pytest.mark.parametrize(
    ("target", "raw_path"),
    [
        (b"/a//b/", "/a//b/"),
        (b"/caf%C3%A9/%F0%9F%98%8A", "/café/😊"),
        (b"/a%2Fb", "/a/b"),
        (b"/a+b", "/a+b"),
        (b"/a%20b#part", "/a b"),
        (b"/users/me%3Fadmin=true", "/users/me"),
        (b"/100%", "/100%"),
        (b"/%ff", "/\ufffd"),
        (b"http://other.test/x?y=1", "/x"),
        (b"http://other.test", "/"),
        (b"http://other.test?y=1", "/"),
    ],
)
def test_raw_path_is_decoded_as_http_apis_do(target: bytes, raw_path: str) -> None:
    assert event_of(make_request(target=target))["rawPath"] == raw_path


@pytest.mark.parametrize("target", [b"*", b"example.com:443", b"ftp://x/y", b""])
def test_targets_without_a_path_are_none(target: bytes) -> None:
    assert split_target(target) is None


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("a", [("a", "")]),
        ("a=", [("a", "")]),
        ("=b", [("", "b")]),
        ("a=1=2", [("a", "1=2")]),
        ("a&&b", [("a", ""), ("b", "")]),
        ("a=%E2%98%95", [("a", "☕")]),
        ("na%20me=1", [("na me", "1")]),
        ("a=%zz", [("a", "%zz")]),
        ("a=%ff", [("a", "\ufffd")]),
        ("a;b=1", [("a;b", "1")]),
    ],
)
def test_queries_are_decoded(query: str, parameters: list[tuple[str, str]]) -> None:
    assert parse_query(query) == parameters


def test_a_query_of_separators_only_has_no_parameters() -> None:
    event = event_of(make_request(target=b"/?&"))
    assert event["rawQueryString"] == "&"
    assert "queryStringParameters" not in event


def test_forwarding_headers_are_continued_not_believed() -> None:
    sent = [
        (b"X-Forwarded-For", b"203.0.113.7"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Port", b"1"),
        (b"Content-Length", b"0"),
        (b"Transfer-Encoding", b"chunked"),
    ]
    headers = event_of(make_request(headers=sent))["headers"]
    assert headers["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == "4000"
    assert "transfer-encoding" not in headers


def test_a_trace_that_came_along_is_kept_and_nonsense_is_not() -> None:
    trace = b"Root=1-67fd88fd-72d8964e1fed2bce3edd5aac;Parent=53995c3f42cd8ad8;Sampled=1"
    assert event_of(make_request(headers=[(b"X-Amzn-Trace-Id", trace)]))["headers"]["x-amzn-trace-id"] == trace.decode()
    made_up = event_of(make_request(headers=[(b"X-Amzn-Trace-Id", b"hello")]))["headers"]["x-amzn-trace-id"]
    assert made_up == "Root=1-6b04b31a-6a5145a91bae49e2912ec92d"


def test_several_cookie_headers_make_one_list() -> None:
    sent = [(b"Cookie", b"a=1; b=2"), (b"cookie", b" c=3 ;;")]
    event = event_of(make_request(headers=sent))
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


def test_the_aws_name_of_the_api_is_its_domain() -> None:
    request = Request(
        method="GET",
        path="/",
        query="",
        protocol="HTTP/1.1",
        headers=[(b"Host", b"a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com")],
        body=b"",
    )
    context = event_of(request)["requestContext"]
    assert context["domainName"] == "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
    assert context["domainPrefix"] == "a1b2c3d4e5"


def test_an_event_past_lambdas_limit_is_answered_413_and_explained() -> None:
    request = make_request("PUT", b"/file", [(b"Content-Type", b"image/png")], bytes(5 * 1024 * 1024))
    answer = CompiledApi(make_api("PUT /file")).decide(request, ARRIVAL)
    assert isinstance(answer, Answer)
    assert answer.response.status == 413
    assert answer.response.body == b'{"message":"Request Entity Too Large"}'
    assert answer.notice is not None
    assert answer.notice.notice == "request-too-large"
    assert answer.notice.message.startswith("`PUT /file` makes an event of 6,99")


def test_time_is_written_in_english() -> None:
    assert format_time(1_795_470_106) == "23/Nov/2026:21:41:46 +0000"


def test_decoding_a_plain_path_changes_nothing() -> None:
    assert decode_path("/a?b") == "/a?b"
