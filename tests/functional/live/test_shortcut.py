"""Publishing on the WebSocket while that may be done, and over HTTP otherwise."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from kit.event_api import REPLIES, EventApiServer, No
from kit.transport import connected

STUB = bytes.fromhex("5e" * 16)
THROTTLED = No(429, "LimitExceededError", "Rate exceeded")
DENIED = No(401, "UnauthorizedException", "You are not authorized to make this call.")


async def test_a_few_small_datagrams_need_no_request(service: EventApiServer) -> None:
    async with connected(service, websocket_publishes=20) as (transport, _):
        for number in range(5):
            transport.publish(STUB, [bytes([number]), b"x"])
            await service.until(lambda: len(service.published) == number + 1)  # noqa: B023
        assert {one.channel for one in service.published} == {f"{REPLIES}/{STUB.hex()}"}
        assert [one.datagrams for one in service.published] == [(bytes([number]), b"x") for number in range(5)]
        await service.until(lambda: transport.counts.sent == 10)
        assert service.posts_at == []


async def test_what_is_more_than_a_websocket_may_publish_goes_over_http(service: EventApiServer) -> None:
    async with connected(service, websocket_publishes=20) as (transport, heard):
        began = time.monotonic()
        for number in range(100):
            transport.publish(bytes([number + 1] * 16), [b"x"])
        await service.until(lambda: len(service.published) == 100)
        most = 21 + 20 * (time.monotonic() - began)
        assert len(service.websocket_publishes_at) <= most
        assert len(service.posts_at) >= 100 - most
        assert heard.states == ["connected"]


async def test_large_datagrams_go_over_http(service: EventApiServer) -> None:
    async with connected(service, websocket_publishes=20) as (transport, _):
        transport.publish(STUB, [os.urandom(100_000)])
        await service.until(lambda: service.published)
        assert service.websocket_publishes_at == []


@pytest.mark.parametrize("refusal", [THROTTLED, DENIED, No(500, "InternalFailure")])
async def test_what_the_websocket_refuses_goes_over_http_and_the_connection_stays(
    service: EventApiServer, refusal: No
) -> None:
    service.websocket_publishes.append(refusal)
    async with connected(service, websocket_publishes=20) as (transport, heard):
        transport.publish(STUB, [b"refused"])
        await service.until(lambda: service.published)
        transport.publish(STUB, [b"next"])
        await service.until(lambda: len(service.published) == 2)
        assert [one.datagrams for one in service.published] == [(b"refused",), (b"next",)]
        assert len(service.websocket_publishes_at) == 1  # not again for a while
        assert heard.states == ["connected"]


async def test_events_that_were_not_taken_are_counted_as_lost(service: EventApiServer) -> None:
    service.failing.append({1})
    async with connected(service, websocket_publishes=20) as (transport, _):
        transport.publish(STUB, [b"a", b"b", b"c"])
        await service.until(lambda: transport.counts.sent == 2)
        assert transport.counts.lost == 1


async def test_a_half_open_connection_is_noticed_by_what_it_does_not_answer(
    service: EventApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skykite.live.subscription.ANSWER_S", 0.2)
    async with connected(service, websocket_publishes=20) as (transport, heard):
        service.go_silent()
        transport.publish(STUB, [b"into the void"])
        await heard.until(lambda: heard.states == ["connected", "silent", "connected"])
        assert "did not answer for" in heard.disconnections[0].message
        await service.until(lambda: service.published)  # it was sent again
        assert service.published[0].datagrams == (b"into the void",)


async def test_what_was_under_way_when_the_service_closed_is_sent_again(service: EventApiServer) -> None:
    async with connected(service, websocket_publishes=20) as (transport, heard):
        service.go_silent()
        transport.publish(STUB, [b"lost with it"])
        service.close_all(abruptly=True)
        await service.until(lambda: service.published)
        assert service.published[0].datagrams == (b"lost with it",)
        await heard.until(lambda: heard.states[-1] == "connected")


async def test_while_http_is_refused_small_datagrams_still_go_and_that_counts_as_working(
    service: EventApiServer,
) -> None:
    async with connected(service, websocket_publishes=20) as (transport, heard):
        service.refuse_posts = DENIED
        transport.publish(STUB, [os.urandom(100_000)])
        await heard.until(lambda: heard.states == ["connected", "denied"])
        transport.publish(STUB, [b"small"])
        await service.until(lambda: service.published)
        await heard.until(lambda: heard.states == ["connected", "denied", "connected"])


async def test_what_was_said_last_is_sent_before_it_leaves(service: EventApiServer) -> None:
    async with connected(service, websocket_publishes=20) as (transport, _):
        for number in range(10):
            transport.publish(bytes([number + 1] * 16), [b"bye"])
    await service.until(lambda: len(service.published) == 10)
    await asyncio.sleep(0)
    assert len(service.published) == 10
