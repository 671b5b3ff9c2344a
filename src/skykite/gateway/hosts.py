"""Which `Host` headers an API on loopback answers to. Pure.

A page on the internet can make a browser send requests to 127.0.0.1 under a name of its own (DNS rebinding). Such a
request carries that name in `Host`, so only names that cannot be made to point here by somebody else are accepted.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache


def is_allowed(host: str, api_id: str) -> bool:
    """Whether `Host: {host}` means this machine, or the API by its AWS name."""
    name = host_name(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    labels = name.split(".")
    if labels[:2] == [api_id.lower(), "execute-api"] and labels[3:] in (
        ["amazonaws", "com"],
        ["amazonaws", "com", "cn"],
    ):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """Without the port, lower-case. An IPv6 address keeps its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        address, bracket, _ = host.partition("]")
        return address + bracket if bracket else ""
    return host.partition(":")[0].removesuffix(".")


@lru_cache(maxsize=64)
def domain_prefix(host: str, api_id: str) -> str:
    """`requestContext.domainPrefix`: the first label of a name, the API's id where there is no name of its own."""
    first, dot, _ = host_name(host).partition(".")
    return first if dot and not first.isdigit() else api_id
