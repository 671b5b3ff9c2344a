"""The transport over AppSync Events: a subscription to the stage's requests, and publishing, over HTTP or beside it.

In: an Event API, a session that signs, a stage. Out: what `transport.Transport` promises. I/O: through
`subscription`, `publisher` and `network`.

The connection is made anew, with growing pauses, whenever it is lost; at once when this machine has slept; and while
the old one still works when the service is about to close it or our credentials are others than before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite.live.circuit import Circuit
from skykite.live.http import HttpPool
from skykite.live.network import Trouble, find_route
from skykite.live.publisher import AT_ONCE, Counts, Publisher
from skykite.live.shortcut import PER_SECOND, WebSocketShortcut
from skykite.live.subscription import SILENCE_S, Subscription, subscribe
from skykite.live.transport import Disconnection, Listener
from skykite.model.bootstrap import BOOTSTRAP_STACK, EventApi
from skykite.model.live import replies_prefix, requests_channel
from skykite.ports import Clock
from skykite_lambda.live import messages

_SLEPT_S: Final = 10.0  # by which the wall clock gains on the other when a machine sleeps
_LATE_S: Final = 15.0  # by which a timer is late when it sleeps and both clocks go on
_PROVEN_S: Final = 10.0  # for which a connection must last not to count as a failure
_DRAIN_S: Final = 1.0
_AS_IF_DELETED: Final = frozenset({"denied", "refused", "unreachable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds, but for `at_once`, requests over HTTP, and `websocket_publishes`, as many a second.

    `patience_s`: how long the first connection may take; a new Event API refuses for a while. `renew_s`: the age at
    which a connection is replaced; the service ends it after a day. `overlap_s`: for what is on its way over the one
    that is replaced.
    """

    patience_s: float = 60.0
    silence_s: float = SILENCE_S
    renew_s: float = 23.5 * 3600
    overlap_s: float = 2.0
    credentials_s: float = 60.0
    doubt_s: float = 10.0
    look_s: float = 60.0
    pulse_s: float = 2.0
    at_once: int = AT_ONCE
    websocket_publishes: int = PER_SECOND


class AppSyncTransport:
    """A `Transport`. `clock` is only asked whether this machine has slept."""

    def __init__(
        self, *, aws: AwsSession, api: EventApi, app: str, stage: str, clock: Clock, pace: Pace | None = None
    ) -> None:
        self._aws = aws
        self._api = api
        self._requests = requests_channel(app, stage)
        self._replies = replies_prefix(app, stage)
        self._clock = clock
        self._pace = pace or Pace()
        self._signer = aws.signer("appsync")
        self._sign_in: SkykiteError | None = None  # why the credentials could not be renewed
        self._tls: ssl.SSLContext | None = None
        self._listener: Listener | None = None
        self._publisher: Publisher | None = None
        self._pool: HttpPool | None = None
        self._current: Subscription | None = None
        self._retiring: set[Subscription] = set()
        self._trouble: Trouble | None = None  # of the subscription
        self._publish_trouble: Trouble | None = None
        self._told: Disconnection | None = None
        self._up = False
        self._first: asyncio.Future[None] | None = None
        self._renew = asyncio.Event()
        self._circuit = Circuit(1, os.urandom)
        self._renewing: asyncio.Task[None] | None = None
        self._doubted = float("-inf")
        self._looking: asyncio.Task[None] | None = None  # whether the Event API is there
        self._looked = float("-inf")
        self._gone: Trouble | None = None  # it is not
        self._tasks: list[asyncio.Task[None]] = []

    # The Transport

    async def connect(self, listener: Listener) -> None:
        """Raises `bridge-denied`, `bridge-unreachable`, `proxy-unusable` or AwsError if it cannot be made at all."""
        self._listener = listener
        await self._aws.run(self._prepare)
        loop = asyncio.get_running_loop()
        self._pool = HttpPool(find_route(self._api.http_host, endpoint_url=self._aws.endpoint_url, tls=self._context))
        shortcut = WebSocketShortcut(
            current=lambda: self._current,
            sign=self._sign,
            on_denied=self._doubt_credentials,
            per_second=self._pace.websocket_publishes,
        )
        shortcut.publisher = self._publisher = Publisher(
            self._pool,
            sign=self._sign,
            host=self._api.http_host,
            on_trouble=self._publishing,
            on_denied=self._doubt_credentials,
            shortcut=shortcut,
            at_once=self._pace.at_once,
        )
        self._first = loop.create_future()
        self._tasks = [
            loop.create_task(self._keep_connected(), name="bridge connection"),
            loop.create_task(self._keep_credentials(), name="bridge credentials"),
            loop.create_task(self._notice_sleep(), name="bridge sleep watch"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._broken)
        try:
            async with asyncio.timeout(self._pace.patience_s):
                await asyncio.shield(self._first)
        except TimeoutError:
            trouble = self._trouble
            await self.close()
            raise _failure(trouble or Trouble("unreachable", f"`{self._api.realtime_host}` does not answer")) from None
        except Trouble as trouble:
            await self.close()
            raise _failure(trouble) from None
        except BaseException:
            await self.close()
            raise

    def publish(self, address: bytes, datagrams: Sequence[bytes]) -> None:
        if self._publisher is not None:
            channel = f"{self._replies}/{address.hex()}" if any(address) else self._requests
            self._publisher.publish(channel, datagrams)

    async def close(self) -> None:
        tasks = [*self._tasks, *(task for task in (self._renewing, self._looking) if task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for subscription in (*self._retiring, *([self._current] if self._current else [])):
            subscription.close()
        self._current = None
        if self._publisher is not None:
            if self._up:
                await self._publisher.drain(_DRAIN_S)
            await self._publisher.close()
        if self._pool is not None:
            self._pool.close()
        self._publisher = None

    @property
    def counts(self) -> Counts:
        """What became of the datagrams published so far."""
        return self._publisher.counts if self._publisher is not None else Counts()

    @property
    def sign_in_error(self) -> SkykiteError | None:
        """Why the credentials cannot be renewed, if they cannot."""
        return self._sign_in

    # Signing

    def _prepare(self) -> None:
        """What takes its time: credentials, certificates."""
        self._signer.refresh()
        if self._aws.endpoint_url is None or self._aws.endpoint_url.startswith("https:"):
            self._tls = self._aws.tls_context()

    def _context(self) -> ssl.SSLContext:
        assert self._tls is not None
        return self._tls

    def _sign(self, body: bytes) -> Mapping[str, str]:
        host = self._api.http_host
        return self._signer.sign(
            "POST", f"https://{host}{messages.HTTP_PATH}", {**messages.HEADERS, "host": host}, body
        )

    async def _keep_credentials(self) -> None:
        while True:
            await asyncio.sleep(self._pace.credentials_s)
            await self._renew_credentials()

    def _doubt_credentials(self) -> None:
        """They were refused: maybe others are to be had by now. Not asked for more often than that can be expected:
        others that are refused too must not make us hurry."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._doubted >= self._pace.doubt_s:
            self._doubted = loop.time()
            self._renewing = loop.create_task(self._renew_credentials(doubted=True), name="bridge sign-in")

    async def _renew_credentials(self, *, doubted: bool = False) -> None:
        try:
            changed = await self._aws.run(self._signer.refresh, doubted=doubted)
        except SkykiteError as error:
            self._sign_in = error
            self._tell()
            return
        self._sign_in = None
        if changed:
            self._renew.set()
            if self._publisher is not None:
                self._publisher.hurry()

    def _doubt_api(self, trouble: Trouble) -> None:
        """Nobody who is refused, or finds nobody at an address, is told that the API was deleted: look whether it is
        there."""
        loop = asyncio.get_running_loop()
        if trouble.reason in _AS_IF_DELETED and loop.time() - self._looked >= self._pace.look_s:
            self._looked = loop.time()
            self._looking = loop.create_task(self._look_for_api(), name="bridge look for the Event API")

    async def _look_for_api(self) -> None:
        try:
            if await self._aws.run(self._aws.appsync.has_event_api, self._api.api_id):
                return
        except SkykiteError:  # who may not ask, or has no network either
            return
        self._gone = Trouble(
            "refused",
            f"the Event API `{self._api.api_id}` of the stack `{BOOTSTRAP_STACK}` was deleted",
            hint="start `kite dev` again, which makes a new one; so for every other stage that is live",
            lasting=True,
        )
        self._lost(self._gone)

    # The subscription

    async def _keep_connected(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._renew.clear()
            try:
                opened = await self._subscribe()
            except Trouble as trouble:
                self._circuit.failed(trouble, started=loop.time(), now=loop.time())
                if trouble.reason == "denied":
                    self._doubt_credentials()
                if self._current is None or self._current.ended.done():
                    self._lost(trouble)
                await self._pause(until=self._circuit.retry_at)
                continue
            self._retire(self._current)
            self._current, self._trouble, self._gone = opened, None, None
            self._tell()
            if self._first is not None and not self._first.done():
                self._first.set_result(None)
            began = loop.time()
            ended = await self._watch(opened)
            now = loop.time()
            if ended is None or now - began >= _PROVEN_S:
                self._circuit.succeeded(started=now, now=now)
            if ended is not None:
                self._lost(ended)
                if now - began < _PROVEN_S:
                    self._circuit.failed(ended, started=now, now=now)
                    await self._pause(until=self._circuit.retry_at)

    def _retire(self, subscription: Subscription | None) -> None:
        """Its successor is subscribed; what both receive, the wire layer takes once."""
        if subscription is None:
            return
        self._retiring.add(subscription)

        def leave() -> None:
            self._retiring.discard(subscription)
            subscription.close()

        asyncio.get_running_loop().call_later(self._pace.overlap_s, leave)

    async def _subscribe(self) -> Subscription:
        try:
            route = find_route(self._api.realtime_host, endpoint_url=self._aws.endpoint_url, tls=self._context)
            return await subscribe(
                route,
                sign=self._sign,
                channel=self._requests,
                received=self._received,
                silence_s=self._pace.silence_s,
            )
        except SkykiteError as error:
            raise Trouble("denied", error.message, hint=error.hint) from error

    async def _watch(self, subscription: Subscription) -> Trouble | None:
        """Why it ended; None if it is to be replaced while it lasts."""
        renew = asyncio.ensure_future(self._renew.wait())
        ends: set[asyncio.Future[Any]] = {renew, subscription.ended}
        try:
            await asyncio.wait(ends, timeout=self._pace.renew_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            renew.cancel()
        return subscription.ended.result() if subscription.ended.done() else None

    async def _pause(self, *, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._renew.wait()

    async def _notice_sleep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._pace.pulse_s
            monotonic, wall = self._clock.monotonic(), self._clock.now()
            await asyncio.sleep(self._pace.pulse_s)
            passed = self._clock.monotonic() - monotonic
            gained = (self._clock.now() - wall).total_seconds() - passed
            if gained >= _SLEPT_S or loop.time() - due >= _LATE_S:
                self._slept(max(gained, loop.time() - due))

    def _slept(self, seconds: float) -> None:
        """Whatever was open is dead, or soon will be, and nobody will tell."""
        if self._pool is not None:
            self._pool.drop_idle()
        self._doubt_credentials()
        trouble = Trouble("slept", f"this machine has slept for {_spoken(seconds)}")
        if self._current is not None and not self._current.ended.done():
            self._current.ended.set_result(trouble)
            self._current.abort()
        now = asyncio.get_running_loop().time()
        self._circuit.succeeded(started=now, now=now)
        self._renew.set()
        if self._publisher is not None:
            self._publisher.hurry()

    # What the listener hears

    def _received(self, datagrams: Sequence[bytes]) -> None:
        if self._listener is not None:
            self._listener.received(datagrams)

    def _lost(self, trouble: Trouble) -> None:
        self._trouble = trouble
        if trouble.lasting and self._first is not None and not self._first.done():
            self._first.set_exception(trouble)
            return
        self._doubt_api(trouble)
        self._tell()

    def _broken(self, task: asyncio.Task[None]) -> None:
        """None of them ends by itself, unless by a bug of ours, which must not go unseen."""
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "the bridge is broken", "exception": error, "task": task}
            )
            trouble = Trouble("refused", f"the bridge is broken: {type(error).__name__}: {error}", lasting=True)
            self._lost(trouble)

    def _publishing(self, trouble: Trouble | None) -> None:
        self._publish_trouble = trouble
        if trouble is not None:
            self._doubt_api(trouble)
        self._tell()

    def _tell(self) -> None:
        """Pass on what has changed."""
        if self._listener is None:
            return
        trouble = self._gone or self._trouble or self._publish_trouble
        if trouble is None:
            if self._current is not None and not self._up:
                self._up, self._told = True, None
                self._listener.connected()
            return
        said = trouble.disconnection
        if said.reason == "denied" and self._sign_in is not None:
            said = Disconnection(reason="denied", message=self._sign_in.message, hint=self._sign_in.hint)
        self._up = False
        if self._told is None or (said.reason, said.hint) != (self._told.reason, self._told.hint):
            self._told = said
            self._listener.disconnected(said)


def _failure(trouble: Trouble) -> SkykiteError:
    """There never was a connection."""
    if trouble.reason == "denied":
        return SkykiteError(
            "bridge-denied",
            trouble.message,
            hint=trouble.hint
            or "allow appsync:EventConnect, appsync:EventSubscribe and appsync:EventPublish on the Event API of the "
            "stack `skykite-bootstrap` to the user or role you are signed in as",
            blame="aws",
        )
    return SkykiteError(
        "bridge-unreachable",
        trouble.message,
        hint=trouble.hint or "check the network and the proxy settings, or develop without AWS: `kite dev --local`",
        blame="aws",
    )


def _spoken(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
