"""What is served, and how it ends: ports, updates, time-outs, failures, stop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.gateway import Functions, Gate, Recorder, System, failed, make_api, make_request, running, until
from skykite.errors import SkykiteError
from skykite.gateway import Gateway
from skykite.model.events import ErrorRaised, HttpFinished
from skykite.model.manifest import RouteEntry, UnservedRoute
from skykite.model.names import ConstructPath, FunctionId

SLOW = RouteEntry(key="GET /slow", function=FunctionId("Notes/GET --slow"), timeout_ms=50)


def make_gateway() -> Gateway:
    system = System()
    return Gateway(invoker=Functions(lambda *_: "ok"), events=Recorder(), clock=system, ids=system)


def own_name() -> str:
    return Path(f"/proc/{os.getpid()}/comm").read_text().strip()


async def closed(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return True
    writer.close()
    return False


async def test_every_request_is_told_of_once() -> None:
    async with running(make_api("GET /notes/{id}")) as here:
        await here.ask(target="/notes/a%20b?q=1")
        await here.ask(target="/nowhere")
        assert [(event.method, event.path, event.status, event.function) for event in here.events.finished] == [
            ("GET", "/notes/a b", 200, "Notes/GET /notes/{id}"),
            ("GET", "/nowhere", 404, None),
        ]
        assert here.events.finished[0].request_id == here.functions.invocations[0].request_id
        assert all(event.duration_ms > 0 for event in here.events.finished)


async def test_what_is_not_found_is_answered_404() -> None:
    async with running(make_api("GET /notes")) as here:
        response = await here.ask("POST", "/notes")
        assert (response.status, response.body) == (404, b'{"message":"Not Found"}')
        assert response.get("content-type") == "application/json"
        assert response.get("apigw-requestid")


async def test_a_route_that_is_not_served_here_is_answered_by_no_other() -> None:
    api = make_api("ANY /{proxy+}", "$default")
    entry = replace(api.entry, unserved=(UnservedRoute(key="GET /admin", reason="it asks for a JSON web token"),))
    async with running(replace(api, entry=entry)) as here:
        refused = await here.ask(target="/admin")
        assert (refused.status, refused.body) == (
            501,
            b'{"message":"Skykite does not serve `GET /admin` on this machine: it asks for a JSON web token."}',
        )
        assert (await here.ask("POST", "/admin")).status == 200
        assert [event.function for event in here.events.finished] == [None, "Notes/ANY /{proxy+}"]


async def test_a_function_that_fails_is_answered_500_without_its_secrets() -> None:
    async with running(handler=lambda *_: failed(text="password is hunter2")) as here:
        response = await here.ask()
        assert (response.status, response.body) == (500, b'{"message":"Internal Server Error"}')


async def test_a_function_that_cannot_be_run_now_is_answered_503() -> None:
    async with running(handler=lambda *_: failed("unavailable")) as here:
        response = await here.ask()
        assert (response.status, response.body) == (503, b'{"message":"Service Unavailable"}')


async def test_a_response_api_gateway_cannot_use_is_answered_500_and_explained() -> None:
    async with running(make_api("GET /"), handler=lambda *_: {"statusCode": 200, "body": {"a": 1}}) as here:
        response = await here.ask()
        assert (response.status, response.body) == (500, b'{"message":"Internal Server Error"}')
        [notice] = here.events.notices
        assert (notice.notice, notice.message, notice.hint) == (
            "response-malformed",
            (
                '`Notes/GET /` returned `body` `{"a": 1}`, which is not a string; try json.dumps(...);'
                " API Gateway answers 500 to that"
            ),
            "return text, a list, or a dict; or one with `statusCode`, `headers` and a string `body`",
        )


async def test_an_invoker_that_raises_costs_one_request_and_is_told() -> None:
    def handler(event: dict[str, Any], _: object) -> Any:
        if event["rawPath"] == "/broken":
            raise RuntimeError("out of workers")
        if event["rawPath"] == "/foreseen":
            raise SkykiteError("handler-not-found", "no `main`")
        return "ok"

    async with running(handler=handler) as here, here.wire() as wire:
        for target, status in (("/broken", 500), ("/foreseen", 500), ("/", 200)):
            await wire.send(make_request("GET", target))
            assert (await wire.receive()).status == status
        errors = [event for event in here.events.events if isinstance(event, ErrorRaised)]
        assert [(error.error, error.message, error.blame) for error in errors] == [
            ("invocation-failed", "`Notes/$default` could not be asked: RuntimeError: out of workers", "skykite"),
            ("handler-not-found", "no `main`", "user"),
        ]


async def test_a_function_slower_than_its_integration_is_answered_503_and_runs_on() -> None:
    gate = asyncio.Event()

    async def handler(*_: object) -> str:
        await gate.wait()
        return "late"

    async with running(make_api(SLOW, "GET /"), handler=handler) as here, here.wire() as wire:
        await wire.send(make_request("GET", "/slow"))
        response = await wire.receive()
        assert (response.status, response.body) == (503, b'{"message":"Service Unavailable"}')
        [notice] = here.events.notices
        assert (notice.notice, notice.message, notice.hint) == (
            "integration-timeout",
            (
                "`Notes/GET --slow` has not answered `GET /slow` after 0.05 s;"
                " API Gateway answers 503 while the function runs on"
            ),
            "HTTP APIs wait 30 s at most: answer early and go on in a queue",
        )
        await wire.send(make_request("GET", "/"))
        await until(lambda: len(here.functions.invocations) == 2)
        gate.set()
        assert (await wire.receive()).body == b"late", "the late answer goes to nobody"
        assert len(here.functions.done) == 2
        assert [event.status for event in here.events.finished] == [503, 200]


async def test_under_a_debugger_nothing_is_timed_out() -> None:
    async def handler(*_: object) -> str:
        await asyncio.sleep(0.2)
        return "late"

    async with running(make_api(SLOW), handler=handler, integration_timeouts=False) as here:
        assert (await here.ask(target="/slow")).body == b"late"


async def test_format_1_0_is_spoken_where_a_route_asks_for_it() -> None:
    route = RouteEntry(key="GET /{name}", function=FunctionId("F"), payload_format="1.0")
    returned = {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "x"}
    async with running(make_api(route), handler=lambda *_: returned) as here:
        response = await here.ask(target="/caf%C3%A9")
        assert response.all("set-cookie") == ["a=1", "b=2"]
        assert (here.event["version"], here.event["path"]) == ("1.0", "/caf%C3%A9")
        assert here.event["pathParameters"] == {"name": "café"}


async def test_routes_change_in_place_and_requests_under_way_end_as_they_began() -> None:
    gate = asyncio.Event()

    async def handler(event: dict[str, Any], _: object) -> Any:
        if event["routeKey"] == "GET /old":
            await gate.wait()
        return event["routeKey"]

    async with running(make_api("GET /old"), handler=handler) as here, here.wire() as wire:
        await wire.send(make_request("GET", "/old"))
        await until(lambda: len(here.functions.invocations) == 1)
        [endpoint] = await here.gateway.serve([make_api("GET /new")])
        assert endpoint.url == here.url, "the port is kept"
        gate.set()
        assert (await wire.receive()).body == b"GET /old"
        for target, status in (("/old", 404), ("/new", 200)):
            await wire.send(make_request("GET", target))
            assert (await wire.receive()).status == status


async def test_a_request_that_has_to_wait_is_routed_by_what_stands_when_it_may_go_on() -> None:
    gate = Gate()
    async with running(make_api("GET /old"), admission=gate) as here, here.wire() as wire:
        await wire.send(make_request("GET", "/new"))
        await here.gateway.serve([make_api("GET /new")])
        assert not here.functions.invocations
        gate.open()
        assert (await wire.receive()).status == 200
        await wire.send(make_request("GET", "/old"))
        assert (await wire.receive()).status == 404


async def test_a_request_that_still_waits_when_the_gateway_stops_is_answered_503() -> None:
    async with running(admission=Gate()) as here, here.wire() as wire, here.wire() as other:
        await wire.send(make_request())
        await other.send(b"nonsense\r\n\r\n")
        assert (await other.receive()).status == 400, "by now the first request is in"
        await here.gateway.stop()
        assert (await wire.receive()).status == 503
        assert not here.functions.invocations


async def test_a_request_let_in_while_the_gateway_stops_is_still_answered() -> None:
    gate = Gate()
    async with running(admission=gate) as here, here.wire() as wire, here.wire() as other:
        await wire.send(make_request())
        await other.send(b"nonsense\r\n\r\n")
        await other.receive()
        stopping = asyncio.create_task(here.gateway.stop())
        while not await closed(here.port):
            pass
        gate.open()
        await stopping
        assert (await wire.receive()).body == b"ok"


async def test_apis_come_and_go_without_disturbing_the_others() -> None:
    async with running(make_api("GET /", path="A")) as here, here.wire() as wire:
        first, second = await here.gateway.serve([make_api("GET /", path="A"), make_api("GET /", path="B")])
        assert (first.path, second.path) == (ConstructPath("A"), ConstructPath("B"))
        assert first.url == here.url != second.url
        port = int(second.url.rsplit(":", 1)[1])
        assert not await closed(port)
        await here.gateway.serve([make_api("GET /", path="A")])
        assert await closed(port)
        await wire.send(make_request())
        assert (await wire.receive()).status == 200


async def test_another_port_moves_an_api() -> None:
    async with running(make_api("GET /")) as here:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        [endpoint] = await here.gateway.serve([make_api("GET /", port=port)])
        assert endpoint.url == f"http://127.0.0.1:{port}"
        assert await closed(here.port)
        assert not await closed(port)


async def test_a_named_stage_is_part_of_the_url() -> None:
    async with running(make_api("GET /", stage="dev")) as here:
        assert here.url.endswith("/dev")
        assert (await here.ask(target="/dev/")).status == 200


async def test_only_this_machine_can_connect() -> None:
    async with running() as here:
        with socket.socket() as other:
            other.settimeout(1)
            addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
            for address in addresses - {"127.0.0.1", "127.0.1.1"}:
                with pytest.raises(OSError, match=r".+"):
                    other.connect((address, here.port))
        assert not await closed(here.port)


async def test_a_taken_port_is_named_with_who_holds_it_and_nothing_changes() -> None:
    async with running(make_api("GET /", path="A")) as here:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(SkykiteError) as caught:
                await here.gateway.serve([make_api("GET /x", path="A"), make_api("GET /", path="B", port=port)])
        error = caught.value
        holder = f"`{own_name()}` (process {os.getpid()})" if sys.platform == "linux" else "another process"
        assert (error.code, error.message, error.hint) == (
            "port-in-use",
            f"`B` cannot be served on port `{port}`: {holder} listens there",
            "stop that process, or choose another port with `--port`",
        )
        assert (await here.ask(target="/")).status == 200, "the old routes still stand"
        assert (await here.ask(target="/x")).status == 404


async def test_ports_opened_before_one_is_taken_are_closed_again() -> None:
    async with running() as here:
        with socket.create_server(("127.0.0.1", 0)) as free:
            opened = free.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(SkykiteError):
                await here.gateway.serve(
                    [make_api("GET /", path="A", port=opened), make_api("GET /", path="B", port=port)]
                )
        assert await closed(opened)


async def test_one_port_for_two_apis_is_refused() -> None:
    gateway = make_gateway()
    with pytest.raises(SkykiteError) as caught:
        await gateway.serve([make_api("GET /", path="A", port=40_001), make_api("GET /", path="B", port=40_001)])
    assert (caught.value.code, caught.value.message) == (
        "port-in-use",
        "`A` and `B` are both to be served on port `40001`",
    )


async def test_routes_that_are_wrong_change_nothing() -> None:
    async with running(make_api("GET /")) as here:
        with pytest.raises(SkykiteError) as caught:
            await here.gateway.serve([make_api("GET /{a}", "GET /{b}")])
        assert caught.value.code == "routes-alike"
        assert (await here.ask()).status == 200


async def test_stopping_lets_requests_under_way_finish() -> None:
    async def handler(*_: object) -> str:
        await asyncio.sleep(0.2)
        return "done"

    async with running(handler=handler) as here, here.wire() as wire, here.wire() as idle:
        await wire.send(make_request())
        await until(lambda: len(here.functions.invocations) == 1)
        await here.gateway.stop()
        response = await wire.receive()
        assert (response.body, response.get("connection")) == (b"done", "close")
        assert await wire.at_end()
        assert await idle.at_end()
        assert await closed(here.port)


async def test_stopping_waits_a_second_at_most() -> None:
    cancelled = asyncio.Event()

    async def handler(*_: object) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return "never"

    async with running(handler=handler) as here, here.wire() as wire:
        await wire.send(make_request())
        await until(lambda: len(here.functions.invocations) == 1)
        before = asyncio.get_running_loop().time()
        await here.gateway.stop()
        assert asyncio.get_running_loop().time() - before < 2
        assert cancelled.is_set()
        assert (await wire.receive()).status == 503


async def test_stopping_twice_or_before_serving_is_fine() -> None:
    gateway = make_gateway()
    await gateway.stop()
    await gateway.serve([make_api("GET /")])
    await gateway.stop()
    await gateway.stop()


async def test_many_clients_at_once_all_get_their_own_answer() -> None:
    async def handler(event: dict[str, Any], _: object) -> str:
        await asyncio.sleep(0)
        return event["rawPath"]

    async with running(handler=handler) as here:

        async def client(number: int) -> None:
            async with here.wire() as wire:
                for turn in range(20):
                    await wire.send(make_request("GET", f"/{number}/{turn}"))
                    assert (await wire.receive()).body == f"/{number}/{turn}".encode()

        await asyncio.gather(*(client(number) for number in range(50)))
        assert len([event for event in here.events.events if isinstance(event, HttpFinished)]) == 1000


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not exist there")
def test_it_serves_on_uvloop_as_well() -> None:
    import uvloop

    async def main() -> None:
        async with running(handler=lambda event, _: event["rawPath"]) as here, here.wire() as wire:
            await wire.send(make_request("GET", "/a") + make_request("GET", "/b") + b"nonsense\r\n\r\n")
            answers = [await wire.receive() for _ in range(3)]
            assert [(answer.status, answer.body[:2]) for answer in answers] == [
                (200, b"/a"),
                (200, b"/b"),
                (400, b'{"'),
            ]
            assert await wire.at_end()
            with pytest.raises(SkykiteError) as caught:
                await here.gateway.serve(
                    [make_api("GET /", path="Notes/Api"), make_api("GET /", path="B", port=here.port)]
                )
            assert caught.value.code == "port-in-use"

    uvloop.run(main())
