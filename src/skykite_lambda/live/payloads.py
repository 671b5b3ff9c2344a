"""Payloads that are too large for events: put to and got from S3 by URLs that the dev session has signed.

In: a URL, bytes or how many to expect. Out: bytes. I/O: one request each. What was got is checked by who wants it.
"""

from __future__ import annotations

from typing import Mapping, Tuple

from .http import Origin, parse_url, request
from .network import Garbled, Network, Unreachable


class TransferFailed(Exception):  # noqa: N818
    """The payload did not get through."""


def upload(network: Network, url: str, headers: Mapping[str, str], payload: bytes, *, deadline: float) -> None:
    """`deadline` is of the clock's `elapsed`. Raises TransferFailed."""
    _transfer(network, "PUT", url, headers, payload, deadline, 64 * 1024)


def download(network: Network, url: str, size: int, *, deadline: float) -> bytes:
    """At most `size` bytes. `deadline` is of the clock's `elapsed`. Raises TransferFailed."""
    return _transfer(network, "GET", url, {}, b"", deadline, size)


def _transfer(
    network: Network, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float, limit: int
) -> bytes:
    origin, target = _checked(network, url)
    try:
        answer = request(
            network, method, origin, target, headers=headers, body=body, deadline=deadline, limit=max(limit, 4096)
        )
    except (Unreachable, Garbled, ValueError) as error:
        raise TransferFailed(f"`{origin.host}`: {error}") from error
    if answer.status // 100 != 2:
        said = answer.body[:300].decode("utf-8", "replace").partition("<Code>")[2].partition("</Code>")[0]
        raise TransferFailed(f"`{origin.host}` answers {answer.status} {said}".rstrip())
    return answer.body


def _checked(network: Network, url: str) -> Tuple[Origin, str]:
    try:
        origin, target = parse_url(url)
    except ValueError as error:
        raise TransferFailed("the URL for a payload is none") from error
    if not origin.tls and network.embedded is None:
        raise TransferFailed(f"the URL for a payload, of `{origin.host}`, is not https")
    return origin, target
