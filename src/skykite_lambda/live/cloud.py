"""AWS as one stub uses it: everything that a request needs, in one hand. No I/O of its own."""

from __future__ import annotations

from typing import Callable, NamedTuple

from .clock import Clock
from .network import Network
from .settings import Settings
from .sigv4 import Signer


class Cloud(NamedTuple):
    network: Network
    settings: Settings
    session: bytes  # the stub's own, 16 bytes, which names its reply channel
    signer: Signer
    clock: Clock
    random: Callable[[int], bytes]
