"""What a function returned, as an HTTP response. Pure: JSON text in, a response out, or the reason why it is none.

Format 2.0: an object with `statusCode` is a response, anything else is the body of a 200. Format 1.0: only the former.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import binascii
import json
import re
from functools import lru_cache
from typing import Final, Literal, cast

import msgspec

_JSON: Final = [("content-type", "application/json")]
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN: Final = re.compile(r"[\x00\r\n]")
_OWN: Final = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that belong to the connection; the gateway sets them, whatever a function says."""


class HttpResponse(msgspec.Struct, frozen=True, gc=False):
    """Header names are lower-case and may repeat."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class MalformedResponseError(Exception):
    """Its text ends the sentence `the function returned …`."""


def message(status: int, text: str) -> HttpResponse:
    """What API Gateway itself says: `{"message":"Not Found"}`."""
    return HttpResponse(status, _JSON, msgspec.json.encode({"message": text}))


def interpret(payload: bytes, payload_format: Literal["1.0", "2.0"]) -> HttpResponse:
    """Raises MalformedResponseError where API Gateway answers 500 Internal Server Error."""
    try:
        value = _decode(payload)
    except (ValueError, RecursionError):
        if payload_format == "1.0":
            raise MalformedResponseError("something that is not JSON") from None
        return HttpResponse(200, _JSON, payload)
    if isinstance(value, dict) and "statusCode" in value:
        return _structured(cast(dict[str, object], value), payload_format)
    if payload_format == "1.0":
        raise MalformedResponseError("no `statusCode`, which payload format 1.0 requires")
    return HttpResponse(200, _JSON, _encode(value) if isinstance(value, str) else payload)


def _decode(payload: bytes) -> object:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Python's json writes what msgspec refuses to read: halves of surrogate pairs, and numbers past a float.
        return json.loads(payload, parse_constant=_refuse)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _structured(value: dict[str, object], payload_format: str) -> HttpResponse:
    status = _status(value["statusCode"])
    headers = _headers(value.get("headers"))
    if payload_format == "1.0":
        headers += _multi_value_headers(value.get("multiValueHeaders"))
    else:
        headers += _cookies(value.get("cookies"))
    body = _body(value.get("body"), value.get("isBase64Encoded"))
    if body and "content-type" not in [name for name, _ in headers]:
        headers.insert(0, ("content-type", "text/plain; charset=utf-8"))
    return HttpResponse(status, headers, body)


def _status(value: object) -> int:
    status = value
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedResponseError(f"`statusCode` {_shown(value)}, which is not a whole number from 200 to 599")
    return status


def _headers(value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise MalformedResponseError(f"`headers` {_shown(value)}, which is not an object")
    return [
        (checked, _header_value(name, item))
        for name, item in value.items()
        if item is not None and (checked := _header_name(name)) not in _OWN
    ]


def _multi_value_headers(value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise MalformedResponseError(f"`multiValueHeaders` {_shown(value)}, which is not an object")
    headers: list[tuple[str, str]] = []
    for name, items in value.items():
        if not isinstance(items, list):
            raise MalformedResponseError(f"`multiValueHeaders` with `{name}` {_shown(items)}, which is not a list")
        checked = _header_name(name)
        if checked not in _OWN:
            headers += [(checked, _header_value(name, item)) for item in items if item is not None]
    return headers


def _cookies(value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(cookie, str) for cookie in value):
        raise MalformedResponseError(f"`cookies` {_shown(value)}, which is not a list of strings")
    return [("set-cookie", _header_value("cookies", cookie)) for cookie in value]


@lru_cache(maxsize=1024)
def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise MalformedResponseError(f"a header named {_shown(name)}, which no header can be named")
    return name.lower()


def _header_value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise MalformedResponseError(f"`{name}` {_shown(value)} among its headers, which is not a string")
    if _FORBIDDEN.search(value):
        raise MalformedResponseError(f"`{name}` {_shown(value)} among its headers, which holds a line break")
    return value


def _body(value: object, base64: object) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise MalformedResponseError(f"`body` {_shown(value)}, which is not a string; try json.dumps(...)")
    if base64 is None or base64 is False:
        return _encode(value)
    if base64 is not True:
        raise MalformedResponseError(f"`isBase64Encoded` {_shown(base64)}, which is neither true nor false")
    try:
        return binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedResponseError(f"`isBase64Encoded` true with a `body` that is not base64: {error}") from error


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 80 else f'{text[:77]}...'}`"
