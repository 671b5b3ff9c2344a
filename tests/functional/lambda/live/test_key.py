"""The stage key and what may stand in its way."""

from __future__ import annotations

import threading
import time

import pytest

from kit.appsync import KEY, Aws
from kit.live import PushedClock
from skykite_lambda.live.cloud import Cloud
from skykite_lambda.live.key import NoKey, read_key


def read(cloud: Cloud, within: float = 5.0) -> bytes:
    return read_key(cloud, deadline=cloud.clock.elapsed() + within, cancelled=threading.Event())


def test_the_key_is_read(cloud: Cloud) -> None:
    assert read(cloud) == KEY


def test_a_key_that_is_missing_is_said_to_be_at_once(aws: Aws, cloud: Cloud) -> None:
    aws.key = None
    with pytest.raises(NoKey, match="there is no parameter `/skykite/notes/alice/live-key`") as failure:
        read(cloud)
    assert failure.value.missing


def test_what_is_no_key_is_refused(aws: Aws, cloud: Cloud) -> None:
    aws.key = b"too short"
    with pytest.raises(NoKey, match="holds no key"):
        read(cloud)


@pytest.mark.parametrize("refusal", [(400, "ThrottlingException"), (500, "InternalServerError"), (503, "")])
def test_a_parameter_store_that_is_busy_is_asked_again(aws: Aws, cloud: Cloud, refusal: tuple[int, str]) -> None:
    aws.keys.extend([refusal, refusal])
    assert read(cloud) == KEY


def test_what_asking_again_cannot_mend_is_said_at_once(aws: Aws, cloud: Cloud) -> None:
    aws.keys.append((400, "com.amazon.coral.service#AccessDeniedException"))
    started = time.monotonic()
    with pytest.raises(NoKey, match="400 AccessDeniedException"):
        read(cloud)
    assert time.monotonic() - started < 2
    assert len(aws.requests_seen) == 1


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_ten_minutes_off_is_put_right(aws: Aws, cloud: Cloud, minutes: int) -> None:
    aws.clock_offset = minutes * 60
    assert read(cloud) == KEY
    assert len(aws.requests_seen) == 2


def test_a_route_that_leads_nowhere_is_an_error_that_says_so(
    aws: Aws, cloud: Cloud, environment: dict[str, str], clock: PushedClock
) -> None:
    from kit.live import make_cloud

    environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    with pytest.raises(NoKey, match="Connection refused"):
        read(make_cloud(environment, clock), within=0.5)


class Skipping(threading.Event):
    """Nobody cancels, and to wait takes no time but on the clock."""

    def __init__(self, clock: PushedClock) -> None:
        super().__init__()
        self.clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.monotonic_ahead += timeout or 0.0
        return False


def test_a_parameter_store_that_cannot_be_reached_is_given_up_long_before_a_busy_one(
    aws: Aws, cloud: Cloud, environment: dict[str, str], clock: PushedClock
) -> None:
    from kit.live import make_cloud

    def seconds(cloud: Cloud) -> float:
        began = clock.elapsed()
        with pytest.raises(NoKey):
            read_key(cloud, deadline=began + 30, cancelled=Skipping(clock))
        return clock.elapsed() - began

    aws.keys.extend([(400, "ThrottlingException")] * 100)
    assert seconds(cloud) > 20
    environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    assert seconds(make_cloud(environment, clock)) < 11
