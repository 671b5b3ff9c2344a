"""The stub's line to the developer: one AppSync Events connection, subscribed to the stub's own reply channel.

In: datagrams to publish to the requests channel. Out: datagrams from the reply channel, and why the line was lost.
The service may lose, repeat and reorder; so may we: what has to arrive is the wire protocol's business.
I/O: one WebSocket. `open_line` waits, in a thread of its own; a `Line` never does, its owner waits on `fileno`.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from typing import Deque, Dict, Iterable, List, NamedTuple, Optional, Type

from . import messages
from .clock import Clock
from .cloud import Cloud
from .network import Unreachable
from .pace import Backoff, TokenBucket
from .sigv4 import NoCredentials
from .websocket import Refused, WebSocket, open_websocket

ATTEMPT_S = 5.0  # what one attempt to connect and subscribe may take
_SUBSCRIPTION = "replies"
_BURST, _RATE = 25, 25.0  # publishes on one WebSocket, and a second
_ATTEMPTS = 3  # to publish an event that the service says it did not take
_MOST_QUEUED = 64
_ANSWER_S = 2.5  # within which a publish or a ping is answered on a live connection
_ANSWER_AFTER_PAUSE_S = 1.5
_PAUSE_S = 5.0  # without looking: long enough to doubt
_SILENCE_S = 4.0  # in mid-invocation, when a dev session is heard every two seconds
_KEEP_ALIVE_S, _KEEP_ALIVE_SLACK_S = 60.0, 5.0
_OLDEST_S = 23.5 * 3600  # the service closes a connection after 24 hours


class NoLine(Exception):  # noqa: N818
    """No connection came about in time; `denied` if that is for want of permission."""

    def __init__(self, reason: str, *, denied: bool = False) -> None:
        super().__init__(reason)
        self.denied = denied


class _NotYet(Exception):  # noqa: N818
    """One attempt failed; another may not."""

    def __init__(self, problem: messages.Problem, date: Optional[float]) -> None:
        super().__init__(problem.text)
        self.denied = problem.denied
        self.throttled = problem.throttled
        self.date = date


class Event(NamedTuple):
    """What is to be published, and how often that was tried."""

    text: str
    attempts: int = 0

    @classmethod
    def of(cls, datagram: bytes) -> Event:
        return cls(messages.event_of(datagram))


class Line:
    """An open connection. `lost` says why it no longer is; `denied` whether that is for want of permission."""

    def __init__(self, cloud: Cloud, socket: WebSocket, early: Iterable[str] = ()) -> None:
        now = cloud.clock.elapsed()
        socket.heard = False  # from here on
        self._socket = socket
        self._settings = cloud.settings
        self._signer = cloud.signer
        self._clock = cloud.clock
        self._early = list(early)
        self._bucket = TokenBucket(_BURST, _RATE, now)
        self._throttled = Backoff(0.5, 8.0, cloud.random)
        self._queue: Deque[Event] = deque(maxlen=_MOST_QUEUED)
        self._in_flight: Dict[str, List[Event]] = {}
        self._publishes = 0
        self._opened = self._looked = self._heard_at = now
        self._overdue_at: Optional[float] = None  # when something has to have been heard
        self.lost: Optional[str] = None
        self.denied = False
        self.accepted = False  # whether anything was ever published
        self.problem: Optional[str] = None  # the last thing that was refused

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, datagram: bytes) -> None:
        """To be published with the next `flush` or `step`."""
        self._queue.append(Event.of(datagram))

    def resend(self, events: Iterable[Event]) -> None:
        """What another line did not get rid of."""
        self._queue.extend(events)

    def unsent(self) -> List[Event]:
        """What is not known to have been taken."""
        return [event for events in self._in_flight.values() for event in events] + list(self._queue)

    def flush(self) -> None:
        """Publish what may go."""
        if self.lost is None:
            self._publish(self._clock.elapsed(), _ANSWER_S)

    def step(self) -> List[bytes]:
        """Take what has come, publish what may go, and see whether the line still lives."""
        datagrams: List[bytes] = []
        keep_alives = 0
        texts, self._early = self._early + self._socket.receive(), []
        now = self._clock.elapsed()
        paused, self._looked = now - self._looked, now
        if self._socket.heard:
            self._socket.heard = False
            self._heard_at = now
            self._overdue_at = None
        for text in texts:
            message = messages.parse(text)
            keep_alives += isinstance(message, messages.KeepAlive)
            self._take(message, datagrams, now)
        if self._socket.ended is not None:
            self._lose(self._socket.ended)
        elif paused > _PAUSE_S:
            self._overdue_at = None  # it was us who did not look
            self._doubt(paused, keep_alives, now)
        if self.lost is None:
            self._publish(now, _ANSWER_AFTER_PAUSE_S if paused > _PAUSE_S else _ANSWER_S)
        if self.lost is None:
            self._watch(now)
        return datagrams

    def next_timer(self) -> float:
        """When `step` is due at the latest, of the clock's `elapsed`."""
        now = self._clock.elapsed()
        due = self._heard_at + _SILENCE_S if self._overdue_at is None else self._overdue_at
        return min(due, self._bucket.ready_at(now)) if self._queue else due

    def close(self) -> None:
        self._lose("closed by us")

    def _doubt(self, paused: float, keep_alives: int, now: float) -> None:
        """After a pause the socket may look alive and not be."""
        if now - self._opened > _OLDEST_S:
            self._lose("it is nearly a day old")
        elif keep_alives < int((paused - _KEEP_ALIVE_SLACK_S) // _KEEP_ALIVE_S):
            self._lose(f"no keep-alive in {paused:.0f} s")
        else:
            self._ping(now, _ANSWER_AFTER_PAUSE_S)

    def _watch(self, now: float) -> None:
        if self._overdue_at is not None:
            if now >= self._overdue_at:
                self._lose("no answer")
        elif now - self._heard_at >= _SILENCE_S:
            self._ping(now, _ANSWER_S)

    def _ping(self, now: float, patience: float) -> None:
        try:
            self._socket.ping()
        except OSError as error:
            self._lose(str(error))
        else:
            self._expect(now + patience)

    def _expect(self, at: float) -> None:
        self._overdue_at = at if self._overdue_at is None else min(at, self._overdue_at)

    def _publish(self, now: float, patience: float) -> None:
        while self._queue and self._bucket.take(now):
            batch: List[Event] = []
            size = 0
            while self._queue and len(batch) < messages.EVENTS_AT_ONCE:
                size += len(self._queue[0].text)
                if batch and size > messages.PUBLISH_LIMIT:
                    break
                batch.append(self._queue.popleft())
            self._publishes += 1
            operation = str(self._publishes)
            if len(self._in_flight) >= _MOST_QUEUED:  # answers that never came, on a line that lives
                del self._in_flight[next(iter(self._in_flight))]
            self._in_flight[operation] = batch
            settings, texts = self._settings, [event.text for event in batch]
            try:
                self._socket.send(
                    messages.publish(self._signer, settings.http_host, operation, settings.requests, texts)
                )
            except NoCredentials as error:
                self._lose(str(error), denied=True)
                return
            except OSError as error:
                self._lose(str(error))
                return
            self._expect(now + patience)

    def _take(self, message: Optional[messages.Message], datagrams: List[bytes], now: float) -> None:
        if isinstance(message, messages.Data):
            found = (messages.datagram_of(event) for event in message.events)
            datagrams.extend(datagram for datagram in found if datagram is not None)
        elif isinstance(message, messages.Published):
            batch = self._in_flight.pop(message.id, [])
            self.accepted = True
            self._throttled.reset()
            self._again(batch[place] for place in message.failed if place < len(batch))
        elif isinstance(message, messages.Problem):
            self.problem = message.text
            batch = self._in_flight.pop(message.id, [])
            if message.throttled:
                self._bucket.pause(now, self._throttled.next())
                self._again(batch)
            elif message.denied:
                self._in_flight[message.id] = batch
                self._lose(message.text, denied=True)

    def _again(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.attempts + 1 < _ATTEMPTS:
                self._queue.append(Event(event.text, event.attempts + 1))

    def _lose(self, reason: str, *, denied: bool = False) -> None:
        if self.lost is None:
            self.lost = reason
            self.denied = denied
            self._socket.close()


def open_line(cloud: Cloud, *, deadline: float, cancelled: threading.Event) -> Line:
    """Connect and subscribe, again and again with growing waits: an API that is new answers errors for a while.

    `deadline` is of the clock's `elapsed`. Raises NoLine.
    """
    backoff = Backoff(0.2, 5.0, cloud.random)
    learned = False
    while True:
        offset = cloud.signer.offset
        try:
            return _attempt(cloud, min(deadline, cloud.clock.elapsed() + ATTEMPT_S))
        except (Unreachable, NoCredentials) as error:
            reason, denied, wait = str(error), isinstance(error, NoCredentials), backoff.next()
        except (Refused, _NotYet) as error:
            throttled = error.throttled if isinstance(error, _NotYet) else error.status == 429
            denied = error.denied if isinstance(error, _NotYet) else error.status in (401, 403)
            if not learned and not throttled and cloud.signer.learn(error.date, offset):
                learned = True  # our clock was wrong: no wonder, and no reason to wait
                continue
            reason, wait = str(error), backoff.next()
            if throttled or denied:
                wait += 1.0
        if cloud.clock.elapsed() + wait >= deadline or cancelled.wait(wait):
            raise NoLine(reason, denied=denied)


def _attempt(cloud: Cloud, deadline: float) -> Line:
    settings = cloud.settings
    offered = messages.subprotocols(cloud.signer, settings.http_host)
    socket = open_websocket(cloud.network, settings.realtime_host, messages.REALTIME_PATH, offered, deadline=deadline)
    try:
        socket.send(messages.connection_init())
        _await(socket, messages.Acknowledged, cloud.clock, deadline)
        channel = f"{settings.replies}/{cloud.session.hex()}"
        socket.send(messages.subscribe(cloud.signer, settings.http_host, _SUBSCRIPTION, channel))
        return Line(cloud, socket, _await(socket, messages.Subscribed, cloud.clock, deadline))
    except OSError as error:
        socket.close()
        raise Unreachable(f"the Event API `{settings.realtime_host}` does not answer: {error}") from error
    except BaseException:
        socket.close()
        raise


def _await(socket: WebSocket, wanted: Type[messages.Message], clock: Clock, deadline: float) -> List[str]:
    """Wait for a message of the kind. Returns what came behind it. Raises _NotYet, OSError."""
    while True:
        texts = socket.receive()
        for place, text in enumerate(texts):
            message = messages.parse(text)
            if isinstance(message, wanted):
                return texts[place + 1 :]
            if isinstance(message, messages.Problem):
                raise _NotYet(message, socket.date)
        if socket.ended is not None:
            raise ConnectionResetError(socket.ended)
        remaining = deadline - clock.elapsed()
        if remaining <= 0 or not select.select([socket], [], [], remaining)[0]:
            raise TimeoutError("timed out")
