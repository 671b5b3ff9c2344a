"""Whether a `kite dev` is connected to the stage: its lease, an object that it writes again and again.

Alive is judged by the server's clock alone: how long before its answer the object was written.
In: where the lease is. Out: what it says. I/O: one request to S3 (two if our clock is wrong).
"""

from __future__ import annotations

import json
from typing import NamedTuple, Optional

from .clock import parse_http_date
from .cloud import Cloud
from .http import Origin, Response, request
from .network import Garbled, Unreachable
from .sigv4 import NoCredentials

_LIMIT = 64 * 1024
# Without the right to list a bucket, S3 says "denied" of what is not there.
_NOBODY_YET = ("NoSuchKey", "NoSuchBucket", "AccessDenied")


class Lease(NamedTuple):
    """`alive` is None if it could not be found out; `why` then says so, and else why it is dead. `written` is when, by
    the server's clock, to the second."""

    alive: Optional[bool]
    why: str = ""
    who: str = ""
    epoch: int = 0
    written: float = 0.0


def read_lease(cloud: Cloud, *, deadline: float) -> Lease:
    """Never raises for what is outside. `deadline` is of the clock's `elapsed`."""
    offset = cloud.signer.offset
    try:
        answer = _get(cloud, deadline)
        if answer.status == 403 and cloud.signer.learn(parse_http_date(answer.headers.get("date")), offset):
            answer = _get(cloud, deadline)
    except (Unreachable, Garbled, NoCredentials) as error:
        return Lease(None, f"the lease cannot be read: {error}")
    return judge(answer)


def judge(answer: Response) -> Lease:
    """What an answer of S3 means."""
    if answer.status in (403, 404):
        code = _error_code(answer.body)
        # An answer to a signature that is refused says nothing of the lease.
        if answer.status == 404 or code in _NOBODY_YET:
            return Lease(False, "nobody ever was")
        return Lease(None, f"the lease cannot be read: {answer.status} {code}".rstrip())
    if answer.status != 200:
        return Lease(None, f"the lease cannot be read: {answer.status} {_error_code(answer.body)}".rstrip())
    now, written = (parse_http_date(answer.headers.get(name)) for name in ("date", "last-modified"))
    try:
        document = json.loads(answer.body)
        is_open, ttl_s = document["open"] is True, float(document["ttl_s"])
        who, epoch = str(document.get("who", "")), int(document.get("epoch", 0))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Lease(None, "the lease cannot be read: it is no JSON of ours")
    if not 0 <= ttl_s < float("inf"):  # which is true of no NaN
        return Lease(None, "the lease cannot be read: it would last for ever")
    if now is None or written is None:
        return Lease(None, "the lease cannot be read: the answer has no dates")
    if not is_open:
        return Lease(False, "it ended", who, epoch)
    if now - written > ttl_s:
        return Lease(False, f"nothing was heard of it for {now - written:.0f} s", who, epoch)
    return Lease(True, "", who, epoch, written)


def _get(cloud: Cloud, deadline: float) -> Response:
    origin = Origin(cloud.settings.host_of("s3"))
    target = f"/{cloud.settings.lease_bucket}/{cloud.settings.lease_key}"
    signed = cloud.signer.sign("s3", "GET", origin.host, target, {}, b"")
    return request(cloud.network, "GET", origin, target, headers=signed, deadline=deadline, limit=_LIMIT)


def _error_code(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    return text.partition("<Code>")[2].partition("</Code>")[0][:64]
