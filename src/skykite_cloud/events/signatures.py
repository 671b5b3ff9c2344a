"""Signature version 4 of requests to an Event API, verified. Pure: the time comes in.

AppSync signs all four operations as one request, `POST https://<HTTP host>/event`: what is published or subscribed to
over a WebSocket as well as what comes over HTTP. The signed body is `{}` to connect, and the channel, with the events
if there are any, as compact JSON. Only the headers the signature names count.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring

from skykite_cloud.events.limits import CLOCK_SKEW_S
from skykite_cloud.events.refusals import Refusal, bad_request, unauthorized

ALGORITHM = "AWS4-HMAC-SHA256"
CONNECT_BODY = b"{}"
_SERVICE = "appsync"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as it came, its scope and its time already found right."""

    access_key_id: str
    token: str
    date: str
    region: str
    signed_headers: tuple[str, ...]
    amz_date: str
    value: str


def subscribe_body(channel: str) -> bytes:
    return f'{{"channel":{to_json(channel)}}}'.encode()


def publish_body(channel: str, events: list[str]) -> bytes:
    """`events` already as JSON literals, which is how their subscribers get them too."""
    return f'{{"channel":{to_json(channel)},"events":[{",".join(events)}]}}'.encode()


def to_json(text: str) -> str:
    """As JavaScript's JSON.stringify writes it, which AppSync signs."""
    return encode_basestring(text)


def parse_signature(headers: Mapping[str, str], *, host: str, region: str, now: float) -> Signature | Refusal:
    """`headers` by lower-case name. `host` and `region` are those of the API, `now` is seconds since 1970."""
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    fields = {name.strip(): value.strip() for name, _, value in (field.partition("=") for field in rest.split(","))}
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            return _malformed(f"Authorization header requires '{name}' parameter.")
    scope = fields["Credential"].split("/")
    if algorithm != ALGORITHM or len(scope) != 5:
        return _malformed(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        )
    key, date, scope_region, service, terminator = scope
    amz_date = headers.get("x-amz-date", "")
    signed = tuple(fields["SignedHeaders"].split(";"))
    wrong = _wrong_scope(scope_region, service, terminator, region) or _wrong_time(date, amz_date, now)
    if wrong is not None:
        return bad_request(wrong, status=403)
    if "host" not in signed or "x-amz-date" not in signed:
        return bad_request("'Host' and 'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.", status=403)
    if headers.get("host", "").lower() != host:
        return unauthorized(f"signed for the host `{headers.get('host', '')}` instead of `{host}`")
    return Signature(
        access_key_id=key,
        token=headers.get("x-amz-security-token", ""),
        date=date,
        region=scope_region,
        signed_headers=signed,
        amz_date=amz_date,
        value=fields["Signature"],
    )


def check_signature(signature: Signature, secret: str, headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Whether the owner of `secret` signed this body and these headers."""
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signature.signed_headers)
    canonical = f"POST\n/event\n\n{lines}\n{';'.join(signature.signed_headers)}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = (
        f"{ALGORITHM}\n{signature.amz_date}\n{signature.date}/{signature.region}/{_SERVICE}/aws4_request\n"
        f"{hashlib.sha256(canonical.encode()).hexdigest()}"
    )
    key = _signing_key(secret, signature.date, signature.region)
    if hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex().encode(), signature.value.encode()):
        return None
    explained = (
        f"{_MISMATCH}\n\nThe Canonical String for this request should have been\n'{canonical}'"
        f"\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
    )
    return bad_request(explained, status=403)


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _malformed(message: str) -> Refusal:
    return Refusal(403, "IncompleteSignatureException", message)


def _is_moment(text: str) -> bool:
    """As in 20260101T120000Z."""
    digits = text[:8] + text[9:15]
    return len(text) == 16 and text[8] == "T" and text[15] == "Z" and digits.isascii() and digits.isdigit()


def _wrong_scope(region: str, service: str, terminator: str, expected_region: str) -> str | None:
    if region != expected_region:
        return f"Credential should be scoped to a valid region, not '{region}'. "
    if service != _SERVICE:
        return f"Credential should be scoped to correct service: '{_SERVICE}'. "
    if terminator != "aws4_request":
        return f"Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
    return None


def _wrong_time(date: str, amz_date: str, now: float) -> str | None:
    if not _is_moment(amz_date):
        return "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601"
    if amz_date[:8] != date:
        return "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP. "
    try:
        signed_at = _seconds(amz_date)
    except ValueError:  # the thirteenth month
        return "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601"
    if signed_at < now - CLOCK_SKEW_S:
        limit = f"{_stamp(now - CLOCK_SKEW_S)} ({_stamp(now)} - {CLOCK_SKEW_S // 60} min.)"
        return f"Signature expired: {amz_date} is now earlier than {limit}"
    if signed_at > now + CLOCK_SKEW_S:
        limit = f"{_stamp(now + CLOCK_SKEW_S)} ({_stamp(now)} + {CLOCK_SKEW_S // 60} min.)"
        return f"Signature not yet current: {amz_date} is still later than {limit}"
    return None


@lru_cache(maxsize=64)
def _seconds(amz_date: str) -> int:
    date, clock = amz_date[:8], amz_date[9:15]
    parts = (int(date[:4]), int(date[4:6]), int(date[6:]), int(clock[:2]), int(clock[2:4]), int(clock[4:]))
    return calendar.timegm((*parts, 0, 0, 0))


def _stamp(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
