"""One HTTP request as it came off the wire, and what is read out of it more than once. Pure."""

from __future__ import annotations

import re
from binascii import b2a_base64
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from skykite.model.names import RequestId

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TRACE_ROOT: Final = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;|$)")

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that end at the gateway: they speak of the connection, not of the request."""


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`headers` are as sent, names untouched. `path` and `query` are as sent too: still percent-encoded."""

    method: str
    path: str
    query: str
    protocol: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str | None:
        """The first header of that (lower-case) name."""
        for found, value in self.headers:
            if len(found) == len(name) and found.lower() == name:
                return value.decode("latin-1")
        return None


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the gateway itself knows of a request: when it came, from where, under which id."""

    request_id: RequestId
    time: str  # `23/Nov/2026:21:41:46 +0000`
    epoch_ms: int
    source_ip: str
    port: str  # the port it came in on


def split_target(target: bytes) -> tuple[str, str] | None:
    """A request line's target as path and query, or `None` if it is neither `/path` nor `http://host/path`."""
    text = target.decode("utf-8", "replace")
    if not text.startswith("/"):
        scheme, separator, rest = text.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            return None
        slash = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        text = rest[slash:] if rest[slash : slash + 1] == "/" else f"/{rest[slash:]}"
    path, _, query = text.partition("#")[0].partition("?")
    return path, query


def decode_path(path: str) -> str:
    """The path as HTTP APIs route it and hand it out.

    They decode it before anything else looks at it, and then cut it at a `?` that came out of the decoding.
    """
    if "%" not in path:
        return path
    return unquote(path, errors="replace").partition("?")[0]


def decode_body(body: bytes, content_type: str | None) -> tuple[str, bool]:
    """The body for an event, and whether it is in base64.

    AWS keeps a short list of types it hands over as text; forms and a missing type are not on it. Text that is not
    UTF-8 could not be handed over undamaged, so it goes as base64 as well.
    """
    if is_text(content_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return b2a_base64(body, newline=False).decode("ascii"), True


@lru_cache(maxsize=256)
def is_text(content_type: str | None) -> bool:
    """Whether HTTP APIs hand a body of this type to a function as text."""
    essence = (content_type or "").partition(";")[0].strip().lower()
    return essence.startswith("text/") or essence in (
        "application/json",
        "application/javascript",
        "application/xml",
    )


def parse_query(query: str) -> list[tuple[str, str]]:
    """Names and values, decoded, in order. `a` and `a=` both have an empty value; a `+` is a space."""
    return [
        (_unquote_plus(name), _unquote_plus(value))
        for name, _, value in (part.partition("=") for part in query.split("&") if part)
    ]


@lru_cache(maxsize=4)
def format_time(second: int) -> str:
    """Seconds since 1970 in the common log format, which names months in English wherever one lives."""
    when = datetime.fromtimestamp(second, UTC)
    return f"{when.day:02}/{_MONTHS[when.month - 1]}/{when.year}:{when.hour:02}:{when.minute:02}:{when.second:02} +0000"


def trace_id(sent: str | None, arrival: Arrival) -> str:
    """The X-Ray trace a request belongs to: the sender's if it has one, else one of its own."""
    if sent is not None and _TRACE_ROOT.search(sent):
        return sent
    return f"Root=1-{arrival.epoch_ms // 1000:08x}-{arrival.request_id.replace('-', '')[:24]}"


def _unquote_plus(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote_to_bytes(text).decode("utf-8", "replace") if "%" in text else text
