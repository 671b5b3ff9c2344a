"""HTTP/1.1 over real sockets: what clients may do, and what they must not get away with."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from kit.gateway import Wire, make_api, make_request, running, until
from skykite.gateway import Limits

BIG = 10 * 1024 * 1024
HELLO = make_request("GET", "/hello")


async def test_a_request_is_answered_with_the_headers_of_api_gateway() -> None:
    returned = {"statusCode": 200, "headers": {"content-type": "text/plain", "x-myHeader": "1"}, "body": "Hello"}
    async with running(make_api("GET /hello"), handler=lambda event, _: returned) as here:
        response = await here.ask(target="/hello?a=1")
        assert (response.status, response.reason, response.body) == (200, "OK", b"Hello")
        assert [name for name, _ in response.headers] == [
            "Content-Type",
            "X-Myheader",
            "Date",
            "Content-Length",
            "Connection",
            "Apigw-Requestid",
        ]
        assert response.get("apigw-requestid") == here.event["requestContext"]["requestId"]
        assert here.functions.invocations[0].trigger.label == "GET /hello"
        assert here.functions.invocations[0].trace_id == here.event["headers"]["x-amzn-trace-id"]


async def test_connections_are_kept() -> None:
    async with running() as here, here.wire() as wire:
        for _ in range(3):
            await wire.send(HELLO)
            assert (await wire.receive()).get("connection") == "keep-alive"


async def test_pipelined_requests_are_answered_in_order_though_later_ones_are_quicker() -> None:
    async def handler(event: dict, _: object) -> str:  # type: ignore[type-arg]
        await asyncio.sleep(0.05 if event["rawPath"] == "/0" else 0)
        return event["rawPath"]

    async with running(handler=handler) as here, here.wire() as wire:
        await wire.send(b"".join(make_request("GET", f"/{number}") for number in range(40)))
        assert [(await wire.receive()).body for _ in range(40)] == [f"/{number}".encode() for number in range(40)]


async def test_a_request_that_comes_while_another_is_answered_waits_for_its_turn() -> None:
    gate = asyncio.Event()

    async def handler(event: dict, _: object) -> str:  # type: ignore[type-arg]
        if event["rawPath"] == "/first":
            await gate.wait()
        return event["rawPath"]

    async with running(handler=handler) as here, here.wire() as wire, here.wire() as other:
        await wire.send(make_request("GET", "/first"))
        await until(lambda: len(here.functions.invocations) == 1)
        await wire.send(make_request("GET", "/second"))
        await other.send(make_request("GET", "/other"))
        assert (await other.receive()).body == b"/other", "other connections do not wait"
        assert len(here.functions.invocations) == 2
        gate.set()
        assert [(await wire.receive()).body for _ in range(2)] == [b"/first", b"/second"]


async def test_a_request_may_come_byte_by_byte() -> None:
    async with running(handler=lambda event, _: event["body"]) as here, here.wire() as wire:
        for byte in make_request("POST", "/", headers={"Content-Type": "text/plain"}, body="é".encode()):
            await wire.send(bytes([byte]))
        assert (await wire.receive()).body == "é".encode()


async def test_chunked_bodies_arrive_whole_and_their_trailers_are_no_headers() -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n" + HELLO
        )
        assert (await wire.receive()).status == 200
        event = json.loads(here.functions.invocations[0].payload)
        assert event["body"] == "abcde"
        assert event["headers"]["content-length"] == "5"
        assert not {"x-trailer", "transfer-encoding"} & set(event["headers"])
        assert (await wire.receive()).status == 200


async def test_compressed_bodies_are_left_alone() -> None:
    packed = gzip.compress(b"{}", mtime=0)
    async with running() as here:
        await here.ask("POST", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}, body=packed)
        assert here.event["isBase64Encoded"] is True


async def test_a_client_that_waits_for_100_continue_is_asked_for_its_body() -> None:
    async with running(handler=lambda event, _: event["body"]) as here, here.wire() as wire:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
        await wire.send(head + b"Expect: 100-continue\r\n\r\n")
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"hi")
        assert (await wire.receive()).body == b"hi"


async def test_100_continue_waits_for_its_turn() -> None:
    gate = asyncio.Event()

    async def handler(event: dict, _: object) -> str:  # type: ignore[type-arg]
        await gate.wait()
        return "first" if event["rawPath"] == "/hello" else "second"

    async with running(handler=handler) as here, here.wire() as wire:
        await wire.send(
            HELLO + b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        )
        await until(lambda: len(here.functions.invocations) == 1)
        gate.set()
        assert (await wire.receive()).body == b"first"
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"x")
        assert (await wire.receive()).body == b"second"


async def test_an_offer_to_upgrade_is_passed_over_and_the_body_still_read() -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "x", "Content-Type": "text/a"}
    async with running(handler=lambda event, _: event.get("body", "none")) as here, here.wire() as wire:
        await wire.send(
            make_request("POST", "/a", headers=offer, body=b"abc") + make_request("GET", "/b", headers=offer)
        )
        await wire.send(make_request("POST", "/c", headers=offer, body=b"def"))
        assert [(await wire.receive()).body for _ in range(3)] == [b"abc", b"none", b"def"]
        assert [event.path for event in here.events.finished] == ["/a", "/b", "/c"]


async def test_head_is_answered_without_a_body() -> None:
    returned = {"statusCode": 200, "body": "Hello"}
    async with running(make_api("ANY /hello"), handler=lambda *_: returned) as here, here.wire() as wire:
        await wire.send(make_request("HEAD", "/hello") + HELLO)
        head = await wire.receive(head_only=True)
        assert (head.status, head.get("content-length")) == (200, "5")
        assert (await wire.receive()).body == b"Hello"


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_that_have_no_body_get_none(status: int) -> None:
    async with running(handler=lambda *_: {"statusCode": status, "body": "x"}) as here, here.wire() as wire:
        await wire.send(HELLO + HELLO)
        for _ in range(2):
            response = await wire.receive()
            assert (response.status, response.get("content-length")) == (status, None)


async def test_connection_close_is_kept_to() -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(make_request("GET", "/", headers={"Connection": "close"}))
        assert (await wire.receive()).get("connection") == "close"
        assert await wire.at_end()


@pytest.mark.parametrize(
    ("head", "connection"),
    [(b"Host: localhost\r\n", "close"), (b"Host: localhost\r\nConnection: keep-alive\r\n", "keep-alive")],
)
async def test_http_1_0_closes_unless_asked_to_stay(head: bytes, connection: str) -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(b"GET / HTTP/1.0\r\n" + head + b"\r\n")
        assert (await wire.receive()).get("connection") == connection
        assert here.event["requestContext"]["http"]["protocol"] == "HTTP/1.0"


async def test_a_client_that_only_closes_its_half_still_gets_its_answer() -> None:
    gate = asyncio.Event()

    async def handler(*_: object) -> str:
        await gate.wait()
        return "late"

    async with running(handler=handler) as here, here.wire() as wire:
        await wire.send(HELLO)
        wire.writer.write_eof()
        await until(lambda: len(here.functions.invocations) == 1)
        gate.set()
        assert (await wire.receive()).body == b"late"
        assert await wire.at_end()


async def test_a_client_that_hangs_up_does_not_stop_the_function() -> None:
    gate = asyncio.Event()

    async def handler(*_: object) -> str:
        await gate.wait()
        return "late"

    async with running(handler=handler) as here:
        async with here.wire() as wire:
            await wire.send(HELLO)
            await until(lambda: len(here.functions.invocations) == 1)
            wire.writer.transport.abort()
        gate.set()
        await until(lambda: len(here.functions.done) == 1)
        await until(lambda: len(here.events.finished) == 1)
        assert (await here.ask()).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"FETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_malformed_http_is_answered_400_and_the_connection_closed(data: bytes) -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(data)
        response = await wire.receive()
        assert (response.status, response.body) == (400, b'{"message":"Bad Request"}')
        assert response.get("connection") == "close"
        assert await wire.at_end()
        assert [event.status for event in here.events.finished] == [400]
        assert not here.functions.invocations
        assert (await here.ask()).status == 200, "others are served on"


async def test_what_came_before_malformed_http_is_answered_first() -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(HELLO + HELLO + b"nonsense\r\n\r\n")
        assert [(await wire.receive()).status for _ in range(3)] == [200, 200, 400]
        assert await wire.at_end()


async def test_a_request_without_a_host_is_malformed() -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await wire.receive()).status == 400


async def test_a_strangers_name_for_this_machine_is_refused_in_clear_words() -> None:
    async with running() as here:
        response = await here.ask(headers={"Host": "evil.example.com"})
        assert response.status == 403
        assert response.json() == {
            "message": "Skykite serves this API on this machine only, and `evil.example.com` is not a name of it."
            " Use localhost, 127.0.0.1 or a1b2c3d4e5.execute-api.<region>.amazonaws.com as Host."
        }
        assert not here.functions.invocations


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_240 + b"\r\n\r\n",
        b"GET /" + b"a" * 10_240 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(2000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    ],
    ids=["a long header", "a long path", "many headers", "a header without an end"],
)
async def test_too_large_a_head_is_answered_431(data: bytes) -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(data)
        response = await wire.receive()
        assert (response.status, response.body) == (431, b'{"message":"Request Header Fields Too Large"}')
        assert await wire.at_end()


async def test_a_head_of_just_the_allowed_size_passes() -> None:
    async with running() as here:
        spare = 10_240 - len("/") - len("Host") - len("127.0.0.1") - len("X")
        assert (await here.ask(headers={"X": "a" * spare})).status == 200
        assert (await here.ask(headers={"X": "a" * (spare + 1)})).status == 431


async def test_a_body_announced_too_large_is_refused_before_it_is_sent() -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10485761\r\n\r\n"
        )
        response = await wire.receive()
        assert (response.status, response.body) == (413, b'{"message":"Request Entity Too Large"}')
        assert [(event.method, event.path, event.status) for event in here.events.finished] == [("POST", "/", 413)]


async def test_a_client_that_sends_too_large_a_body_all_the_same_can_read_the_answer() -> None:
    async with running() as here:
        response = await here.ask("PUT", "/file", body=bytes(BIG + 1))
        assert (response.status, response.body) == (413, b'{"message":"Request Entity Too Large"}')


async def test_a_chunked_body_that_grows_too_large_is_refused() -> None:
    async with running(limits=Limits(body=100)) as here, here.wire() as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wire.send(b"40\r\n" + bytes(64) + b"\r\n40\r\n" + bytes(64) + b"\r\n")
        assert (await wire.receive()).status == 413


async def test_a_response_of_many_megabytes_reaches_a_slow_reader_whole() -> None:
    text = "x" * 6_000_000
    async with running(handler=lambda *_: text) as here, here.wire() as wire:
        await wire.send(HELLO * 4)
        for _ in range(4):
            assert len((await wire.receive(timeout=30)).body) == len(text)


async def test_unread_answers_hold_back_the_functions_behind_them() -> None:
    text = "x" * 2_000_000
    async with running(handler=lambda *_: text) as here, here.wire() as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(HELLO * 16)
        await until(lambda: len(here.functions.done) >= 1)
        reached = -1
        while reached != len(here.functions.done):
            reached = len(here.functions.done)
            for _ in range(50):
                await asyncio.sleep(0)
        assert reached < 16
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(16):
            assert len((await wire.receive(timeout=30)).body) == len(text)


async def test_headers_that_dribble_in_are_timed_out() -> None:
    async with running(limits=Limits(head_time=0.2)) as here, here.wire() as wire:
        await wire.send(b"GET / HTTP/1.1\r\n")
        answer = asyncio.create_task(wire.receive())
        started = asyncio.get_running_loop().time()
        while not (await asyncio.wait([answer], timeout=0.02))[0]:
            await wire.send(b"X-A: 1\r\n")
        assert (answer.result().status, answer.result().body) == (408, b'{"message":"Request Timeout"}')
        assert asyncio.get_running_loop().time() - started < 2
        assert await wire.at_end()


async def test_a_body_that_does_not_come_is_timed_out() -> None:
    async with running(limits=Limits(body_time=0.1)) as here, here.wire() as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
        assert (await wire.receive()).status == 408


async def test_idle_connections_are_closed_but_not_while_a_function_runs() -> None:
    async def handler(*_: object) -> str:
        await asyncio.sleep(0.4)
        return "late"

    async with running(handler=handler, limits=Limits(idle_time=0.1)) as here, here.wire() as wire:
        await wire.send(HELLO)
        assert (await wire.receive()).body == b"late"
        assert await wire.at_end()


async def test_a_client_that_never_leaves_after_an_error_is_left() -> None:
    async with running(limits=Limits(linger_time=0.1)) as here, here.wire() as wire:
        await wire.send(b"nonsense\r\n\r\n")
        assert (await wire.receive()).status == 400
        assert wire.reader.at_eof() or await wire.at_end()
        with pytest.raises(ConnectionError):
            await send_for_ever(wire)


async def send_for_ever(wire: Wire) -> None:
    async with asyncio.timeout(10):
        while True:
            await wire.send(b"x" * 1000)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("endless", [b"0\r\nX: ", b"0\r\n", b"1;"], ids=["trailer", "trailers", "chunk-extension"])
async def test_what_never_ends_beside_a_body_is_refused(endless: bytes) -> None:
    unit = b"X: a\r\n" * 10_000 if endless == b"0\r\n" else b"a" * 60_000
    async with running() as here, here.wire() as wire:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        await wire.send(head + endless)
        await wire.send(unit * 10)
        assert (await wire.receive()).status == 431


async def test_a_large_body_in_small_chunks_is_not_taken_for_something_endless() -> None:
    async with running(handler=lambda event, _: len(event["body"])) as here, here.wire() as wire:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
        await wire.send(head + b"1\r\na\r\n" * 300_000 + b"0\r\n\r\n")
        assert (await wire.receive()).body == b"300000"


async def test_two_hosts_are_malformed_since_only_one_could_be_checked() -> None:
    async with running() as here, here.wire() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert (await wire.receive()).status == 400


async def test_a_head_that_comes_in_the_same_piece_as_a_large_body_is_not_counted_with_it() -> None:
    body = b"a" * 200_000
    async with running(handler=lambda event, _: event["rawPath"]) as here, here.wire() as wire:
        first = b"POST /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        await wire.send(first + b"GET /second HTTP/1.1\r\nHo")
        assert (await wire.receive()).body == b"/first"
        await wire.send(b"st: localhost\r\n\r\n")
        assert (await wire.receive()).body == b"/second"
