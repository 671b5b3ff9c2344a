"""Signatures as AWS wants them in the headers of a request, the same to the byte as botocore's.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
In: a request as it goes over the wire, credentials, the time. Out: its headers, signed. No I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .clock import Clock

# What proxies may change is left out of the signature, as botocore does.
_UNSIGNED = frozenset(
    (
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    )
)
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
_MOMENT, _DIGEST = "\0moment\0", "\0digest\0"  # no header may hold these
_SKEW_THAT_MATTERS_S = 60.0  # AWS takes signatures that are up to five minutes off


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: Optional[str]


class NoCredentials(Exception):  # noqa: N818
    """There is nothing to sign with."""


def credentials_from(environment: Mapping[str, str]) -> Credentials:
    """Those that Lambda gives a function. Raises NoCredentials."""
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        raise NoCredentials("the environment holds no `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`")
    return Credentials(access_key, secret_key, environment.get("AWS_SESSION_TOKEN") or None)


class Signer:
    """Signs for one region with the credentials of the moment, by the servers' clock if ours turns out to be wrong."""

    def __init__(self, region: str, credentials: Callable[[], Credentials], clock: Clock) -> None:
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self.offset = 0.0  # seconds that the servers' clock is ahead of ours
        self._keys: Dict[str, Tuple[str, str, bytes]] = {}  # by service: secret, day, signing key
        self._last: Optional[_Prepared] = None
        self._moment = 0, ""  # the last second, and how it is written

    def learn(self, server_time: Optional[float], offset: float) -> bool:
        """Take a server's word for what time it is. Whether a signature made with `offset` failed because of that."""
        if server_time is None:
            return False
        found = server_time - self._clock.time()
        if abs(found - offset) < _SKEW_THAT_MATTERS_S:
            return False
        self.offset = found
        return True

    def sign(
        self, service: str, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Dict[str, str]:
        """`headers` and those that make them a signed request.

        `target` is path and query as they are sent, percent-encoded where that is needed. Raises NoCredentials.
        """
        credentials = self._credentials()
        second, moment = self._moment
        now = int(self._clock.time() + self.offset)
        if now != second:
            moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._moment = now, moment
        digest = hashlib.sha256(body).hexdigest()
        given = (service, method, host, target, headers, credentials.token)
        prepared = self._last
        if prepared is None or prepared.given != given:  # what follows one another mostly differs in nothing but these
            prepared = self._last = _prepare(*given)
        signed = {**prepared.headers, "x-amz-date": moment}
        if service == "s3":
            signed["x-amz-content-sha256"] = digest
        request = prepared.request.replace(_MOMENT, moment).replace(_DIGEST, digest)
        scope = f"{moment[:8]}/{self._region}/{service}/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
        signature = _hmac(self._signing_key(credentials.secret_key, moment[:8], service), text).hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={prepared.listed}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret: str, day: str, service: str) -> bytes:
        cached = self._keys.get(service)
        if cached is not None and cached[:2] == (secret, day):
            return cached[2]
        key = f"AWS4{secret}".encode()
        for part in (day, self._region, service, "aws4_request"):
            key = _hmac(key, part)
        self._keys[service] = (secret, day, key)
        return key


class _Prepared(NamedTuple):
    """A request but for its moment and its body."""

    given: Tuple[str, str, str, str, Mapping[str, str], Optional[str]]
    headers: Dict[str, str]
    listed: str
    request: str  # in its canonical form, with `_MOMENT` and `_DIGEST` where they belong


def _prepare(
    service: str, method: str, host: str, target: str, headers: Mapping[str, str], token: Optional[str]
) -> _Prepared:
    kept = {"host": host}
    if token:
        kept["x-amz-security-token"] = token
    kept.update((name.lower(), value) for name, value in headers.items())
    signed = {**kept, "x-amz-date": _MOMENT}
    if service == "s3":
        signed["x-amz-content-sha256"] = _DIGEST
    names = sorted(name for name in signed if name not in _UNSIGNED)
    listed = ";".join(names)
    path, _, query = target.partition("?")
    request = "\n".join(
        (
            method,
            path if service == "s3" else _quoted(_normalized(path)),
            "&".join(f"{name}={value}" for name, value in sorted(_pairs(query))),
            *(f"{name}:{' '.join(signed[name].split())}" for name in names),
            "",
            listed,
            _DIGEST,
        )
    )
    return _Prepared((service, method, host, target, dict(headers), token), kept, listed, request)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _pairs(query: str) -> List[Tuple[str, str]]:
    parts = [pair.partition("=") for pair in query.split("&")] if query else []
    return [(name, value) for name, _, value in parts]


def _quoted(path: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in path.encode())


def _normalized(path: str) -> str:
    """Without empty and dotted segments."""
    kept: List[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
