"""The stage key, from the parameter store. In: its name. Out: 32 bytes. I/O: requests to SSM.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
"""

from __future__ import annotations

import base64
import json
import threading
from typing import Any, Tuple

from .clock import parse_http_date
from .cloud import Cloud
from .http import Origin, request
from .network import Garbled, Unreachable
from .pace import Backoff
from .sigv4 import NoCredentials

KEY_SIZE = 32
_LIMIT = 64 * 1024
_ATTEMPT_S = 5.0
_UNREACHED_S = 10.0  # after which a parameter store that cannot even be asked is given up
# What another attempt may mend: the parameter store takes 40 requests a second, a burst of cold starts makes more.
_PASSING = (
    "ThrottlingException",
    "TooManyUpdates",
    "InternalServerError",
    "ServiceUnavailable",
    "RequestLimitExceeded",
)


class NoKey(Exception):  # noqa: N818
    """The key could not be had; `missing` if there is none."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


def read_key(cloud: Cloud, *, deadline: float, cancelled: threading.Event) -> bytes:
    """`deadline` is of the clock's `elapsed`. Raises NoKey."""
    clock, signer, parameter = cloud.clock, cloud.signer, cloud.settings.key_parameter
    backoff = Backoff(0.2, 5.0, cloud.random)
    learned = False
    reached = clock.elapsed()
    while True:
        offset = signer.offset
        try:
            status, document, date = _ask(cloud, min(deadline, clock.elapsed() + _ATTEMPT_S))
        except (Unreachable, Garbled) as error:
            reason = str(error)
        except NoCredentials as error:
            raise NoKey(str(error)) from error
        else:
            reached = clock.elapsed()
            if status == 200:
                return _decoded(document, parameter)
            code = str(document.get("__type", "")).rpartition("#")[2]
            if code == "ParameterNotFound":
                raise NoKey(f"there is no parameter `{parameter}`", missing=True)
            if not learned and signer.learn(parse_http_date(date), offset):
                learned = True
                continue
            said = document.get("message") or document.get("Message") or ""
            reason = f"`{parameter}` cannot be read: {status} {code} {said}".rstrip()
            if status < 500 and status != 429 and code not in _PASSING:
                raise NoKey(reason)
        wait = backoff.next()
        if clock.elapsed() + wait >= min(deadline, reached + _UNREACHED_S) or cancelled.wait(wait):
            raise NoKey(reason)


def _ask(cloud: Cloud, deadline: float) -> Tuple[int, Any, str]:
    origin = Origin(cloud.settings.host_of("ssm"))
    body = json.dumps({"Name": cloud.settings.key_parameter, "WithDecryption": True}).encode()
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter"}
    signed = cloud.signer.sign("ssm", "POST", origin.host, "/", headers, body)
    answer = request(cloud.network, "POST", origin, "/", headers=signed, body=body, deadline=deadline, limit=_LIMIT)
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    return answer.status, document if isinstance(document, dict) else {}, answer.headers.get("date", "")


def _decoded(document: Any, name: str) -> bytes:
    try:
        key = base64.b64decode(document["Parameter"]["Value"], validate=True)
    except (KeyError, TypeError, ValueError):
        key = b""
    if len(key) != KEY_SIZE:
        raise NoKey(f"`{name}` holds no key")
    return key
