"""What a function returned, as API Gateway reads it. `recorded` expectations come from recordings of real HTTP APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skykite.gateway.response import HttpResponse, MalformedResponseError, interpret

JSON = [("content-type", "application/json")]
TEXT = ("content-type", "text/plain; charset=utf-8")


def read(value: Any, payload_format: Any = "2.0") -> HttpResponse:
    return interpret(value if isinstance(value, bytes) else json.dumps(value).encode(), payload_format)


@pytest.mark.parametrize(
    ("payload", "body"),
    [  # recorded
        (b'{"name": "John Doe", "age": 30}', b'{"name": "John Doe", "age": 30}'),
        (b"[1, 2, 3, 4, 5]", b"[1, 2, 3, 4, 5]"),
        (b"42", b"42"),
        (b"true", b"true"),
        (b'"test"', b"test"),
        (b'"Special \\"quoted\\" text"', b'Special "quoted" text'),
        (b'""', b""),
        (b'{"name": "John Doe", "age":', b'{"name": "John Doe", "age":'),
        (b"Hello, World!", b"Hello, World!"),
        # by the documented rule
        (b"null", b"null"),
        (b'{"body": "x", "headers": {}}', b'{"body": "x", "headers": {}}'),
        (b'"\xce\xbb"', "λ".encode()),
        (b'"\\ud83d\\ude0a"', "😊".encode()),
        (b'"\\ud83d"', b"?"),
        (b'{"a": 1e999}', b'{"a": 1e999}'),
        (b'{"a": NaN}', b'{"a": NaN}'),
        (b"[" * 100_000 + b"]" * 100_000, b"[" * 100_000 + b"]" * 100_000),
    ],
)
def test_a_bare_value_is_the_body_of_a_json_200(payload: bytes, body: bytes) -> None:
    assert read(payload) == HttpResponse(200, JSON, body)


def test_status_headers_cookies_and_body_are_taken_over() -> None:
    value = {
        "statusCode": 201,
        "headers": {"Location": "/notes/1", "X-Count": 3, "X-Ok": True, "X-None": None, "content-type": "a/b"},
        "cookies": ["a=1; HttpOnly", "b=2"],
        "body": "é",
    }
    assert read(value) == HttpResponse(
        201,
        [
            ("location", "/notes/1"),
            ("x-count", "3"),
            ("x-ok", "true"),
            ("content-type", "a/b"),
            ("set-cookie", "a=1; HttpOnly"),
            ("set-cookie", "b=2"),
        ],
        "é".encode(),
    )


def test_a_body_without_a_type_is_plain_text() -> None:  # recorded
    assert read({"statusCode": 201, "body": '{"a":1}'}) == HttpResponse(201, [TEXT], b'{"a":1}')


def test_no_body_needs_no_type() -> None:
    assert read({"statusCode": 204}) == HttpResponse(204, [], b"")


def test_base64_bodies_are_decoded() -> None:
    value = {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": "iVBORw==", "isBase64Encoded": True}
    assert read(value) == HttpResponse(200, [("content-type", "image/png")], b"\x89PNG")


def test_a_status_in_text_counts() -> None:
    assert read({"statusCode": "404"}).status == 404


def test_headers_of_the_connection_are_the_gateways() -> None:
    headers = {"Connection": "close", "Content-Length": "99", "Transfer-Encoding": "chunked", "Keep": "1"}
    assert read({"statusCode": 200, "headers": headers}).headers == [("keep", "1")]


def test_format_2_knows_no_multi_value_headers() -> None:
    assert read({"statusCode": 200, "multiValueHeaders": {"a": ["1"]}}).headers == []


def test_format_1_joins_single_and_multi_value_headers() -> None:  # recorded
    value = {
        "statusCode": 200,
        "headers": {"Combined": "single", "Content-Type": "application/json"},
        "multiValueHeaders": {"Combined": ["multi1", "multi2"], "Set-Cookie": ["a=1", "b=2"], "Connection": ["close"]},
        "body": "{}",
    }
    assert read(value, "1.0") == HttpResponse(
        200,
        [
            ("combined", "single"),
            ("content-type", "application/json"),
            ("combined", "multi1"),
            ("combined", "multi2"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ],
        b"{}",
    )


LONG = "x" * 100


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            {"statusCode": 0},  # recorded
            "`statusCode` `0`, which is not a whole number from 200 to 599",
        ),
        (
            {"statusCode": 200.5},  # recorded
            "`statusCode` `200.5`, which is not a whole number from 200 to 599",
        ),
        ({"statusCode": None}, "`statusCode` `null`, which is not a whole number from 200 to 599"),
        ({"statusCode": True}, "`statusCode` `true`, which is not a whole number from 200 to 599"),
        ({"statusCode": "ok"}, '`statusCode` `"ok"`, which is not a whole number from 200 to 599'),
        ({"statusCode": 101}, "`statusCode` `101`, which is not a whole number from 200 to 599"),
        ({"statusCode": 200, "headers": ["a"]}, '`headers` `["a"]`, which is not an object'),
        (
            {"statusCode": 200, "headers": {"a": ["b"]}},
            '`a` `["b"]` among its headers, which is not a string',
        ),
        (
            {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
            '`a` `"b\\r\\nc: d"` among its headers, which holds a line break',
        ),
        ({"statusCode": 200, "headers": {"a b": "c"}}, 'a header named `"a b"`, which no header can be named'),
        ({"statusCode": 200, "cookies": "a=1"}, '`cookies` `"a=1"`, which is not a list of strings'),
        (
            {"statusCode": 200, "body": {"a": LONG}},
            f'`body` `{{"a": "{"x" * 70}...`, which is not a string; try json.dumps(...)',
        ),
        (
            {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
            "`isBase64Encoded` true with a `body` that is not base64: Only base64 data is allowed",
        ),
        (
            {"statusCode": 200, "body": "x", "isBase64Encoded": "yes"},
            '`isBase64Encoded` `"yes"`, which is neither true nor false',
        ),
    ],
)
def test_what_api_gateway_cannot_use_is_named(value: Any, reason: str) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        read(value)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'"Hello"', "no `statusCode`, which payload format 1.0 requires"),
        (b"null", "no `statusCode`, which payload format 1.0 requires"),
        (b"Not a valid proxy response object", "something that is not JSON"),  # recorded
        (
            b'{"statusCode": 200, "multiValueHeaders": {"a": "b"}}',
            '`multiValueHeaders` with `a` `"b"`, which is not a list',
        ),
        (b'{"statusCode": 200, "multiValueHeaders": 1}', "`multiValueHeaders` `1`, which is not an object"),
    ],
)
def test_format_1_takes_nothing_but_a_response(payload: bytes, reason: str) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        read(payload, "1.0")
    assert str(caught.value) == reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    value=st.fixed_dictionaries(
        {},
        optional={
            "statusCode": json_values | st.integers(200, 599),
            "headers": json_values | st.dictionaries(st.text(max_size=8), st.text()),
            "multiValueHeaders": json_values,
            "cookies": json_values,
            "body": json_values,
            "isBase64Encoded": json_values,
        },
    ),
    payload_format=st.sampled_from(["1.0", "2.0"]),
)
def test_whatever_is_returned_is_a_sound_response_or_named(value: Any, payload_format: Any) -> None:
    try:
        response = read(value, payload_format)
    except MalformedResponseError:
        return
    assert 200 <= response.status <= 599
    for name, text in response.headers:
        assert name == name.lower()
        assert not set(text) & set("\r\n\0")


@settings(deadline=None)
@given(payload=st.binary())
def test_no_bytes_break_it(payload: bytes) -> None:
    read(payload)
