"""Somebody who has the key says whatever it likes: nothing raises, nothing grows, nothing is run twice."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from skykite_lambda.wire import (
    ANYONE,
    DevMachine,
    Fetch,
    InvocationHead,
    Invoke,
    NeedDownloadUrl,
    NeedUploadUrl,
    StageKey,
    StubMachine,
    items,
    messages,
)
from skykite_lambda.wire.envelope import DEV, DEVS, STUB, Envelope, seal
from skykite_lambda.wire.limits import INLINE_PAYLOAD
from skykite_lambda.wire.messages import LAYOUTS

SECRET = b"k" * 32
KEY = StageKey(SECRET)
STUB_SESSION, DEV_SESSION = b"s" * 16, b"d" * 16
STRANGERS = [b"x" * 16, b"y" * 16]


def any_value(name: str, ids: st.SearchStrategy[bytes]) -> st.SearchStrategy[Any]:
    if name.endswith(", or nothing"):
        return st.none() | any_value(name.removesuffix(", or nothing"), ids)
    if name.startswith("several: "):
        return st.lists(any_value(name.removeprefix("several: "), ids), max_size=3).map(tuple)
    if " and " in name:
        one, _, other = name.partition(" and ")
        return st.tuples(any_value(one, ids), any_value(other, ids))
    sizes = st.sampled_from([0, 1, 5, INLINE_PAYLOAD + 1, 2**32 - 1])
    return {
        "id": ids,
        "text": st.sampled_from(["", "text", "x" * 5000]),
        "bytes": st.sampled_from([b"", b"12345", bytes(32)]),
        "u32": sizes,
        "u64": sizes,
        "flag": st.booleans(),
    }[name]


class Hostile(RuleBasedStateMachine):
    """Both machines, in the middle of something, and two strangers with the key."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.stub = StubMachine(STUB_SESSION, SECRET, os.urandom, self.now)
        self.dev = DevMachine(DEV_SESSION, 3, SECRET, os.urandom, self.now)
        self.number = 0
        self.runs: list[bytes] = []

    def any_id(self) -> st.SearchStrategy[bytes]:
        known = [ANYONE, STUB_SESSION, DEV_SESSION, *STRANGERS, self.stub._invocation, self.stub._claim or ANYONE]
        known += [record.id for record in self.dev._records.values()]
        known += [record.claim for record in self.dev._records.values() if record.claim]
        return st.sampled_from(known)

    def send(self, says: int, sender: bytes, to: bytes, payload: bytes, version: int = 1) -> None:
        self.number += 1
        datagram = seal(KEY, Envelope(version, says, sender, to, self.number << 40, payload))
        self.stub.receive(datagram, self.now)
        self.dev.receive(datagram, self.now)
        self.settle()

    def settle(self) -> None:
        """The shells do what they are told."""
        if type(self.stub.wants).__name__ == "Upload":
            self.stub.uploaded(self.now)
        elif type(self.stub.wants).__name__ == "Download":
            self.stub.downloaded(b"12345", self.now)
        for event in self.dev.events():
            if isinstance(event, Invoke):
                self.runs.append(event.id)
            elif isinstance(event, NeedUploadUrl):
                self.dev.upload_url(event.id, "https://put", [("a", "b")], self.now)
            elif isinstance(event, NeedDownloadUrl):
                self.dev.download_url(event.id, "https://get", self.now)
            elif isinstance(event, Fetch):
                self.dev.fetched(event.id, b"12345", self.now)
        for machine in (self.stub, self.dev):
            for _, datagram in machine.outgoing():
                assert len(datagram) <= 180_000
                other: Any = self.dev if machine is self.stub else self.stub
                other.receive(datagram, self.now)

    @rule(
        kind=st.sampled_from(list(LAYOUTS)),
        sender=st.sampled_from([*STRANGERS, STUB_SESSION, DEV_SESSION]),
        to=st.sampled_from([ANYONE, STUB_SESSION, DEV_SESSION]),
        says=st.sampled_from([STUB, DEV, DEVS, 0, 9]),
        as_note=st.booleans(),
        data=st.data(),
    )
    def says(self, kind: type, sender: bytes, to: bytes, says: int, as_note: bool, data: st.DataObject) -> None:
        ids = self.any_id()
        message = kind(*(data.draw(any_value(field.name, ids)) for field in LAYOUTS[kind].fields))
        written = messages.encode(message)
        item: items.Item = items.Note(written)
        if not as_note:
            item = items.Segment(self.number, 0, 1, 0, len(written), 0, written)
        self.send(says, sender, to, items.pack(item))

    @rule(
        payload=st.binary(max_size=60),
        says=st.sampled_from([STUB, DEV, DEVS]),
        version=st.sampled_from([0, 1, 2, 255]),
        sender=st.sampled_from([*STRANGERS, STUB_SESSION, DEV_SESSION]),
    )
    def babbles(self, payload: bytes, says: int, version: int, sender: bytes) -> None:
        self.send(says, sender, ANYONE, payload, version)
        self.send(says, sender, DEV_SESSION, payload, version)
        self.send(says, sender, STUB_SESSION, payload, version)

    @rule(message=st.integers(0, 2**32 - 1), verdict=st.integers(0, 2), here=st.sampled_from([0, 1, 2**64 - 1]))
    def acknowledges(self, message: int, verdict: int, here: int) -> None:
        for number in (message, *self.stub._link._out, *self.dev._link._out):
            for says, sender, to in ((STUB, STRANGERS[0], DEV_SESSION), (DEV, STRANGERS[0], STUB_SESSION)):
                self.send(says, sender, to, items.pack(items.Ack(number, verdict, here)))

    @rule(size=st.sampled_from([10, 200_000, INLINE_PAYLOAD + 5]))
    def lambda_invokes(self, size: int) -> None:
        self.stub.begin(InvocationHead("Fn", "r", "arn", remaining_ms=20_000), bytes(size), self.now)
        self.settle()

    @rule()
    def function_returns(self) -> None:
        for one in self.runs:
            self.dev.returned(one, b"12345", self.now)
        self.settle()

    @rule(seconds=st.sampled_from([0.0, 0.1, 2.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.stub.tick(self.now)
        self.dev.tick(self.now)
        self.settle()

    @invariant()
    def nothing_is_run_twice(self) -> None:
        assert len(self.runs) == len(set(self.runs))

    @invariant()
    def nothing_grows(self) -> None:
        for machine in (self.stub, self.dev):
            assert machine.retained["peers"] <= 6
            assert machine.retained["buffered"] <= 64 * 2**20
            assert machine.retained["datagrams"] == 0


TestHostile = Hostile.TestCase
TestHostile.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_any_bytes_at_all_change_nothing(datagrams: list[bytes], cut: bool) -> None:
    stub = StubMachine(STUB_SESSION, SECRET, os.urandom, 0.0)
    dev = DevMachine(DEV_SESSION, 1, SECRET, os.urandom, 0.0)
    for datagram in datagrams:
        whole = b"KW\x01" + bytes((STUB,)) + KEY.name + datagram if cut else datagram
        stub.receive(whole, 0.0)
        dev.receive(whole, 0.0)
    assert stub.outgoing() == dev.outgoing() == []
    assert dev.events() == []
    assert stub.contact is None
    assert stub.counters.received == dev.counters.received == 0
