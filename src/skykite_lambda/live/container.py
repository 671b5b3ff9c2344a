"""What a container keeps between invocations: its line, the stage key, what it last knew of the lease.

All three are fetched in threads, so that they overlap with each other and with the container's start. Nothing here
fails for what is outside: `failure` says what is wrong, and the next invocation tries again.
In: which of them are needed. Out: datagrams that came. I/O: through `events`, `key`, `lease`, `errands`.
"""

from __future__ import annotations

import select
import threading
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple, Union

from .clock import Clock
from .cloud import Cloud
from .errands import Errands, Finished
from .events import Event, Line, NoLine, open_line
from .key import read_key
from .lease import Lease, read_lease
from .network import Network
from .pace import Backoff
from .settings import Settings
from .sigv4 import Signer, credentials_from

LINE, KEY, LEASE = "line", "key", "lease"

_LINE_WITHIN_S = 10.0
_KEY_WITHIN_S = 30.0  # the parameter store may be busy with a thousand cold starts
_LEASE_WITHIN_S = 5.0
_LOOK_EVERY_S = 2.0
_FROZEN_S = 5.0
_FRESH_S = 5.0  # so long a failure or a lease needs no other look
_USELESS_LINES = 3  # in a row, lost for want of permission before anything was accepted on them
_MOST_UNSENT = 64


class Failure(NamedTuple):
    error: Exception
    at: float


_Source = Union[Errands, Line]


def _ready(sources: List[_Source], seconds: float) -> List[_Source]:
    """Those that have something, as soon as one of them has."""
    return select.select(sources, [], [], seconds)[0]


class Container:
    """One per process. Used by one thread; its own threads only hand it what they have fetched."""

    def __init__(
        self, environment: Mapping[str, str], settings: Settings, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        signer = Signer(settings.region, lambda: credentials_from(environment), clock)
        self.settings = settings
        self.session = random(16)
        self.key: Optional[bytes] = None
        self.lease: Optional[Lease] = None
        self.lease_at = float("-inf")  # when it was read
        self._cloud = Cloud(Network(environment, clock), settings, self.session, signer, clock, random)
        self._clock = clock
        self._random = random
        self._errands = Errands()
        self._line: Optional[Line] = None
        self._failures: Dict[str, Failure] = {}
        self._unsent: List[Event] = []
        self._again = Backoff(0.2, 5.0, random)  # for lines that come about and are no good
        self._again_at = 0.0
        self._looked = clock.elapsed()

    @property
    def cloud(self) -> Cloud:
        return self._cloud

    @property
    def network(self) -> Network:
        return self._cloud.network

    @property
    def is_connected(self) -> bool:
        return self._line is not None

    def failure(self) -> Optional[Exception]:
        """Why there is no line, or no key, and will be none soon."""
        return next((failed.error for failed in self._failures.values()), None)

    def persist(self) -> None:
        """Try again though it has failed."""
        self._failures = {}

    def has_news(self) -> bool:
        """Whether a `step` could find anything; one that finds nothing takes its time, too."""
        frozen = self._clock.elapsed() - self._looked > _FROZEN_S
        return frozen or self._line is None or bool(_ready([self._errands, self._line], 0.0))

    def start(self, patience: float = float("inf")) -> None:
        """Fetch what is missing, but for what failed lately.

        `patience` is how many seconds from now a result is of any use.
        """
        now = self._look()
        self._failures = {name: failed for name, failed in self._failures.items() if now - failed.at < _FRESH_S}
        if KEY not in self._failures and self.key is None:
            self.fetch(KEY, patience)
        if LINE not in self._failures and self._line is None:
            self._again_at = 0.0
            self.fetch(LINE, patience)

    def fetch(self, name: str, patience: float = float("inf")) -> None:
        """Have it fetched, if it is not under way."""
        cloud, clock = self._cloud, self._clock

        def deadline(within: float) -> float:
            return clock.elapsed() + min(within, patience)

        def line(cancelled: threading.Event) -> Line:
            opened = open_line(cloud, deadline=deadline(_LINE_WITHIN_S), cancelled=cancelled)
            if cancelled.is_set():
                opened.close()
            return opened

        def key(cancelled: threading.Event) -> bytes:
            return read_key(cloud, deadline=deadline(_KEY_WITHIN_S), cancelled=cancelled)

        def lease(cancelled: threading.Event) -> Lease:
            return read_lease(cloud, deadline=deadline(_LEASE_WITHIN_S))

        self._errands.start(name, {LINE: line, KEY: key, LEASE: lease}[name])

    def run(self, name: str, errand: Callable[[], object]) -> None:
        """Do something else beside; `step` gives it back."""
        self._errands.start(name, lambda _: errand())

    def is_fetching(self, name: str) -> bool:
        return self._errands.is_running(name)

    def step(self) -> Tuple[List[bytes], List[Finished]]:
        """Take what has come: datagrams, and what was `run`. Never waits."""
        now = self._look()
        others = [finished for finished in self._errands.finished() if not self._settle(finished)]
        arrived: List[bytes] = []
        if self._line is not None:
            arrived = self._line.step()
            self._tend(self._line)
        elif LINE not in self._failures and now >= self._again_at:
            self.fetch(LINE)
        return arrived, others

    def send(self, datagrams: Iterable[bytes]) -> None:
        """Publish, as soon as there is a line."""
        line = self._line
        if line is None:
            self._unsent = [*self._unsent, *map(Event.of, datagrams)][-_MOST_UNSENT:]
            return
        for datagram in datagrams:
            line.send(datagram)
        line.flush()
        self._tend(line)

    def wait(self, until: Optional[float]) -> None:
        """For news, or for a moment of the clock's `elapsed`, or just for a while."""
        now = self._clock.elapsed()
        sources: List[_Source] = [self._errands]
        due = now + _LOOK_EVERY_S if until is None else min(until, now + _LOOK_EVERY_S)
        if self._line is not None:
            sources.append(self._line)
            due = min(due, self._line.next_timer())
        elif LINE not in self._failures and not self.is_fetching(LINE):
            due = min(due, self._again_at)
        if self._errands in _ready(sources, max(0.0, due - now)):
            self._errands.heard()

    def rest(self) -> None:
        """The invocation is over: what was not sent is of no interest to the next."""
        self._unsent = []

    def renew(self) -> None:
        """Be another stub to everybody: another session, another channel."""
        self.session = self._random(16)
        self._cloud = self._cloud._replace(session=self.session)
        self._errands.abandon()
        self._unsent = []
        if self._line is not None:
            self._line.close()
            self._line = None

    def _look(self) -> float:
        """Whoever did not look for long was frozen, and what was under way in threads may hang: it is begun anew."""
        now, looked = self._clock.elapsed(), self._looked
        self._looked = now
        if now - looked > _FROZEN_S:
            for name in self._errands.abandon() & {LINE, KEY, LEASE}:
                self.fetch(name)
        return now

    def _settle(self, finished: Finished) -> bool:
        """Whether it was one of ours."""
        name, result = finished
        if name not in (LINE, KEY, LEASE):
            return False
        if name == LEASE:
            self.lease = Lease(None, str(result)) if isinstance(result, Exception) else result
            self.lease_at = self._clock.elapsed()
        elif isinstance(result, Exception):
            self._failures[name] = Failure(result, self._clock.elapsed())
        elif name == LINE:
            self._line = result
            self._line.resend(self._unsent)
            self._unsent = []
        else:
            self.key = result
        return True

    def _tend(self, line: Line) -> None:
        """It was used: see what became of it."""
        if line.accepted:
            self._again.reset()
        if line.lost is not None:
            self._line = None
            self._unsent = line.unsent()[-_MOST_UNSENT:]
            if not line.accepted:
                self._again_at = self._clock.elapsed() + self._again.next()
                if line.denied and self._again.failures >= _USELESS_LINES:
                    self._failures[LINE] = Failure(NoLine(line.lost, denied=True), self._clock.elapsed())
                    self._again.reset()
