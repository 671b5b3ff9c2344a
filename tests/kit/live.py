"""What the stub's tests share: a clock that can be pushed, and its parts as a container would make them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from skykite_lambda.live.clock import Clock
from skykite_lambda.live.cloud import Cloud
from skykite_lambda.live.events import Line, open_line
from skykite_lambda.live.network import Network
from skykite_lambda.live.settings import settings_from
from skykite_lambda.live.sigv4 import Signer, credentials_from

SESSION = bytes.fromhex("5e" * 16)


class PushedClock(Clock):
    """Real time, and what it is ahead by: a container that was frozen sees one of the two jump, or both."""

    def __init__(self) -> None:
        self.monotonic_ahead = 0.0
        self.time_ahead = 0.0
        super().__init__()

    def monotonic(self) -> float:
        return time.monotonic() + self.monotonic_ahead

    def time(self) -> float:
        return time.time() + self.time_ahead


def make_cloud(environment: Mapping[str, str], clock: Clock, session: bytes = SESSION) -> Cloud:
    """`environment` may change afterwards: it is read at every signature."""
    settings = settings_from(environment)
    signer = Signer(settings.region, lambda: credentials_from(environment), clock)
    return Cloud(Network(environment, clock), settings, session, signer, clock, os.urandom)


def open_soon(cloud: Cloud, within: float = 10.0) -> Line:
    return open_line(cloud, deadline=cloud.clock.elapsed() + within, cancelled=threading.Event())


def step_until(line: Line, wanted: Callable[[], object], *, within: float = 10.0) -> list[bytes]:
    """Drive the line as its owner would, until something is so. Returns the datagrams that came."""
    from select import select

    datagrams: list[bytes] = []
    give_up = time.monotonic() + within
    while True:
        datagrams += line.step()
        if wanted():
            return datagrams
        assert time.monotonic() < give_up, f"it never came to that: {line.lost}, {len(datagrams)} datagrams"
        if line.lost is None:
            select([line], [], [], 0.02)
