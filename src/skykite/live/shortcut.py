"""Publishing on the WebSocket that a session is subscribed by: a few small datagrams at a time, as fast as can be.

AppSync takes 25 publishes a second there. A request over HTTP costs everybody concerned several times as much, and on
an idle connection twice the time; what is more, or larger, goes that way all the same.
In: datagrams. Out: messages on a `Subscription`. No I/O of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from skykite.errors import SkykiteError
from skykite.live.publisher import Publisher
from skykite.live.subscription import Sign, Subscription
from skykite_lambda.live import messages
from skykite_lambda.live.pace import TokenBucket

PER_SECOND: Final = 20
"""Publishes; a few fewer than are allowed, since theirs is another second than ours."""
_LARGEST: Final = 64 * 1024  # bytes; larger ones would be in the way of those that follow
_PAUSE_S: Final = 5.0  # after a refusal


class WebSocketShortcut:
    """`current` is the subscription that stands, if one does. Give it its `publisher` before use."""

    def __init__(
        self,
        *,
        current: Callable[[], Subscription | None],
        sign: Sign,
        on_denied: Callable[[], None],
        per_second: int = PER_SECOND,
    ) -> None:
        self._current = current
        self._sign = sign
        self._on_denied = on_denied
        self._loop = asyncio.get_running_loop()
        self._bucket = TokenBucket(per_second, float(per_second), self._loop.time()) if per_second else None
        self.publisher: Publisher | None = None

    def is_open(self) -> bool:
        now = self._loop.time()
        return self._standing() is not None and self._bucket is not None and self._bucket.ready_at(now) <= now

    def take(self, channel: str, datagrams: Sequence[bytes]) -> bool:
        subscription = self._standing()
        if subscription is None or self._bucket is None or sum(map(len, datagrams)) > _LARGEST:
            return False
        if not self._bucket.take(self._loop.time()):
            return False
        body = messages.publish_body(channel, [messages.event_of(datagram) for datagram in datagrams])
        try:
            signed = self._sign(body.encode())
        except SkykiteError:  # there is nothing to sign with; the other way will say so
            return False
        subscription.publish(body, signed, partial(self._answered, channel, datagrams))
        return True

    def _standing(self) -> Subscription | None:
        subscription = self._current()
        return None if subscription is None or subscription.ended.done() else subscription

    def _answered(
        self, channel: str, datagrams: Sequence[bytes], message: messages.Published | messages.Problem | None
    ) -> None:
        assert self.publisher is not None
        assert self._bucket is not None
        match message:
            case messages.Published():
                lost = min(len(message.failed), len(datagrams))
                self.publisher.confirm(sent=len(datagrams) - lost, lost=lost)
            case messages.Problem():
                self._bucket.pause(self._loop.time(), _PAUSE_S)
                if message.denied:
                    self._on_denied()
                self.publisher.publish(channel, datagrams)  # over HTTP, for now
            case None:  # the connection ended; it may have been taken or not
                self.publisher.publish(channel, datagrams)
