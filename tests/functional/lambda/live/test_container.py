"""What a container keeps, and what it tries again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from kit.appsync import KEY, Aws, Refusal
from kit.live import PushedClock
from skykite_lambda.live.container import KEY as KEY_NAME
from skykite_lambda.live.container import LEASE, LINE, Container
from skykite_lambda.live.events import NoLine
from skykite_lambda.live.settings import settings_from


@pytest.fixture
def container(aws: Aws, environment: dict[str, str], clock: PushedClock) -> Container:
    return Container(environment, settings_from(environment), clock, os.urandom)


def until(container: Container, clock: PushedClock, wanted: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10
    while not wanted():
        container.step()
        assert time.monotonic() < give_up
        container.wait(clock.elapsed() + 0.05)


def test_everything_is_fetched_side_by_side(aws: Aws, container: Container, clock: PushedClock) -> None:
    aws.delay = lambda request: 1.0
    started = time.monotonic()
    container.start()
    container.fetch(LEASE)
    until(container, clock, lambda: container.is_connected and container.key and container.lease)
    assert container.key == KEY
    assert time.monotonic() - started < 2.5  # one after the other they take three


def test_what_has_failed_is_left_alone_until_somebody_insists(
    aws: Aws, container: Container, clock: PushedClock
) -> None:
    aws.refuse_handshakes = Refusal("Forbidden", http=403)
    container.start(patience=0.5)
    until(container, clock, container.failure)
    assert isinstance(container.failure(), NoLine)
    seen = aws.handshakes_seen
    container.start(patience=0.5)
    assert not container.is_fetching(LINE)
    aws.refuse_handshakes = None
    container.persist()
    until(container, clock, lambda: container.is_connected)
    assert aws.handshakes_seen == seen + 1


def test_what_has_failed_a_while_ago_is_tried_again(aws: Aws, container: Container, clock: PushedClock) -> None:
    key, aws.key = aws.key, None
    container.start()
    until(container, clock, container.failure)
    aws.key = key
    clock.monotonic_ahead += 6
    container.start()
    assert container.failure() is None
    until(container, clock, lambda: container.key)


def test_a_bug_in_reading_the_lease_is_no_verdict(
    container: Container, clock: PushedClock, environment: dict[str, str]
) -> None:
    environment["AWS_ACCESS_KEY_ID"] = "\ud800"  # nothing can be made of that
    container.fetch(LEASE)
    until(container, clock, lambda: container.lease)
    assert container.lease is not None
    assert container.lease.alive is None


def test_another_session_has_another_channel(aws: Aws, container: Container, clock: PushedClock) -> None:
    container.start()
    until(container, clock, lambda: container.is_connected)
    before = container.session
    container.renew()
    assert not container.is_connected
    until(container, clock, lambda: container.is_connected)
    assert [aws.subscribed.get(timeout=5)[-32:] for _ in range(2)] == [before.hex(), container.session.hex()]
    assert KEY_NAME != LINE
