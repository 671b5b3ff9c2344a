"""One line to an Event API that behaves, and to all the kinds that do not."""

from __future__ import annotations

import base64
import os
import queue
import threading
import time

import pytest

from kit.appsync import REPLIES, Aws, Refusal
from kit.live import SESSION, PushedClock, make_cloud, open_soon, step_until
from skykite_lambda.live.cloud import Cloud
from skykite_lambda.live.events import NoLine, open_line


def received(aws: Aws, count: int) -> list[bytes]:
    return [aws.datagrams.get(timeout=10) for _ in range(count)]


def test_what_is_sent_is_published_and_what_is_published_to_the_stub_arrives(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    assert aws.subscribed.get(timeout=5) == f"{REPLIES}/{SESSION.hex()}"
    everything = bytes(range(256)) * 703  # 180 KB: 240 KB as base64
    line.send(everything)
    step_until(line, lambda: line.accepted)
    assert received(aws, 1) == [everything]
    arrived: list[bytes] = []
    aws.deliver(SESSION, everything, b"", b"x")
    arrived += step_until(line, lambda: aws.connections and len(arrived) >= 0)
    while len(arrived) < 3:
        arrived += step_until(line, lambda: True)
    assert arrived == [everything, b"", b"x"]


def test_events_are_taken_as_an_array_too(aws: Aws, cloud: Cloud) -> None:
    aws.as_array = True
    line = open_soon(cloud)
    arrived: list[bytes] = []
    aws.deliver(SESSION, b"one")
    while not arrived:
        arrived += line.step()
    assert arrived == [b"one"]


def test_what_another_stub_is_sent_does_not_arrive(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    arrived: list[bytes] = []
    aws.deliver(os.urandom(16), b"not ours")
    aws.deliver(SESSION, b"ours")
    while not arrived:
        arrived += line.step()
    assert arrived == [b"ours"]


def test_what_is_no_datagram_is_passed_over(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    for event in ('{"a":1}', '"!!"', "", '"', [1, None], {"a": 1}, '"YQ"'):
        aws.say({"type": "data", "id": "replies", "event": event})
    for message in ({"type": "unheard of"}, {}, {"type": "publish_success", "id": 7, "failed": "x"}):
        aws.say(message)
    arrived: list[bytes] = []
    while not arrived:
        arrived += line.step()
    assert arrived == [b"a"]
    assert line.lost is None


def test_what_waits_goes_out_together_five_at_a_time(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    for number in range(12):
        line.send(b"%d" % number)
    step_until(line, lambda: aws.datagrams.qsize() == 12)
    assert aws.batches == [5, 5, 2]
    assert received(aws, 12) == [b"%d" % number for number in range(12)]


def test_a_publish_is_no_larger_than_the_service_takes(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    for number in range(5):
        line.send(bytes([number]) * 180_000)
    step_until(line, lambda: aws.datagrams.qsize() == 5)
    assert aws.batches == [4, 1]


def test_no_more_than_25_publishes_a_second(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    for number in range(45):
        line.send(b"%d" % number)
        line.step()
    step_until(line, lambda: aws.datagrams.qsize() == 45)
    assert sum(aws.batches) == 45
    assert len(aws.batches) < 45  # those that had to wait went out together
    for first, twenty_sixth in zip(aws.batch_times, aws.batch_times[26:], strict=False):
        assert twenty_sixth - first > 0.03


def test_events_that_the_service_did_not_take_are_published_again(aws: Aws, cloud: Cloud) -> None:
    aws.publishes.append({1, 2})
    line = open_soon(cloud)
    for letter in (b"a", b"b", b"c"):
        line.send(letter)
    step_until(line, lambda: aws.datagrams.qsize() == 3)
    assert received(aws, 3) == [b"a", b"b", b"c"]
    assert aws.batches == [3, 2]


def test_an_event_that_the_service_never_takes_is_given_up(aws: Aws, cloud: Cloud) -> None:
    aws.publishes.extend([{0}] * 3)
    line = open_soon(cloud)
    line.send(b"never")
    step_until(line, lambda: len(aws.batches) == 3)
    line.send(b"next")
    step_until(line, lambda: aws.datagrams.qsize() == 1)
    assert received(aws, 1) == [b"next"]


def test_publishing_too_often_slows_down_and_loses_nothing(aws: Aws, cloud: Cloud) -> None:
    aws.publishes.extend([Refusal("TooManyRequestsException", "Rate exceeded")] * 2)
    line = open_soon(cloud)
    started = time.monotonic()
    line.send(b"in the end")
    step_until(line, lambda: aws.datagrams.qsize() == 1)
    assert time.monotonic() - started > 0.7  # half a second's half, and a second's half
    assert line.lost is None


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("UnauthorizedException", "You are not authorized to make this call."),
        Refusal("BadRequestException", "The request signature we calculated does not match"),
        Refusal("com.amazonaws.deepdish#UnauthorizedException"),
    ],
)
def test_a_publish_without_permission_ends_the_line_with_what_was_not_sent(
    aws: Aws, cloud: Cloud, refusal: Refusal
) -> None:
    aws.refuse_publishes = refusal
    line = open_soon(cloud)
    line.send(b"kept")
    step_until(line, lambda: line.lost is not None)
    assert line.denied
    aws.refuse_publishes = None
    another = open_soon(cloud)
    another.resend(line.unsent())
    step_until(another, lambda: another.accepted)
    assert received(aws, 1) == [b"kept"]


def test_a_broadcast_that_failed_is_only_a_loss(aws: Aws, cloud: Cloud) -> None:
    line = open_soon(cloud)
    aws.say({"type": "broadcast_error", "id": "replies", "errors": [{"errorType": "BroadcastError", "message": "m"}]})
    aws.deliver(SESSION, b"next")
    arrived: list[bytes] = []
    while not arrived:
        arrived += line.step()
    assert line.lost is None
    assert line.problem == "BroadcastError: m"


def test_a_young_api_is_asked_again_until_it_knows_its_channels(aws: Aws, cloud: Cloud) -> None:
    aws.handshakes.extend([Refusal("Not Found", http=404), Refusal("InternalFailure", kind="connection_error")])
    aws.subscribes.append(Refusal("BadRequestException", "no such namespace"))
    line = open_soon(cloud)
    assert line.lost is None
    assert aws.handshakes_seen == 4


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("Unauthorized", http=401),
        Refusal("Forbidden", http=403),
        Refusal("TooManyRequests", http=429),
        Refusal("UnauthorizedException", kind="connection_error"),
        Refusal("TooManyRequestsException", kind="connection_error"),
    ],
)
def test_a_refusal_is_not_answered_with_a_hot_loop(aws: Aws, cloud: Cloud, refusal: Refusal) -> None:
    aws.refuse_handshakes = refusal
    with pytest.raises(NoLine, match=refusal.error) as failure:
        open_soon(cloud, within=1.9)
    assert failure.value.denied is (refusal.error[:3] in ("Una", "For"))
    assert 1 <= aws.handshakes_seen <= 2


def test_nobody_waits_for_a_line_that_is_no_longer_wanted(aws: Aws, cloud: Cloud) -> None:
    aws.refuse_handshakes = Refusal("TooManyRequests", http=429)
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(NoLine):
        open_line(cloud, deadline=started + 60, cancelled=cancelled)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("minutes", [10, -10])
@pytest.mark.parametrize("in_handshake", [True, False])
def test_a_clock_that_is_ten_minutes_off_is_put_right_by_the_servers(
    aws: Aws, cloud: Cloud, minutes: int, in_handshake: bool
) -> None:
    if in_handshake:
        aws.handshakes.append(Refusal("InvalidSignatureException", "Signature expired", http=403))
    aws.clock_offset = minutes * 60
    started = time.monotonic()
    line = open_soon(cloud)
    line.send(b"signed by the right clock")
    step_until(line, lambda: line.accepted)
    assert aws.handshakes_seen == 2
    assert time.monotonic() - started < 2  # at once: a wrong clock is no reason to wait


def test_a_server_whose_clock_jumps_about_is_not_followed_for_ever(aws: Aws, cloud: Cloud) -> None:
    aws.refuse_handshakes = Refusal("Forbidden", http=403)
    stop = threading.Event()

    def jump() -> None:
        while not stop.is_set():
            aws.clock_offset += 1000

    jumping = threading.Thread(target=jump)
    jumping.start()
    try:
        with pytest.raises(NoLine):
            open_soon(cloud, within=3.0)
    finally:
        stop.set()
        jumping.join()
    assert aws.handshakes_seen <= 4


def test_an_expired_token_is_replaced_by_the_one_in_the_environment(
    aws: Aws, environment: dict[str, str], cloud: Cloud
) -> None:
    line = open_soon(cloud)
    aws.credentials["AWS_SESSION_TOKEN"] = "renewed"
    line.send(b"kept")
    step_until(line, lambda: line.lost is not None)
    assert line.denied
    environment["AWS_SESSION_TOKEN"] = "renewed"
    another = open_soon(cloud)
    another.resend(line.unsent())
    step_until(another, lambda: another.accepted)
    assert received(aws, 1) == [b"kept"]


def test_without_credentials_there_is_no_line_and_it_says_why(environment: dict[str, str], clock: PushedClock) -> None:
    del environment["AWS_SECRET_ACCESS_KEY"]
    with pytest.raises(NoLine, match="AWS_SECRET_ACCESS_KEY"):
        open_soon(make_cloud(environment, clock), within=0.5)


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_connection_that_the_service_closes_is_noticed_at_once(aws: Aws, cloud: Cloud, abruptly: bool) -> None:
    line = open_soon(cloud)
    aws.deliver(SESSION, b"last words") if not abruptly else None
    aws.close_all(1001, abruptly=abruptly)
    arrived = step_until(line, lambda: line.lost is not None)
    assert arrived == ([] if abruptly else [b"last words"])


def test_a_half_open_socket_is_noticed_when_nothing_is_answered(aws: Aws, cloud: Cloud, clock: PushedClock) -> None:
    line = open_soon(cloud)
    aws.go_silent()
    line.send(b"lost")
    line.step()
    clock.monotonic_ahead += 4.1
    line.step()
    assert line.lost == "no answer"
    assert len(line.unsent()) == 1


def test_silence_in_mid_invocation_is_asked_about_and_then_believed(aws: Aws, cloud: Cloud, clock: PushedClock) -> None:
    line = open_soon(cloud)
    for _ in range(3):  # a live connection answers each time
        clock.monotonic_ahead += 4.1
        line.step()
        heard = line.next_timer()
        step_until(line, lambda before=heard: line.next_timer() != before)
        assert line.lost is None
    aws.go_silent()
    clock.monotonic_ahead += 4.1
    line.step()
    assert line.lost is None
    clock.monotonic_ahead += 4.1
    line.step()
    assert line.lost == "no answer"


def freeze(clock: PushedClock, seconds: float, *, which: str) -> None:
    clock.monotonic_ahead += seconds if which != "wall clock" else 0
    clock.time_ahead += seconds if which != "monotonic clock" else 0


WHICH = ["both clocks", "wall clock", "monotonic clock"]


@pytest.mark.parametrize("which", WHICH)
def test_a_freeze_of_a_second_costs_no_connection(aws: Aws, cloud: Cloud, clock: PushedClock, which: str) -> None:
    line = open_soon(cloud)
    freeze(clock, 1.0, which=which)
    line.send(b"after")
    step_until(line, lambda: line.accepted)
    assert aws.handshakes_seen == 1


@pytest.mark.parametrize("which", WHICH)
def test_after_a_freeze_of_a_minute_a_live_connection_is_kept_and_a_dead_one_noticed_soon(
    aws: Aws, cloud: Cloud, clock: PushedClock, which: str
) -> None:
    line = open_soon(cloud)
    freeze(clock, 60.0, which=which)
    line.send(b"after")
    step_until(line, lambda: line.accepted)
    assert line.lost is None
    aws.go_silent()
    freeze(clock, 60.0, which=which)
    line.send(b"lost")
    line.step()
    clock.monotonic_ahead += 2.1
    line.step()
    assert line.lost == "no answer"
    assert len(line.unsent()) == 1


@pytest.mark.parametrize("which", WHICH)
def test_after_a_freeze_of_ten_minutes_nothing_is_published_on_a_connection_without_keep_alives(
    aws: Aws, cloud: Cloud, clock: PushedClock, which: str
) -> None:
    line = open_soon(cloud)
    freeze(clock, 600.0, which=which)
    line.send(b"kept")
    line.step()
    assert line.lost == "no keep-alive in 600 s"
    assert aws.datagrams.empty()
    assert len(line.unsent()) == 1


def test_a_container_that_idled_for_ten_minutes_without_a_freeze_keeps_its_connection(
    aws: Aws, cloud: Cloud, clock: PushedClock
) -> None:
    line = open_soon(cloud)
    for _ in range(10):
        aws.say({"type": "ka"})
    freeze(clock, 600.0, which="both clocks")
    aws.clock_offset += 600.0
    line.send(b"after")
    step_until(line, lambda: line.accepted)
    assert aws.handshakes_seen == 1


def test_a_freeze_in_mid_publish_leaves_what_was_not_answered_to_the_next_line(
    aws: Aws, cloud: Cloud, clock: PushedClock
) -> None:
    aws.publishes.append(None)
    line = open_soon(cloud)
    line.send(b"answered never")
    line.step()
    freeze(clock, 600.0, which="wall clock")
    line.step()
    assert line.lost == "no keep-alive in 600 s"
    another = open_soon(cloud)
    another.resend(line.unsent())
    step_until(another, lambda: another.accepted)
    assert received(aws, 1) == [b"answered never"]


def test_a_connection_is_replaced_before_the_service_closes_it_after_a_day(
    aws: Aws, cloud: Cloud, clock: PushedClock
) -> None:
    line = open_soon(cloud)
    for _ in range(24 * 60):
        aws.say({"type": "ka"})
    freeze(clock, 23.6 * 3600, which="wall clock")
    line.step()
    assert line.lost == "it is nearly a day old"


def test_keep_alives_that_stop_are_missed_though_the_socket_is_open(aws: Aws, cloud: Cloud, clock: PushedClock) -> None:
    line = open_soon(cloud)
    aws.say({"type": "ka"})
    freeze(clock, 200.0, which="both clocks")
    line.step()
    assert line.lost == "no keep-alive in 200 s"


def test_texts_of_events_hold_nothing_that_an_encoder_would_escape(aws: Aws, cloud: Cloud) -> None:
    """aws-appsync-community#400: a signature is checked against the service's own encoding of the message."""
    line = open_soon(cloud)
    datagrams = [bytes([first, 0xFB, 0xEF, 0xFF][: 1 + first % 4]) for first in range(64)]
    for datagram in datagrams:
        line.send(datagram)
    step_until(line, lambda: aws.datagrams.qsize() == 64)
    assert received(aws, 64) == datagrams
    assert any(letter in base64.b64encode(b"".join(datagrams)) for letter in b"+/")
    with pytest.raises(queue.Empty):
        aws.datagrams.get_nowait()
