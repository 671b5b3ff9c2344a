"""A dev session that ends, as stubs that it does not keep waiting see it."""

from __future__ import annotations

import os

from skykite_lambda.wire import DevMachine, InvocationHead, Invoke, Returned, StubMachine

KEY = bytes(range(32))


def served_stub() -> tuple[DevMachine, StubMachine]:
    """A session and a stub that has its answer; what the stub said to it is lost."""
    dev = DevMachine(b"d" * 16, 1, KEY, os.urandom, 0.0)
    stub = StubMachine(b"s" * 16, KEY, os.urandom, 0.0)
    stub.begin(InvocationHead("F", "r", "arn"), b"1", 0.0)
    for now in (0.01, 0.02):
        to_dev(stub, dev, now)
        to_stub(dev, stub, now)
    to_dev(stub, dev, 0.03)
    (invoke,) = [event for event in dev.events() if isinstance(event, Invoke)]
    dev.returned(invoke.id, b"2", 0.04)
    to_stub(dev, stub, 0.04)
    assert stub.outcome == Returned(b"2")
    stub.outgoing()
    return dev, stub


def to_dev(stub: StubMachine, dev: DevMachine, now: float) -> None:
    for _, datagram in stub.outgoing():
        dev.receive(datagram, now)


def to_stub(dev: DevMachine, stub: StubMachine, now: float) -> int:
    found = [datagram for address, datagram in dev.outgoing() if address == stub.session]
    for datagram in found:
        stub.receive(datagram, now)
    return len(found)


def test_a_stub_that_was_served_lately_is_told() -> None:
    dev, stub = served_stub()
    assert stub.contact == 0.04
    dev.bye("stopped", 0.05)
    to_stub(dev, stub, 0.05)
    assert stub.contact is None


def test_what_the_session_repeats_after_its_bye_is_no_sign_of_life() -> None:
    dev, stub = served_stub()
    dev.bye("stopped", 0.05)
    to_stub(dev, stub, 0.05)
    dev.tick(2.0)
    assert to_stub(dev, stub, 2.0) > 0  # the answer again, which it thinks is lost
    assert stub.contact is None


def test_what_it_said_before_its_bye_and_comes_after_it_is_none_either() -> None:
    dev, stub = served_stub()
    stub.hello("F", 0.05)
    to_dev(stub, dev, 0.05)
    late = [datagram for _, datagram in dev.outgoing()]
    dev.bye("stopped", 0.06)
    to_stub(dev, stub, 0.06)
    for datagram in late:
        stub.receive(datagram, 0.07)
    assert stub.contact is None


def test_the_next_session_is_one() -> None:
    dev, stub = served_stub()
    dev.bye("stopped", 0.05)
    to_stub(dev, stub, 0.05)
    stub.begin(InvocationHead("F", "r2", "arn"), b"1", 1.0)
    following = DevMachine(b"e" * 16, 2, KEY, os.urandom, 1.0)
    to_dev(stub, following, 1.0)
    to_stub(following, stub, 1.0)
    assert stub.contact == 1.0


def test_only_those_who_were_served_lately_are_told_and_not_too_many_of_them() -> None:
    dev = DevMachine(b"d" * 16, 1, KEY, os.urandom, 0.0)
    for number in range(150):
        stub = StubMachine(number.to_bytes(16, "big"), KEY, os.urandom, 0.0)
        stub.hello("F", 0.1)
        to_dev(stub, dev, 100.0 if number > 1 else 0.1)
    dev.outgoing()
    dev.bye("stopped", 100.5)
    told = {address for address, _ in dev.outgoing()}
    assert len(told) == 100
    assert (1).to_bytes(16, "big") not in told
