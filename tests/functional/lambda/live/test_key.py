"""The stage key and what may stand in its way."""

from __future__ import annotations

import threading
import time

import pytest

from kit.appsync import KEY, Aws
from kit.live import PushedClock
from skykite_lambda.live.events import Api
from skykite_lambda.live.key import NoKey, read_key


def read(api: Api, within: float = 5.0) -> bytes:
    deadline = api.clock.monotonic() + within
    return read_key(
        api.network, api.settings, api.signer, api.clock, api.random, deadline=deadline, cancelled=threading.Event()
    )


def test_the_key_is_read(api: Api) -> None:
    assert read(api) == KEY


def test_a_key_that_is_missing_is_said_to_be_at_once(aws: Aws, api: Api) -> None:
    aws.key = None
    with pytest.raises(NoKey, match="there is no parameter `/skykite/notes/alice/live-key`") as failure:
        read(api)
    assert failure.value.missing


def test_what_is_no_key_is_refused(aws: Aws, api: Api) -> None:
    aws.key = b"too short"
    with pytest.raises(NoKey, match="holds no key"):
        read(api)


@pytest.mark.parametrize("refusal", [(400, "ThrottlingException"), (500, "InternalServerError"), (503, "")])
def test_a_parameter_store_that_is_busy_is_asked_again(aws: Aws, api: Api, refusal: tuple[int, str]) -> None:
    aws.keys.extend([refusal, refusal])
    assert read(api) == KEY


def test_what_asking_again_cannot_mend_is_said_at_once(aws: Aws, api: Api) -> None:
    aws.keys.append((400, "com.amazon.coral.service#AccessDeniedException"))
    started = time.monotonic()
    with pytest.raises(NoKey, match="400 AccessDeniedException"):
        read(api)
    assert time.monotonic() - started < 2
    assert len(aws.requests_seen) == 1


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_ten_minutes_off_is_put_right(aws: Aws, api: Api, minutes: int) -> None:
    aws.clock_offset = minutes * 60
    assert read(api) == KEY
    assert len(aws.requests_seen) == 2


def test_a_route_that_leads_nowhere_is_an_error_that_says_so(
    aws: Aws, api: Api, environment: dict[str, str], clock: PushedClock
) -> None:
    from kit.live import make_api

    environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    with pytest.raises(NoKey, match="Connection refused"):
        read(make_api(environment, clock), within=0.5)
