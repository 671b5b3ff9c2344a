"""What a dev session takes from whom, and how much."""

from __future__ import annotations

import pytest

from kit.network import Dev, Network, Stub, spoken
from skykite_lambda.wire import Cancelled, Delivered, Invoke, dev, messages
from skykite_lambda.wire.envelope import STUB
from skykite_lambda.wire.limits import LARGEST_TEXT, MOST_CANCELLED_EARLY, MOST_LINES, RESULT_HELD
from skykite_lambda.wire.messages import Message


def say(network: Network, stub: Stub, to: Dev, message: Message) -> None:
    """Somebody with the key says what it should not."""
    stub.machine._link.send(to.machine.session, messages.encode(message), None, network.now, network.now + 5.0)
    stub.settle()
    network.run(0.2)


@pytest.fixture
def network() -> Network:
    return Network()


def test_another_container_cannot_cancel_or_grant_an_invocation(network: Network) -> None:
    session = network.dev(work=1.0)
    stub, other = network.stub(), network.stub(freezes=False)
    network.tamper = lambda sender, address, datagram: None if sender is stub and grants(datagram) else datagram
    call = network.call(stub)
    network.run(0.2)
    (record,) = session.machine._records.values()
    say(network, other, session, messages.Grant(record.id, record.claim))
    say(network, other, session, messages.Cancel(record.id, "because"))
    assert not session.events(Invoke)
    assert not session.events(Cancelled)
    network.tamper = None
    network.run(5.0)
    assert call.returned


def grants(datagram: bytes) -> bool:
    return any(isinstance(message, messages.Grant) for message in spoken(datagram))


def test_a_request_that_is_not_as_long_as_it_says_is_refused(network: Network) -> None:
    session, stub = network.dev(), network.stub(freezes=False)
    for size, payload in ((3, b"four"), (2_000_000, b"four"), (7 * 2**20, b"")):
        invoke = messages.Invoke(b"i" * 16, "Fn", "r", "a", None, None, None, 9000, 0, None, size, b"", payload)
        say(network, stub, session, invoke)
    assert session.machine.counters.malformed == 3
    assert session.machine.retained["records"] == 0


def test_requests_that_find_no_room_come_again(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "MOST_HELD", 50_000)
    session = network.dev(work=0.1)
    session.sleep(0.5)
    calls = [network.call(network.stub(), network.chance.randbytes(20_000)) for _ in range(10)]
    most = 0
    for _ in range(200):
        network.run(0.02)
        most = max(most, session.machine.retained["held"])
    assert 20_000 <= most <= 50_000
    network.run(20.0)
    assert all(call.returned for call in calls)


def test_more_invocations_than_it_can_remember_wait(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "MOST_RECORDS", 5)
    session = network.dev(work=0.1)
    calls = [network.call(network.stub(), timeout=60.0) for _ in range(6)]
    network.run(2.0)
    assert sum(call.returned for call in calls) == 5
    assert session.machine.retained["records"] == 5
    network.run(60.0)
    assert calls[-1].outcome is not None
    assert len(session.events(Invoke)) == 5


def test_a_call_that_is_cancelled_before_it_comes_is_not_run(network: Network) -> None:
    session, stub = network.dev(), network.stub(freezes=False)
    say(network, stub, session, messages.Cancel(b"i" * 16, "over"))
    invoke = messages.Invoke(b"i" * 16, "Fn", "r", "a", None, None, None, 9000, 0, None, 4, b"", b"four")
    said: list[Message] = []
    network.tap = lambda sender, address, datagram: said.extend(spoken(datagram))
    say(network, stub, session, invoke)
    assert said == [invoke], "nobody claims it"


def test_cancelling_what_never_comes_does_not_take_the_room_of_what_does(network: Network) -> None:
    session, stub = network.dev(), network.stub(freezes=False)
    session.machine.heard(stub.machine.session, STUB, None, network.now)
    for number in range(MOST_CANCELLED_EARLY + 100):
        cancel = messages.encode(messages.Cancel(number.to_bytes(16, "big"), "over"))
        session.machine.taken(stub.machine.session, cancel, 0.0, network.now, note=True)
    assert session.machine.retained["records"] == MOST_CANCELLED_EARLY
    session.settle()
    network.run(60.0)
    assert session.machine.retained["records"] == 0
    say(network, stub, session, messages.Cancel(b"i" * 16, "over"))
    assert session.machine.retained["records"] == 1


@pytest.mark.parametrize(
    ("message", "trace"),
    [
        ("x" * 5_000_000, ["line\n"]),
        ("short", ["y" * 5_000_000]),
        ("short", ["line\n"] * 100_000),
        ("short", ["z" * 100_000] * 50),
    ],
)
def test_an_error_of_any_length_gets_through(network: Network, message: str, trace: list[str]) -> None:
    session = network.dev()
    call = network.call(network.stub(freezes=False))
    session.errors[call.number] = ("ValueError", message, trace)
    network.run(RESULT_HELD)
    assert call.error == "ValueError"
    assert len(call.outcome.message) <= LARGEST_TEXT + 1  # type: ignore[union-attr]
    assert len(call.outcome.trace) <= MOST_LINES  # type: ignore[union-attr]
    assert call.outcome.trace[0][0] == trace[0][0]  # type: ignore[union-attr]
    assert session.events(Delivered)


def test_what_the_shell_says_of_unknown_or_finished_invocations_is_nothing(network: Network) -> None:
    session = network.dev()
    call = network.call(network.stub(freezes=False))
    network.run(5.0)
    assert call.returned
    for one in (b"u" * 16, *session.machine._records):
        session.machine.returned(one, b"again", network.now)
        session.machine.raised(one, "E", "m", (), network.now)
        session.machine.upload_url(one, "u", [], network.now)
        session.machine.fetched(one, b"", network.now)
        session.machine.download_url(one, "u", network.now)
        session.machine.failed(one, "r", network.now)
    assert session.machine.outgoing() == []
    assert session.machine.events() == []
