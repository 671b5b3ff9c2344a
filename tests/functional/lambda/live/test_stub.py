"""The whole stub in this process, against an AWS and a dev session on loopback."""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.appsync import Aws, Refusal, running_aws
from kit.dev_session import DevSession, echo, serving
from kit.live import PushedClock
from kit.proxy import running_proxy
from skykite_lambda.faults import Fault
from skykite_lambda.live.stub import Stub
from skykite_lambda.wire import Cancelled, Delivered, InvocationHead, Invoke, Raised

OFFLINE = (
    "no `kite dev` is connected to stage `alice` of `notes`; "
    "run `kite dev --local --bridge --stage alice`, or `kite deploy --local --stage alice` to put the code back"
)
HTTP_EVENT = {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}
QUEUE_EVENT = {"Records": [{"messageId": "1", "eventSource": "aws:sqs"}]}


class Context:
    """As Lambda's, as far as the stub looks."""

    aws_request_id = "8f507cfc-1234-4697-b07a-ac58fc914c95"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:notes-alice-Api"
    client_context: Any = None
    identity: Any = None

    def __init__(self, seconds: float = 900) -> None:
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0, self._until - time.monotonic()) * 1000)


Start = Callable[[], Stub]


@pytest.fixture
def start(environment: dict[str, str], clock: PushedClock) -> Start:
    """Starts a container."""

    def start() -> Stub:
        stub = Stub(environment, clock, os.urandom)
        stub.warm_up()
        return stub

    return start


@pytest.fixture
def stub(start: Start) -> Stub:
    """As a container has it after its start."""
    return start()


@pytest.fixture
def dev(aws: Aws) -> Iterator[DevSession]:
    with serving(aws) as session:
        yield session


def failure(stub: Stub, event: Any = QUEUE_EVENT, seconds: float = 900) -> Fault:
    with pytest.raises(Fault) as raised:
        stub.handle(event, Context(seconds))
    return raised.value


def freeze(aws: Aws, clock: PushedClock, seconds: float) -> None:
    """Everything stood still here, and went on elsewhere."""
    clock.time_ahead += seconds
    aws.clock_offset += seconds


# What an invocation is made of.


def test_a_container_is_ready_when_its_start_is_over(aws: Aws, dev: DevSession, stub: Stub) -> None:
    assert aws.subscribed.qsize() == 1
    asked = len(aws.requests_seen)
    assert stub.handle({"a": [1, "ü"]}, Context()) == '{"a":[1,"ü"]}'.encode()
    assert len(aws.requests_seen) == asked  # neither key, nor lease, nor connection


def test_a_second_invocation_uses_the_same_connection(aws: Aws, dev: DevSession, stub: Stub) -> None:
    for number in range(3):
        assert stub.handle(number, Context()) == b"%d" % number
        assert isinstance(dev.wait_for(Delivered), Delivered)
    assert aws.handshakes_seen == 1
    assert len([one for one in aws.requests_seen if "ssm" in one]) == 1


def test_what_lambda_says_of_an_invocation_goes_along(
    aws: Aws, dev: DevSession, environment: dict[str, str], stub: Stub
) -> None:
    class Client:
        installation_id = "i"
        app_title = "t"
        app_version_name = app_version_code = app_package_name = None

    class ClientContext:
        client = Client()
        custom = {"k": "v"}  # noqa: RUF012
        env = None

    class Identity:
        cognito_identity_id = "id"
        cognito_identity_pool_id = "pool"

    context = Context(100)
    context.client_context, context.identity = ClientContext(), Identity()
    environment["_X_AMZN_TRACE_ID"] = "Root=1-2;Parent=3;Sampled=1"
    stub.handle(None, context)
    head = dev.wait_for(Invoke).head
    assert head.function == "Api/Notes"
    assert head.request_id == Context.aws_request_id
    assert head.invoked_function_arn == Context.invoked_function_arn
    assert head.trace_id == "Root=1-2;Parent=3;Sampled=1"
    assert json.loads(head.client_context)["custom"] == {"k": "v"}
    assert json.loads(head.client_context)["client"]["app_title"] == "t"
    assert json.loads(head.identity) == {"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}
    assert 95_000 < head.remaining_ms < 100_000
    assert head.waited_ms < 1000


@pytest.mark.parametrize("size", [1024 * 1024 - 10, 1024 * 1024 + 10, 6 * 1024 * 1024 - 2])
def test_large_payloads_go_both_ways(aws: Aws, dev: DevSession, stub: Stub, size: int) -> None:
    text = "0123456789abcdef" * (size // 16)
    assert stub.handle(text, Context()) == json.dumps(text).encode()
    stored = [name for name in aws.objects if name.startswith(("request-", "result-"))]
    assert len(stored) == (2 if size > 1024 * 1024 else 0)


def test_an_error_of_the_function_is_raised_as_it_was(aws: Aws, start: Start) -> None:
    async def fail(head: InvocationHead, payload: bytes) -> Raised:
        return Raised("notes.NotFound", "no note `1`\nat all", ('  File "a.py", line 1\n', "  x\n"))

    with serving(aws, fail):
        stub = start()
        raised = failure(stub)
        assert (raised.kind, raised.message) == ("notes.NotFound", "no note `1`\nat all")
        assert raised.trace == ['  File "a.py", line 1\n', "  x\n"]
        assert failure(stub, HTTP_EVENT).kind == "notes.NotFound"  # not for us to answer


def test_an_error_of_the_function_that_is_called_as_one_of_ours_is_still_the_functions(aws: Aws, start: Start) -> None:
    async def fail(head: InvocationHead, payload: bytes) -> Raised:
        return Raised("LiveDevLost", "mine", ('  File "a.py", line 1\n',))

    with serving(aws, fail):
        assert failure(start(), HTTP_EVENT).message == "mine"


def test_a_request_that_is_too_large_is_lambdas_error(aws: Aws, dev: DevSession, stub: Stub) -> None:
    assert failure(stub, "x" * 6 * 1024 * 1024).kind == "RequestTooLarge"


# Nobody there.


@pytest.mark.parametrize("left", ["nothing", "a lease that ended", "a lease that ran out"])
def test_with_nobody_connected_the_invocation_fails_at_once(
    aws: Aws, environment: dict[str, str], clock: PushedClock, left: str
) -> None:
    if left != "nothing":
        aws.write_lease(open=left != "a lease that ended", age=61)
    stub = Stub(environment, clock, os.urandom)
    stub.warm_up()
    started = time.monotonic()
    raised = failure(stub)
    assert (raised.kind, raised.message, raised.trace) == ("LiveDevOffline", OFFLINE, [])
    answer = stub.handle(HTTP_EVENT, Context())
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]) == {"error": "LiveDevOffline", "message": OFFLINE}
    assert time.monotonic() - started < 2  # to wait for a claim takes three


def test_nobody_connected_is_said_though_there_is_no_key_and_no_line(
    aws: Aws, environment: dict[str, str], clock: PushedClock
) -> None:
    aws.key = None
    aws.refuse_handshakes = Refusal("Forbidden", http=403)
    aws.delay = lambda request: 0.3 if "s3." in request else 0.0
    stub = Stub(environment, clock, os.urandom)
    started = time.monotonic()
    assert failure(stub).kind == "LiveDevOffline"
    assert time.monotonic() - started < 1


def test_who_comes_after_the_container_started_is_found(aws: Aws, stub: Stub, clock: PushedClock) -> None:
    assert failure(stub).kind == "LiveDevOffline"
    freeze(aws, clock, 6)
    with serving(aws):
        assert stub.handle(1, Context()) == b"1"


def test_who_left_is_missed_at_the_next_invocation(aws: Aws, dev: DevSession, stub: Stub, clock: PushedClock) -> None:
    assert stub.handle(1, Context()) == b"1"
    dev.bye()
    freeze(aws, clock, 11)
    assert failure(stub).kind == "LiveDevOffline"


def test_who_left_a_moment_ago_is_missed_when_nobody_claims(aws: Aws, dev: DevSession, stub: Stub) -> None:
    assert stub.handle(1, Context()) == b"1"
    dev.vanish()
    aws.write_lease(open=False)
    started = time.monotonic()
    assert failure(stub).kind == "LiveDevOffline"
    assert time.monotonic() - started < 5


def test_a_lease_that_cannot_be_read_hides_nobody(aws: Aws, environment: dict[str, str], clock: PushedClock) -> None:
    aws.leases.extend([(503, "SlowDown")] * 3)
    stub = Stub(environment, clock, os.urandom)
    with serving(aws):
        assert stub.handle(1, Context()) == b"1"


def test_somebody_who_is_there_and_does_not_answer_is_lost_and_the_next_time_by_the_lease(
    aws: Aws, stub: Stub, clock: PushedClock
) -> None:
    aws.write_lease()
    freeze(aws, clock, 6)
    aws.write_lease()
    for said in ("but it did not answer", "has not renewed its lease"):
        raised = failure(stub)
        assert raised.kind == "LiveDevLost"
        assert said in raised.message


@pytest.mark.slow
def test_nobody_is_said_to_run_kite_dev_if_the_lease_cannot_be_read(aws: Aws, stub: Stub, clock: PushedClock) -> None:
    aws.leases.extend([(503, "SlowDown")] * 20)
    freeze(aws, clock, 11)
    raised = failure(stub)
    assert raised.kind == "LiveUnreachable"
    assert raised.message == (
        "no `kite dev` of stage `alice` of `notes` answered, and whether one is connected could not be found out: "
        "the lease cannot be read: 503 SlowDown; run `kite dev --local --bridge --stage alice`"
    )


def test_ctrl_c_in_mid_run_is_told_to_the_caller(aws: Aws, start: Start) -> None:
    async def never(head: InvocationHead, payload: bytes) -> bytes:
        await asyncio.sleep(60)
        return b""

    with serving(aws, never) as dev:
        stub = start()
        leaving = threading.Thread(target=lambda: (dev.wait_for(Invoke), dev.bye()))
        leaving.start()
        raised = failure(stub)
        leaving.join()
    assert raised.kind == "LiveDevLost"
    assert "ended while it ran" in raised.message


# What stands in the way at the start, and is tried again.


def test_a_stub_without_its_variable_says_so_and_does_not_crash() -> None:
    stub = Stub({}, PushedClock(), os.urandom)
    stub.warm_up()
    raised = failure(stub)
    assert (raised.kind, raised.message) == (
        "LiveMisconfigured",
        "the function has no variable `KITE_LIVE`; deploy the stage again",
    )
    assert stub.handle(HTTP_EVENT, Context())["statusCode"] == 503


def test_a_missing_key_is_said_and_found_once_it_is_there(
    aws: Aws, environment: dict[str, str], clock: PushedClock
) -> None:
    aws.write_lease()
    key, aws.key = aws.key, None
    stub = Stub(environment, clock, os.urandom)
    stub.warm_up()
    raised = failure(stub)
    assert raised.kind == "LiveNoKey"
    assert (
        "no parameter `/skykite/notes/alice/live-key`; run `kite dev --local --bridge --stage alice`" in raised.message
    )
    aws.key = key
    freeze(aws, clock, 6)
    with serving(aws):
        assert stub.handle(1, Context()) == b"1"


def test_no_route_is_said_in_time_and_tried_again(aws: Aws, environment: dict[str, str], clock: PushedClock) -> None:
    aws.write_lease()
    right, environment["AWS_ENDPOINT_URL"] = environment["AWS_ENDPOINT_URL"], "http://127.0.0.1:9"
    stub = Stub(environment, clock, os.urandom)
    started = time.monotonic()
    raised = failure(stub, seconds=3)
    assert raised.kind in ("LiveUnreachable", "LiveNoKey")  # whichever was first
    assert "127.0.0.1:9" in raised.message
    assert time.monotonic() - started < 3
    environment["AWS_ENDPOINT_URL"] = right
    assert failure(stub, seconds=3).kind in ("LiveUnreachable", "LiveNoKey")  # a stub connects where it was made for


def test_a_function_without_permission_says_so_without_a_hot_loop(
    aws: Aws, environment: dict[str, str], clock: PushedClock
) -> None:
    aws.refuse_handshakes = Refusal("UnauthorizedException", "You are not authorized", kind="connection_error")
    aws.write_lease()
    stub = Stub(environment, clock, os.urandom)
    raised = failure(stub, seconds=3)
    assert raised.kind == "LiveDenied"
    assert "You are not authorized" in raised.message
    assert "or it was deleted" in raised.message
    assert aws.handshakes_seen <= 2


def test_an_http_caller_does_not_read_what_aws_said_of_our_role_and_the_log_has_it(
    aws: Aws, environment: dict[str, str], clock: PushedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = "role arn:aws:iam::123456789012:role/Secret is not authorized"
    aws.refuse_handshakes = Refusal("UnauthorizedException", denied, kind="connection_error")
    aws.write_lease()
    answer = Stub(environment, clock, os.urandom).handle(HTTP_EVENT, Context())
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["error"] == "LiveDenied"
    assert "123456789012" not in answer["body"]
    assert denied in capsys.readouterr().out


def test_a_function_that_may_connect_and_not_publish_says_so_without_a_hot_loop(
    aws: Aws, stub: Stub, clock: PushedClock
) -> None:
    freeze(aws, clock, 6)
    with serving(aws):
        aws.refuse_publishes = Refusal("UnauthorizedException", "You are not authorized")
        raised = failure(stub)
    assert raised.kind == "LiveDenied"
    assert aws.handshakes_seen <= 5


def test_a_key_that_was_replaced_is_read_again(aws: Aws, stub: Stub, clock: PushedClock) -> None:
    other = bytes(32)
    with serving(aws, key=other):
        aws.key = other
        freeze(aws, clock, 6)
        aws.write_lease()
        assert stub.handle(1, Context()) == b"1"
        assert stub.handle(2, Context()) == b"2"


class Echo:
    """A function that tells what it was run with."""

    def __init__(self) -> None:
        self.runs: list[bytes] = []

    async def __call__(self, head: InvocationHead, payload: bytes) -> bytes:
        self.runs.append(payload)
        return payload


def test_a_key_that_was_replaced_after_it_had_served_is_read_again(aws: Aws, start: Start, clock: PushedClock) -> None:
    echo = Echo()
    with serving(aws, echo):
        stub = start()
        assert stub.handle(1, Context()) == b"1"
    other = bytes(32)
    with serving(aws, echo, key=other):
        aws.key = other
        freeze(aws, clock, 11)
        aws.write_lease()
        started = time.monotonic()
        assert stub.handle(2, Context()) == b"2"
        assert time.monotonic() - started < 3
        assert stub.handle(3, Context()) == b"3"
    assert echo.runs == [b"1", b"2", b"3"]


def test_what_a_session_of_the_key_before_may_be_running_is_not_given_to_another(
    aws: Aws, start: Start, clock: PushedClock
) -> None:
    echo = Echo()
    with serving(aws, echo):
        stub = start()
        assert stub.handle(1, Context()) == b"1"
    other = bytes(32)
    with serving(aws, echo, key=other):
        aws.key = other
        freeze(aws, clock, 6)  # so lately that the first session was granted the next invocation beforehand
        aws.write_lease()
        assert failure(stub, event=2).kind == "LiveDevLost"
        assert stub.handle(3, Context()) == b"3"
    assert echo.runs == [b"1", b"3"]


def test_a_session_that_does_not_answer_has_the_key_read_once_and_not_at_each_invocation(
    aws: Aws, stub: Stub, clock: PushedClock
) -> None:
    freeze(aws, clock, 6)
    aws.write_lease()
    asked = len([request for request in aws.requests_seen if "ssm." in request])
    assert failure(stub).kind == "LiveDevLost"
    assert len([request for request in aws.requests_seen if "ssm." in request]) == asked + 1


# Lost, frozen, expired: the list of FACTS §2.


@pytest.mark.parametrize("seconds", [1, 60, 600])
@pytest.mark.parametrize("half_open", [False, True])
def test_a_container_that_was_frozen_answers_its_next_invocation(
    aws: Aws, dev: DevSession, stub: Stub, clock: PushedClock, seconds: float, half_open: bool
) -> None:
    assert stub.handle(1, Context()) == b"1"
    if half_open:
        aws.go_silent()
    freeze(aws, clock, seconds)
    aws.write_lease()
    started = time.monotonic()
    assert stub.handle(2, Context()) == b"2"
    assert time.monotonic() - started < 5
    assert aws.handshakes_seen == (2 if half_open or seconds == 600 else 1)
    assert len([event for event in list(dev.seen.queue) if isinstance(event, Invoke)]) == 2


@pytest.mark.parametrize("seconds", [1, 60, 600])
def test_a_freeze_in_mid_publish_costs_nothing_but_time(
    aws: Aws, dev: DevSession, stub: Stub, clock: PushedClock, seconds: float
) -> None:
    def sleep(channel: str, datagram: bytes) -> bool:
        aws.drop = lambda channel, datagram: False
        for connection in aws.connections:
            connection.silent = True
        freeze(aws, clock, seconds)
        aws.write_lease()  # as a session that goes on does all the time
        return True

    assert stub.handle(1, Context()) == b"1"
    aws.drop = sleep
    assert stub.handle(2, Context(3000)) == b"2"
    assert aws.handshakes_seen == 2


def test_a_connection_that_becomes_half_open_while_the_function_runs_is_replaced_before_it_is_given_up(
    aws: Aws, start: Start
) -> None:
    async def slowly(head: InvocationHead, payload: bytes) -> bytes:
        aws.loop.call_soon(lambda: [setattr(connection, "silent", True) for connection in aws.connections])
        await asyncio.sleep(2)
        return payload

    with serving(aws, slowly):
        stub = start()
        assert stub.handle(1, Context()) == b"1"
    assert aws.handshakes_seen == 2


@pytest.mark.parametrize("hanging", ["line", "key", "lease"])
def test_what_hung_when_the_container_was_frozen_is_begun_anew(
    aws: Aws, start: Start, clock: PushedClock, hanging: str
) -> None:
    """A container may be started well before its first invocation, and be frozen in the middle of it."""
    frozen = threading.Event()

    def delay(request: str) -> float:
        if frozen.is_set() or {"line": "realtime", "key": "ssm.", "lease": "s3."}[hanging] not in request:
            return 0.0
        frozen.set()
        freeze(aws, clock, 600)
        aws.write_lease()
        return math.inf

    aws.delay = delay
    with serving(aws):
        started = time.monotonic()
        assert start().handle(1, Context()) == b"1"
        assert time.monotonic() - started < 4


def test_a_close_after_24_hours_in_mid_run_costs_nothing(aws: Aws, start: Start) -> None:
    async def slowly(head: InvocationHead, payload: bytes) -> bytes:
        threading.Thread(target=aws.close_all, args=(1001,)).start()
        await asyncio.sleep(0.3)
        return payload

    with serving(aws, slowly):
        stub = start()
        assert stub.handle(1, Context()) == b"1"
    assert aws.handshakes_seen == 2


def test_a_close_while_the_container_was_idle_costs_nothing(aws: Aws, dev: DevSession, stub: Stub) -> None:
    for number in range(3):
        aws.close_all(1001, abruptly=number == 2)
        assert stub.handle(number, Context()) == b"%d" % number
    assert aws.handshakes_seen == 4


def test_events_that_the_service_did_not_take_arrive_all_the_same(aws: Aws, dev: DevSession, stub: Stub) -> None:
    aws.publishes.extend([{0, 1, 2}, {1}, Refusal("TooManyRequestsException"), {0}])
    text = "x" * 900_000
    assert stub.handle(text, Context()) == json.dumps(text).encode()


def test_a_token_that_expired_is_renewed_from_the_environment(
    aws: Aws, dev: DevSession, environment: dict[str, str], stub: Stub
) -> None:
    assert stub.handle(1, Context()) == b"1"
    dev.wait_for(Delivered)
    aws.credentials["AWS_SESSION_TOKEN"] = environment["AWS_SESSION_TOKEN"] = "renewed"
    assert stub.handle(2, Context()) == b"2"
    assert aws.handshakes_seen == 1


def test_a_token_that_expires_while_a_publish_is_under_way_costs_one_connection(
    aws: Aws, dev: DevSession, environment: dict[str, str], stub: Stub
) -> None:
    assert stub.handle(1, Context()) == b"1"
    dev.wait_for(Delivered)  # the last publish of that invocation is not the one to be refused
    aws.publishes.append(Refusal("UnauthorizedException", "The security token included in the request is expired"))
    assert stub.handle(2, Context()) == b"2"
    assert aws.handshakes_seen == 2


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_ten_minutes_off_is_noticed_and_put_right(
    aws: Aws, start: Start, clock: PushedClock, minutes: int
) -> None:
    aws.clock_offset = minutes * 60
    with serving(aws):
        stub = start()
        assert stub.handle(1, Context()) == b"1"
    aws.write_lease(age=55)
    freeze(aws, clock, 11)
    assert failure(stub).kind == "LiveDevOffline"


def test_on_aws_nobody_is_told_to_run_something_local(
    aws_tls: ssl.SSLContext, authority_file: str, clock: PushedClock
) -> None:
    with running_aws(aws_tls) as aws, running_proxy({"*": aws.port}, "alice:secret") as proxy:
        environment = {**aws.environment(), "AWS_CA_BUNDLE": authority_file}
        environment["HTTPS_PROXY"] = f"http://alice:secret@127.0.0.1:{proxy.port}"
        del environment["AWS_ENDPOINT_URL"]
        raised = failure(Stub(environment, clock, os.urandom))
    assert raised.kind == "LiveDevOffline"
    assert "run `kite dev --stage alice`, or `kite deploy --stage alice` to put the code back" in raised.message


def test_everything_goes_through_a_proxy_that_wants_a_password(
    aws_tls: ssl.SSLContext, authority_file: str, clock: PushedClock
) -> None:
    with running_aws(aws_tls) as aws, serving(aws), running_proxy({"*": aws.port}, "alice:s:e/c@ret") as proxy:
        environment = {**aws.environment(), "AWS_CA_BUNDLE": authority_file}
        environment["HTTPS_PROXY"] = f"http://alice:s%3Ae%2Fc%40ret@127.0.0.1:{proxy.port}"
        del environment["AWS_ENDPOINT_URL"]
        stub = Stub(environment, clock, os.urandom)
        stub.warm_up()
        assert stub.handle(1, Context()) == b"1"
        services = {place.split(".")[0 if "appsync" not in place else 1] for place in proxy.asked}
        assert services == {"ssm", "s3", "appsync-realtime-api"}
        assert proxy.refused == 0


def test_a_proxy_that_refuses_is_named_in_the_error(environment: dict[str, str], clock: PushedClock) -> None:
    del environment["AWS_ENDPOINT_URL"]
    with running_proxy({}, "alice:secret") as proxy:
        environment["HTTPS_PROXY"] = f"http://alice:wrong@127.0.0.1:{proxy.port}"
        raised = failure(Stub(environment, clock, os.urandom), seconds=2.5)
    assert raised.kind in ("LiveUnreachable", "LiveNoKey")  # whichever was first
    assert f"`127.0.0.1:{proxy.port}`" in raised.message
    assert "407 Proxy Authentication Required; user and password belong into HTTPS_PROXY" in raised.message
    assert "wrong" not in raised.message


@pytest.mark.parametrize("every", [2, 3])
def test_messages_that_get_lost_in_both_directions_arrive_in_the_end(aws: Aws, start: Start, every: int) -> None:
    count = 0

    def drop(channel: str, datagram: bytes) -> bool:
        nonlocal count
        count += 1
        return count % every == 0

    runs: list[bytes] = []

    async def once(head: InvocationHead, payload: bytes) -> bytes:
        runs.append(payload)
        return payload

    aws.drop = drop
    with serving(aws, once):
        stub = start()
        for number in range(4):
            assert stub.handle(number, Context()) == b"%d" % number
    assert runs == [b"0", b"1", b"2", b"3"]


def test_lambdas_own_time_out_is_told_before_it_strikes(aws: Aws, start: Start) -> None:
    async def never(head: InvocationHead, payload: bytes) -> bytes:
        await asyncio.sleep(60)
        return b""

    with serving(aws, never) as dev:
        stub = start()
        started = time.monotonic()
        assert failure(stub, seconds=2).kind == "LiveDeadline"
        assert time.monotonic() - started < 2
        assert dev.wait_for(Cancelled).started


def test_a_late_upload_of_one_invocation_is_not_taken_for_anothers(aws: Aws, dev: DevSession, stub: Stub) -> None:
    aws.delay = lambda request: 2.0 if request.startswith("PUT") else 0.0
    assert failure(stub, "x" * 2_000_000, seconds=1.5).kind == "LiveDeadline"
    assert stub.handle("y" * 2_000_000, Context()) == b'"' + b"y" * 2_000_000 + b'"'


def test_nothing_is_kept_from_an_invocation_that_was_given_up(aws: Aws, start: Start) -> None:
    async def never(head: InvocationHead, payload: bytes) -> bytes:
        await asyncio.sleep(60 if payload == b"1" else 0)
        return payload

    with serving(aws, never):
        stub = start()
        assert failure(stub, 1, seconds=1.5).kind == "LiveDeadline"
        assert stub.handle(2, Context()) == b"2"


def test_echo_is_what_these_tests_take_it_for() -> None:
    assert asyncio.run(echo(InvocationHead("", "", ""), b"x")) == b"x"
    with running_aws() as aws:
        assert aws.port
