"""The dev session's end of AppSync Events, against one that behaves and all the kinds that do not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from kit.appsync import CREDENTIALS
from kit.cloud import RealClock
from kit.event_api import API, APP, REPLIES, REQUESTS, STAGE, EventApiServer, No
from kit.transport import HURRIED, Heard, SleepyClock, connected
from kit.websocket import server_frame
from skykite.errors import SkykiteError
from skykite.live.appsync import AppSyncTransport
from skykite.live.transport import DATAGRAM_LIMIT

STUB = bytes.fromhex("5e" * 16)
NOBODY = bytes(16)
DENIED = No(401, "UnauthorizedException", "You are not authorized to make this call.")
THROTTLED = No(429, "TooManyRequestsException", "Rate exceeded")


async def test_what_is_published_for_the_stage_arrives_and_what_is_sent_reaches_the_stubs_channel(
    service: EventApiServer,
) -> None:
    whole = os.urandom(DATAGRAM_LIMIT)
    async with connected(service) as (transport, heard):
        assert heard.states == ["connected"]
        service.deliver(b"", b"one", whole)
        await heard.until(lambda: len(heard.datagrams) == 3)
        assert heard.datagrams == [b"", b"one", whole]
        transport.publish(STUB, [b"two", whole])
        transport.publish(NOBODY, [b"three"])
        await service.until(lambda: len(service.published) == 2)
        assert {one.channel: one.datagrams for one in service.published} == {
            f"{REPLIES}/{STUB.hex()}": (b"two", whole),
            REQUESTS: (b"three",),
        }


async def test_events_are_taken_as_an_array_too(service: EventApiServer) -> None:
    service.as_array = True
    async with connected(service) as (_, heard):
        service.deliver(b"one", b"two")
        await heard.until(lambda: heard.datagrams == [b"one", b"two"])


async def test_what_is_no_datagram_is_passed_over(service: EventApiServer) -> None:
    async with connected(service) as (_, heard):
        for event in ('{"a":1}', '"!!"', "", '"', [1, None], {"a": 1}):
            service.connections[0].send({"type": "data", "id": "requests", "event": event})
        service.connections[0].send({"type": "unheard of"})
        service.connections[0].send({"type": "broadcast_error", "errors": [{"errorType": "Lost"}]})
        service.deliver(b"a")
        await heard.until(lambda: heard.datagrams)
        assert heard.datagrams == [b"a"]
        assert heard.states == ["connected"]


async def test_datagrams_for_one_stub_that_wait_go_out_together_within_the_limits(service: EventApiServer) -> None:
    async with connected(service, at_once=1) as (transport, _):
        small = [bytes([number]) for number in range(12)]
        large = [os.urandom(DATAGRAM_LIMIT) for _ in range(9)]  # 240 KB each as text: four fit into 1.2 MB
        transport.publish(STUB, small + large)
        await service.until(lambda: sum(len(one.datagrams) for one in service.published) == 21)
        assert [len(one.datagrams) for one in service.published] == [5, 5, 5, 4, 2]
        assert [one for publish in service.published for one in publish.datagrams] == small + large


async def test_a_datagram_that_no_event_can_hold_is_dropped_alone(service: EventApiServer) -> None:
    async with connected(service) as (transport, _):
        transport.publish(STUB, [bytes(240 * 1024), b"fits"])
        await service.until(lambda: service.published)
        assert service.published[0].datagrams == (b"fits",)
        assert transport.counts.dropped == 1


async def test_a_stub_that_is_sent_much_does_not_keep_another_waiting(service: EventApiServer) -> None:
    async with connected(service, at_once=1) as (transport, _):
        transport.publish(STUB, [bytes([number]) for number in range(50)])
        transport.publish(bytes([7] * 16), [b"other"])
        await service.until(lambda: len(service.published) == 11)
        assert [one.datagrams for one in service.published].index((b"other",)) <= 2


async def test_connections_are_kept_and_no_more_than_needed_are_made(service: EventApiServer) -> None:
    async with connected(service) as (transport, _):
        for number in range(20):
            transport.publish(STUB, [bytes([number])])
            await service.until(lambda: transport.counts.sent == number + 1)  # noqa: B023
        assert service.tcp_connections == 2  # one of them the WebSocket's


async def test_many_publishes_run_at_once_but_not_more_than_allowed(service: EventApiServer) -> None:
    async with connected(service, at_once=8) as (transport, _):
        service.hang_posts = True
        for number in range(100):
            transport.publish(bytes([number + 1] * 16), [b"x"])
        await service.until(lambda: service.most_under_way == 8)
        assert transport.counts.requests == 8


async def test_a_kept_connection_that_the_service_closed_costs_nothing(service: EventApiServer) -> None:
    service.close_after_post = True
    async with connected(service) as (transport, heard):
        for number in range(10):
            transport.publish(STUB, [bytes([number])])
            await service.until(lambda: transport.counts.sent == number + 1)  # noqa: B023
        assert transport.counts.lost == 0
        assert heard.states == ["connected"]


async def test_events_that_were_not_taken_are_counted_as_lost(service: EventApiServer) -> None:
    service.failing.append({0, 2})
    async with connected(service) as (transport, _):
        transport.publish(STUB, [b"a", b"b", b"c"])
        await service.until(lambda: service.published)
        await service.until(lambda: transport.counts.sent)
        assert service.published[0].datagrams == (b"b",)
        assert (transport.counts.sent, transport.counts.lost) == (1, 2)


# What networks and the service do


async def test_a_connection_that_the_service_closes_is_made_again_at_once(service: EventApiServer) -> None:
    """As it does after 24 hours."""
    async with connected(service) as (_, heard):
        service.close_all(1001)
        await heard.until(lambda: heard.states == ["connected", "closed", "connected"])
        service.deliver(b"again")
        await heard.until(lambda: heard.datagrams == [b"again"])


async def test_a_message_in_pieces_with_a_ping_between_them_arrives_whole(service: EventApiServer) -> None:
    async with connected(service) as (_, heard):
        text = json.dumps({"type": "data", "id": "requests", "event": '"b25l"'}).encode()
        pieces = [server_frame(1, text[:5]), server_frame(0, text[5:9]), server_frame(0, text[9:])]
        first, second, last = (bytearray(one) for one in pieces)
        first[0] &= 0x7F  # there is more
        second[0] &= 0x7F
        for byte in bytes(first + server_frame(9, b"there?") + second + server_frame(9, b"") + last):
            service.connections[0].writer.write(bytes([byte]))
            await service.connections[0].writer.drain()
        await heard.until(lambda: heard.datagrams == [b"one"])
        assert heard.states == ["connected"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x81\x81aaaab", "bits that were not agreed on"),
        (b"\xc1\x01b", "bits that were not agreed on"),
        (server_frame(2, b"bytes"), "bytes instead of text"),
        (server_frame(0, b"more"), "a fragment out of order"),
        (b"\x89\x7e\x00\x80", "a long or fragmented control frame"),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), "a message of more than"),
    ],
    ids=["masked", "reserved bit", "binary", "fragment", "long ping", "too large"],
)
async def test_a_service_that_breaks_the_protocol_is_left_and_met_again(
    service: EventApiServer, data: bytes, said: str
) -> None:
    async with connected(service) as (_, heard):
        service.connections[0].writer.write(data)
        await heard.until(lambda: heard.states == ["connected", "closed", "connected"])
        assert said in heard.disconnections[0].message
        service.deliver(b"again")
        await heard.until(lambda: heard.datagrams == [b"again"])


async def test_a_connection_is_replaced_before_the_service_closes_it_and_nothing_is_missed(
    service: EventApiServer,
) -> None:
    async with connected(service, renew_s=0.05) as (_, heard):
        sent = 0
        while len(service.subscribes_at) < 5:
            service.deliver(str(sent).encode())
            sent += 1
            await asyncio.sleep(0)
        await heard.until(lambda: len(set(heard.datagrams)) == sent)
        assert heard.states == ["connected"]
        await service.until(lambda: len(service.connections) <= 3)  # then the old one is closed


async def test_what_is_on_its_way_over_a_connection_that_was_replaced_still_arrives(service: EventApiServer) -> None:
    async with connected(service, renew_s=0.05, overlap_s=30) as (_, heard):
        first = service.connections[0]
        await service.until(lambda: len(service.subscribes_at) == 4)
        first.send({"type": "data", "id": "requests", "event": '"YQ"'})
        await heard.until(lambda: heard.datagrams == [b"a"])
    await service.until(lambda: not service.connections)


async def test_a_half_open_connection_is_noticed_by_its_silence(service: EventApiServer) -> None:
    async with connected(service, silence_s=0.1) as (_, heard):
        service.go_silent()
        await heard.until(lambda: heard.states[:3] == ["connected", "silent", "connected"])
        assert heard.disconnections[0].message == f"nothing was heard from `{API.realtime_host}` for 0 s"


async def test_the_service_says_how_long_its_silence_may_last(service: EventApiServer) -> None:
    service.timeout_ms = 100
    async with connected(service) as (_, heard):
        await heard.until(lambda: "silent" in heard.states)


async def test_keep_alives_keep_a_connection_on_which_nothing_else_is_said(service: EventApiServer) -> None:
    service.ka_s = 0.02
    async with connected(service, silence_s=0.2) as (_, heard):
        began = asyncio.get_running_loop().time()
        await heard.until(lambda: asyncio.get_running_loop().time() - began > 0.5)
        assert heard.states == ["connected"]
        assert len(service.handshakes_at) == 1


async def test_a_machine_that_slept_connects_again_at_once(service: EventApiServer) -> None:
    """SST #3828, #403: sleep or a night kills the session."""
    clock = SleepyClock()
    async with connected(service, clock=clock) as (transport, heard):
        service.go_silent()  # what was open is dead, and nobody says so
        clock.sleep(hours=8)
        await heard.until(lambda: heard.states == ["connected", "slept", "connected"])
        assert heard.disconnections[0].message == "this machine has slept for 8 h"
        assert len(service.subscribes_at) == 2
        transport.publish(STUB, [b"awake"])
        await service.until(lambda: service.published)


async def test_a_connection_that_a_sleeping_machine_kept_for_publishing_is_not_used_again(
    service: EventApiServer,
) -> None:
    clock = SleepyClock()
    async with connected(service, clock=clock) as (transport, heard):
        transport.publish(STUB, [b"before"])
        await service.until(lambda: service.published)
        made = service.tcp_connections
        clock.sleep(minutes=20)
        await heard.until(lambda: heard.states[-1] == "connected" and len(heard.states) == 3)
        transport.publish(STUB, [b"after"])
        await service.until(lambda: len(service.published) == 2)
        assert service.tcp_connections == made + 2


async def test_a_clock_that_is_set_back_is_no_sleep(service: EventApiServer) -> None:
    clock = SleepyClock()
    async with connected(service, clock=clock) as (_, heard):
        clock.sleep(minutes=-10)
        began = asyncio.get_running_loop().time()
        await heard.until(lambda: asyncio.get_running_loop().time() - began > 0.1)
        assert heard.states == ["connected"]


async def test_a_fresh_api_that_refuses_for_a_while_is_tried_again(service: EventApiServer) -> None:
    """SST #5507."""
    service.handshakes.extend([No(404, "ResourceNotFoundException"), No(500, "InternalFailure")])
    service.subscribes.extend([No(400, "BadRequestException", "no such namespace"), None])
    async with connected(service) as (_, heard):
        assert heard.states == ["refused", "connected"]
        assert heard.disconnections[0].message.endswith("refuses the connection: 404 ResourceNotFoundException")


async def test_refused_signatures_do_not_make_it_spin(service: EventApiServer) -> None:
    """SST #5855 looped hot on 401."""
    async with connected(service) as (_, heard):
        service.refuse_handshakes = DENIED
        before = len(service.handshakes_at)
        service.close_all()
        began = asyncio.get_running_loop().time()
        await heard.until(lambda: asyncio.get_running_loop().time() - began > 2.0)
        assert heard.states == ["connected", "closed", "denied"]  # said once
        assert 2 <= len(service.handshakes_at) - before <= 4
        service.refuse_handshakes = None
        await heard.until(lambda: heard.states[-1] == "connected")


async def test_connections_that_end_as_soon_as_they_are_made_do_not_make_it_spin(service: EventApiServer) -> None:
    async with connected(service) as (_, heard):
        before = len(service.handshakes_at)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 2.0:
            service.close_all()
            await asyncio.sleep(0.001)
        assert len(service.handshakes_at) - before <= 5
        await heard.until(lambda: heard.states[-1] == "connected")


async def test_a_service_that_takes_leave_at_any_step_of_connecting_is_tried_again(service: EventApiServer) -> None:
    for step in ("handshake", "connection_init", "subscribe"):
        service.leave_at = step
        async with connected(service) as (_, heard):
            assert heard.states[-1] == "connected"
            assert heard.states[0] in ("closed", "refused"), step


async def test_too_many_requests_make_it_pause_and_what_waits_is_sent_afterwards(service: EventApiServer) -> None:
    async with connected(service) as (transport, heard):
        service.posts.extend([THROTTLED] * 3)
        for number in range(3):  # these are refused together
            transport.publish(bytes([number + 1] * 16), [b"refused"])
        await service.until(lambda: transport.counts.lost == 3)
        transport.publish(STUB, [b"waits"])
        await service.until(lambda: service.published)
        assert [one.datagrams for one in service.published] == [(b"waits",)]
        assert service.posts_at[-1] - service.posts_at[2] > 0.2
        assert heard.states == ["connected"]  # not worth telling


async def test_throttling_that_lasts_makes_it_slower_and_is_told(
    service: EventApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skykite.live.circuit.PATIENCE_S", 0.5)
    async with connected(service) as (transport, heard):
        service.refuse_posts = THROTTLED
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 2.0:
            transport.publish(STUB, [b"x"])
            await asyncio.sleep(0.01)
        assert len(service.posts_at) <= 4
        assert heard.states == ["connected", "throttled"]
        service.refuse_posts = None
        await heard.until(lambda: heard.states[-1] == "connected")


async def test_publishing_that_is_denied_is_told_at_once_and_does_not_spin(service: EventApiServer) -> None:
    async with connected(service) as (transport, heard):
        service.refuse_posts = DENIED
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 2.0:
            transport.publish(STUB, [b"x"])
            await asyncio.sleep(0.005)
        assert heard.states == ["connected", "denied"]
        assert len(service.posts_at) <= 4
        service.refuse_posts = None
        await heard.until(lambda: heard.states[-1] == "connected")
        assert transport.counts.sent > 0


async def test_a_service_that_answers_nothing_does_not_stop_what_comes_in(service: EventApiServer) -> None:
    async with connected(service) as (transport, heard):
        service.hang_posts = True
        transport.publish(STUB, [b"x"])
        service.deliver(b"one")
        await heard.until(lambda: heard.datagrams)


async def test_datagrams_that_waited_too_long_are_dropped_since_they_were_sent_again(
    service: EventApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skykite.live.publisher._OLD_S", 0.1)
    async with connected(service) as (transport, _):
        service.posts.append(THROTTLED)
        transport.publish(STUB, [b"refused"])
        await service.until(lambda: transport.counts.lost)
        transport.publish(STUB, [b"old"])
        await service.until(lambda: transport.counts.dropped, within=5)
        transport.publish(STUB, [b"new"])
        await service.until(lambda: service.published)
        assert [one.datagrams for one in service.published] == [(b"new",)]


async def test_what_waits_is_bounded(service: EventApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skykite.live.publisher._MOST_WAITING", 1000)
    async with connected(service, at_once=1) as (transport, _):
        service.hang_posts = True
        for _ in range(100):
            transport.publish(STUB, [bytes(100)])
        assert transport.counts.dropped >= 85


# Credentials


async def test_credentials_that_have_ended_are_renewed_and_a_new_connection_made(
    service: EventApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token expiry: what is signed with the old token is refused; the profile has another one by then."""
    tokens = tmp_path / "credentials.json"
    program = tmp_path / "program.py"
    program.write_text(f"print(open({str(tokens)!r}).read())")
    (tmp_path / "config").write_text(f"[profile p]\ncredential_process = {sys.executable} {program}\n")

    def have(token: str, key: str) -> None:
        document = {"Version": 1, "AccessKeyId": key, "SessionToken": token, "Expiration": "2099-01-01T00:00:00Z"}
        tokens.write_text(json.dumps({**document, "SecretAccessKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}))

    have(CREDENTIALS["AWS_SESSION_TOKEN"], CREDENTIALS["AWS_ACCESS_KEY_ID"])
    session = service.session(access_key_id=None, secret_access_key=None, session_token=None, profile="p")
    async with connected(service, aws=session) as (transport, heard):
        service.verifier.credentials = {
            **CREDENTIALS,
            "AWS_SESSION_TOKEN": "another",
            "AWS_ACCESS_KEY_ID": "ASIAANOTHER",
        }
        have("another", "ASIAANOTHER")
        transport.publish(STUB, [b"refused"])
        await heard.until(lambda: heard.states == ["connected", "denied"])
        await service.until(lambda: len(service.subscribed()) == 1 and len(service.subscribes_at) == 2)
        assert service.keys_seen == [CREDENTIALS["AWS_ACCESS_KEY_ID"], "ASIAANOTHER"]
        transport.publish(STUB, [b"taken"])
        await service.until(lambda: service.published)
        await heard.until(lambda: heard.states[-1] == "connected")


async def test_a_sign_in_that_has_ended_is_told_with_what_to_do(
    service: EventApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    good = {
        "Version": 1,
        "AccessKeyId": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": CREDENTIALS["AWS_SESSION_TOKEN"],
        "Expiration": "2099-01-01T00:00:00Z",
    }
    program.write_text(f"print({json.dumps(good)!r})")
    (tmp_path / "config").write_text(f"[profile p]\ncredential_process = {sys.executable} {program}\n")
    session = service.session(access_key_id=None, secret_access_key=None, session_token=None, profile="p")
    async with connected(service, aws=session) as (transport, heard):
        program.write_text("import sys; sys.exit('sign in first')")
        service.verifier.credentials = {**CREDENTIALS, "AWS_SESSION_TOKEN": "another"}
        transport.publish(STUB, [b"refused"])
        await heard.until(lambda: any("sign in first" in said.message for said in heard.disconnections))
        assert heard.disconnections[-1].reason == "denied"
        assert heard.disconnections[-1].hint


@pytest.mark.parametrize("noticed", ["connecting", "publishing"])
async def test_an_api_that_was_deleted_is_told_as_that_and_not_as_a_matter_of_permissions(
    service: EventApiServer, noticed: str
) -> None:
    async with connected(service) as (transport, heard):
        service.deleted = True
        if noticed == "connecting":
            service.refuse_handshakes = DENIED
            service.close_all()
        else:
            service.refuse_posts = DENIED
            transport.publish(STUB, [b"x"])
        await heard.until(lambda: heard.states[-1] == "refused")
        told = heard.disconnections[-1]
        assert told.message == "the Event API `abcdefghij` of the stack `skykite-bootstrap` was deleted"
        assert told.hint == "start `kite dev` again, which makes a new one; so for every other stage that is live"


# The first connection


async def test_an_api_that_was_deleted_is_not_waited_for(service: EventApiServer) -> None:
    service.deleted, service.refuse_handshakes = True, DENIED
    with pytest.raises(SkykiteError) as raised:
        async with connected(service, patience_s=60.0):
            pass
    assert "was deleted" in raised.value.message
    assert "makes a new one" in str(raised.value.hint)


async def test_a_service_that_never_lets_us_in_is_an_error_that_says_what_to_allow(service: EventApiServer) -> None:
    service.refuse_handshakes = DENIED
    with pytest.raises(SkykiteError) as raised:
        async with connected(service, patience_s=0.2):
            pass
    assert raised.value.code == "bridge-denied"
    assert "You are not authorized to make this call" in raised.value.message
    assert "appsync:EventSubscribe" in str(raised.value.hint)


async def test_a_service_that_is_not_there_is_an_error_that_names_it(service: EventApiServer) -> None:
    with pytest.raises(SkykiteError) as raised:
        async with connected(service, aws=service.session(endpoint_url="http://127.0.0.1:1"), patience_s=0.2):
            pass
    assert raised.value.code == "bridge-unreachable"
    assert "cannot reach `127.0.0.1:1`" in raised.value.message


async def test_nobody_who_is_signed_in_is_an_error_of_their_own(service: EventApiServer) -> None:
    session = service.session(access_key_id=None, secret_access_key=None, session_token=None)
    with pytest.raises(SkykiteError) as raised:
        async with connected(service, aws=session):
            pass
    assert raised.value.code == "aws-no-credentials"


async def test_a_cancelled_connect_leaves_nothing_behind(service: EventApiServer) -> None:
    service.refuse_handshakes = DENIED
    session = service.session()
    transport = AppSyncTransport(aws=session, api=API, app=APP, stage=STAGE, clock=RealClock(), pace=HURRIED)
    before = asyncio.all_tasks()
    connecting = asyncio.create_task(transport.connect(Heard()))
    await service.until(lambda: service.handshakes_at)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() - before if task.get_name().startswith("bridge")]
    assert left == []
    session.close()


async def test_what_was_published_last_is_sent_before_it_leaves(service: EventApiServer) -> None:
    async with connected(service, at_once=1) as (transport, _):
        transport.publish(STUB, [bytes([number]) for number in range(20)])
    assert sum(len(one.datagrams) for one in service.published) == 20


async def test_leaving_does_not_wait_for_a_service_that_answers_nothing(service: EventApiServer) -> None:
    async with connected(service) as (transport, _):
        service.hang_posts = True
        transport.publish(STUB, [b"x"])
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 2.0
