"""What is said on an AppSync Events connection: messages to send, signed, and messages received, parsed. No I/O.

https://docs.aws.amazon.com/appsync/latest/eventapi/event-api-websocket-protocol.html

Whatever is done, the signature is of a POST to the API's HTTP host with the operation as its body. For messages on a
WebSocket the service makes that body anew from what it has parsed, in an encoding of its own that escapes some
characters (aws-appsync-community#400): datagrams travel in letters that no encoding escapes.
"""

from __future__ import annotations

import base64
import binascii
import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from .sigv4 import Signer

SUBPROTOCOL = "aws-appsync-event-ws"
REALTIME_PATH = "/event/realtime"
HTTP_PATH = "/event"
EVENTS_AT_ONCE = 5
EVENT_LIMIT = 240 * 1024  # bytes of one event
PUBLISH_LIMIT = 1_200_000  # bytes of one publish
HEADERS = {
    "accept": "application/json, text/javascript",
    "content-encoding": "amz-1.0",
    "content-type": "application/json; charset=UTF-8",
}
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # as `raw_decode` calls it
_LONGEST_TIMEOUT_MS = 86_400_000
_DENIED = ("unauthorized", "not authorized", "denied", "forbidden", "signature", "expired", "security token")
_THROTTLED = ("throttl", "toomany", "too many", "limitexceeded", "limit exceeded", "rate exceeded")


class Acknowledged(NamedTuple):
    """The connection may be used; silence for longer than this means that it is dead."""

    timeout_s: float


class KeepAlive(NamedTuple):
    """It lives."""


class Subscribed(NamedTuple):
    id: str


class Data(NamedTuple):
    """Events of a subscription, as texts."""

    id: str
    events: List[str]


class Published(NamedTuple):
    """`failed` holds the places of those events that were not taken."""

    id: str
    failed: List[int]


class Problem(NamedTuple):
    """Something was refused; `kind` is the message's type, `id` that of the operation."""

    kind: str
    id: str
    text: str
    denied: bool  # for want of permission, or of a valid signature
    throttled: bool


Message = Union[Acknowledged, KeepAlive, Subscribed, Data, Published, Problem]


def event_of(datagram: bytes) -> str:
    """A datagram as the text of an event: a JSON string."""
    return '"' + binascii.b2a_base64(datagram, newline=False).translate(_URL_SAFE).rstrip(b"=").decode() + '"'


def datagram_of(event: str) -> Optional[bytes]:
    """The datagram in an event's text; None if there is none."""
    if len(event) < 2 or event[0] != '"' or event[-1] != '"':
        return None
    text = event[1:-1].translate({45: 43, 95: 47}).rstrip("=")  # the other alphabet serves as well
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None


# JSON is put together by hand where every message of the bridge passes: what a function does that nobody has called for
# a tenth of a second takes several times as long, since nothing of it is in the processor's caches any more.


def compact(texts: Mapping[str, str]) -> str:
    """An object of texts as JSON without spaces, as it is signed."""
    return "{" + ",".join([f"{quoted(name)}:{quoted(text)}" for name, text in texts.items()]) + "}"


def publish_body(channel: str, events: Sequence[str]) -> str:
    """What is signed and, over HTTP, sent."""
    return f'{{"channel":{quoted(channel)},"events":[{",".join(map(quoted, events))}]}}'


def authorization(signer: Signer, host: str, body: str) -> Dict[str, str]:
    """The headers of the signed request. Raises NoCredentials."""
    signed = signer.sign("appsync", "POST", host, HTTP_PATH, HEADERS, body.encode())
    signed["Authorization"] = signed.pop("authorization")
    return signed


def subprotocols(signer: Signer, host: str) -> List[str]:
    """What to offer in the handshake. Raises NoCredentials."""
    headers = compact(authorization(signer, host, "{}"))
    return [SUBPROTOCOL, "header-" + base64.urlsafe_b64encode(headers.encode()).rstrip(b"=").decode()]


def connection_init() -> str:
    return '{"type":"connection_init"}'


def subscribe(signer: Signer, host: str, id: str, channel: str) -> str:
    return _operation(signer, host, "subscribe", id, compact({"channel": channel}))


def publish(signer: Signer, host: str, id: str, channel: str, events: Sequence[str]) -> str:
    return _operation(signer, host, "publish", id, publish_body(channel, events))


def _operation(signer: Signer, host: str, kind: str, id: str, body: str) -> str:
    signed = compact(authorization(signer, host, body))
    return f'{{"type":"{kind}","id":{quoted(id)},{body[1:-1]},"authorization":{signed}}}'


def parse(text: str) -> Optional[Message]:
    """None for what is of no interest, or no message at all."""
    text = text.strip(" \t\n\r")
    try:
        message, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or end != len(text):
        return None
    kind, given = message.get("type"), message.get("id")
    operation = given if isinstance(given, str) else ""
    if kind == "data":
        event = message.get("event")
        # Documented as an array, seen as a string.
        events = [event] if isinstance(event, str) else event if isinstance(event, list) else []
        return Data(operation, [one for one in events if isinstance(one, str)])
    if kind == "publish_success":
        return Published(operation, _places(message.get("failed")))
    if kind == "ka":
        return KeepAlive()
    if kind == "subscribe_success":
        return Subscribed(operation)
    if kind == "connection_ack":
        timeout = message.get("connectionTimeoutMs")
        if isinstance(timeout, (int, float)) and timeout is not True and 0 < timeout <= _LONGEST_TIMEOUT_MS:
            return Acknowledged(timeout / 1000)
        return Acknowledged(300.0)
    if isinstance(kind, str) and (kind == "error" or kind.endswith("_error")):
        return _problem(kind, operation, message.get("errors"))
    return None


def _places(failed: Any) -> List[int]:
    found = [one.get("index") for one in failed if isinstance(one, dict)] if isinstance(failed, list) else []
    return [place for place in found if isinstance(place, int) and place >= 0]


def _problem(kind: str, id: str, errors: Any) -> Problem:
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    name, said, code = first.get("errorType"), first.get("message"), first.get("errorCode")
    parts = [part for part in (str(name).rpartition("#")[2] if name else "", str(said) if said else "") if part]
    # An error of a signature brings what should have been signed along, over many lines.
    text = ": ".join(parts).partition("\n")[0][:300] or kind
    lowered = text.lower()
    return Problem(
        kind,
        id,
        text,
        code in (401, 403) or any(word in lowered for word in _DENIED),
        code == 429 or any(word in lowered for word in _THROTTLED),
    )
