"""The real embedded cloud for tests, and what a deploy needs beside it."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from skykite.aws import AwsSession
from skykite.cloud import CloudAddress, EmbeddedCloud
from skykite.model.events import Event
from skykite.model.names import RequestId

T = TypeVar("T")


class RealClock:
    """The machine's time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """The machine's chance."""

    def request_id(self) -> RequestId:
        return RequestId(str(uuid.uuid4()))

    def token(self) -> str:
        return secrets.token_urlsafe(24)


class RecordedEvents:
    """An event sink that keeps everything and lets a test wait for something."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def emit(self, event: Event) -> None:
        self.all.append(event)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.all if isinstance(event, kind)]

    async def wait(self, kind: type[T], matching: Callable[[T], bool] = lambda event: True) -> T:
        """The first event of that kind that matches, now or within ten seconds."""
        async with asyncio.timeout(10):
            while True:
                found = next((event for event in self.of(kind) if matching(event)), None)
                if found is not None:
                    return found
                await asyncio.sleep(0.005)


class Answers:
    """An asker that gives one answer and keeps the questions. `None` is nobody there: the default is taken."""

    def __init__(self, answer: bool | None = None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def confirm(self, question: str, message: str, *, default: bool) -> bool:
        self.asked.append(message)
        return default if self.answer is None else self.answer


@contextmanager
def running_cloud(directory: Path) -> Iterator[CloudAddress]:
    """The embedded cloud, served by a thread with a loop of its own, so that tests with other loops can share it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded cloud of the tests", daemon=True)
    thread.start()
    cloud = EmbeddedCloud(
        directory=directory,
        region="eu-west-1",
        handoff=None,
        events=RecordedEvents(),
        clock=RealClock(),
        ids=RandomIds(),
    )
    try:
        address = asyncio.run_coroutine_threadsafe(cloud.start(), loop).result(timeout=60)
        yield address
    finally:
        asyncio.run_coroutine_threadsafe(cloud.stop(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


def session_at(address: CloudAddress) -> AwsSession:
    """An AWS session on the embedded cloud."""
    return AwsSession(
        region=address.region,
        endpoint_url=address.url,
        access_key_id=address.access_key_id,
        secret_access_key=address.secret_access_key,
    )
