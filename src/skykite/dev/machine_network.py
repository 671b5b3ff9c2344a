"""What a function that runs on this machine has to know to get out of its network: the proxy, and whom TLS trusts.

In Lambda a function stands in AWS's network; here it stands behind what the developer stands behind. In: the
environment of `kite`. Out: variables. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NAMES: Final = frozenset(
    {"https_proxy", "no_proxy", "aws_ca_bundle", "ssl_cert_file", "requests_ca_bundle", "node_extra_ca_certs"}
)


def machine_network(host: Mapping[str, str]) -> dict[str, str]:
    """Those that are set, in the case they are set in. Not HTTP_PROXY: what AWS, and anybody else far away, is asked
    goes over TLS; what goes without is near."""
    return {name: value for name, value in host.items() if value and name.lower() in _NAMES}


def unless_set(variables: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """`variables` without those that a function has of its own, in whatever case."""
    known = {name.lower() for name in own}
    return {name: value for name, value in variables.items() if name.lower() not in known}
