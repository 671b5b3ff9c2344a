"""A network that loses, doubles, delays and reorders, with stubs and dev sessions on it. Virtual time, seeded chance.

In: a seed, a `Weather`, whom to put where and what to do to them when. Out: `Call`s with their outcomes, and a `ledger`
of every run. Whatever is simulated, no call is run twice, no outcome is another run's, and none comes too late:
`Network` asserts it as it happens.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from skykite_lambda.wire import (
    ANYONE,
    AskLease,
    DevMachine,
    Download,
    Event,
    Fetch,
    InvocationHead,
    Invoke,
    NeedDownloadUrl,
    NeedUploadUrl,
    Outcome,
    Returned,
    StubMachine,
    Upload,
    envelope,
    items,
    messages,
)
from skykite_lambda.wire.codec import Malformed
from skykite_lambda.wire.compression import decompress

KEY = bytes(range(32))
OFFLINE = "no `kite dev` is connected"
LEASE_TTL = 60.0
LEASE_RENEWED = 20.0  # every so many seconds
SILENT = 5.0
CONTACT_FRESH = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to datagrams. Times in seconds, the others are probabilities."""

    loss: float = 0.0
    duplication: float = 0.0
    delay: float = 0.04  # of each, at least
    jitter: float = 0.0  # at most that much more
    partial_failure: float = 0.0  # of a publish: some of its events are not taken

    @property
    def is_fine(self) -> bool:
        return not (self.loss or self.duplication or self.partial_failure)


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One invocation by Lambda, on one container."""

    number: int
    payload: bytes
    timeout: float
    began: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None

    @property
    def returned(self) -> bool:
        return isinstance(self.outcome, Returned)

    @property
    def error(self) -> str | None:
        return None if self.outcome is None or isinstance(self.outcome, Returned) else self.outcome.error_type

    @property
    def message(self) -> str | None:
        return None if self.outcome is None or isinstance(self.outcome, Returned) else self.outcome.message

    @property
    def took(self) -> float:
        assert self.began is not None
        assert self.ended is not None
        return self.ended - self.began


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One execution of the function."""

    call: int
    dev: Dev
    began: float
    payload: bytes
    value: bytes


class Party:
    """What stubs and dev sessions have in common: a machine, and the ways it can be away."""

    machine: Any

    def __init__(self, network: Network) -> None:
        self.network = network
        self.alive = True
        self.asleep_until: float | None = None
        self.mailbox: list[bytes] = []  # what came while it was asleep
        self.holding = False  # what it publishes gets stuck on the way, until it has slept
        self.held: list[tuple[bytes, bytes]] = []
        self.wake_at: float | None = None
        self.published = 0
        self.lag = 0.0  # of its clock, which stood still while it slept

    def clock(self) -> float:
        return self.network.now - self.lag

    @property
    def awake(self) -> bool:
        return self.alive and self.asleep_until is None

    def arrives(self, datagram: bytes) -> None:
        if self.awake:
            self.machine.receive(datagram, self.clock())
            self.settle()
        elif self.alive:
            self.mailbox.append(datagram)

    def wake(self, at: float) -> None:
        if self.wake_at == at:
            self.wake_at = None
            if self.awake:
                due = self.machine.next_timer()
                # Rounding must not make it wake up just before its time, again and again.
                early = due is not None and 0 < due - self.clock() < 1e-6
                self.machine.tick(due if early else self.clock())
                self.settle()

    def sleep(self, seconds: float, *, clock_stops: bool = False) -> None:
        """Frozen container, or laptop with its lid closed. What arrives meanwhile is read afterwards."""
        if clock_stops:
            self.lag += seconds
        self.asleep_until = self.network.now + seconds
        self.network.at(self.asleep_until, self.rise)

    def rise(self) -> None:
        if self.asleep_until is None:
            return
        self.asleep_until = None
        self.holding = False
        held, self.held = self.held, []
        self.publish(held)
        letters, self.mailbox = self.mailbox, []
        self.machine.tick(self.clock())
        for letter in letters:
            self.machine.receive(letter, self.clock())
        self.settle()

    def settle(self) -> None:
        """Do what the machine wants, until it wants nothing."""
        self.attend()
        self.publish(self.machine.outgoing())
        timer = self.machine.next_timer()
        at = None if timer is None else max(timer + self.lag, self.network.now)
        if at is not None and at != self.wake_at:
            self.wake_at = at
            self.network.at(self.wake_at, lambda at=self.wake_at: self.wake(at))

    def publish(self, datagrams: list[tuple[bytes, bytes]]) -> None:
        if self.holding:
            self.held += datagrams
        else:
            self.network.publish(self, datagrams)

    def attend(self) -> None:
        raise NotImplementedError


class Stub(Party):
    """A container: one call at a time, frozen between them as Lambda does it."""

    machine: StubMachine

    def __init__(self, network: Network, *, freezes: bool, clock_stops: bool, **options: Any) -> None:
        super().__init__(network)
        self.freezes = freezes
        self.clock_stops = clock_stops
        self._frozen_at: float | None = None
        self.machine = StubMachine(network.id(), network.key, network.bytes, self.clock(), **options)
        self.current: Call | None = None
        self.waiting: list[Call] = []
        self._wanted: object = None
        self._lease_written = 0.0  # when it was read last
        self._missed: tuple[float, float] | None = None  # waited in vain: until when, and for what lease

    def hello(self) -> None:
        self.machine.hello("Fn", self.clock())
        self.settle()

    def call(self, call: Call) -> None:
        self.waiting.append(call)
        self._next()

    def _next(self) -> None:
        if self.current is not None or not self.waiting or not self.alive:
            return
        self.current = call = self.waiting.pop(0)
        self.asleep_until = None
        if self.clock_stops and self._frozen_at is not None:
            self.lag += self.network.now - self._frozen_at
        now = self.network.now
        letters, self.mailbox = self.mailbox, []
        for letter in letters:
            self.machine.receive(letter, self.clock())
        call.began = now
        fresh = self.machine.contact is not None and self.clock() - self.machine.contact < CONTACT_FRESH
        head = InvocationHead("Fn", f"request-{call.number}", "arn", remaining_ms=int(call.timeout * 1000))
        self.machine.begin(head, call.payload, self.clock())
        if not fresh:
            self.network.at(now + 0.03, self._read_lease)
        self.settle()

    def _read_lease(self) -> None:
        if not self.awake:
            return
        if self.network.lease_alive():
            self.machine.online(self.clock())
            self._lease_written = self.network.lease_written()
            if self._missed is not None and self._missed[1] == self._lease_written and not self._heard(self._missed[0]):
                self.machine.vanished(self.clock())
        else:
            self.machine.offline(OFFLINE, self.clock())
        self.settle()

    def _heard(self, since: float) -> bool:
        return self.machine.contact is not None and self.machine.contact >= since

    def attend(self) -> None:
        want = self.machine.wants
        if want is not self._wanted:
            self._wanted = want
            soon = self.network.now + self.network.transfer_time
            if isinstance(want, AskLease):
                self.network.at(self.network.now + 0.03, self._read_lease)
            elif isinstance(want, Upload):
                self.network.at(soon, lambda: self._upload(want))
            elif isinstance(want, Download):
                self.network.at(soon, lambda: self._download(want))
        if self.current is not None and self.machine.outcome is not None:
            call, self.current = self.current, None
            call.outcome, call.ended = self.machine.outcome, self.network.now
            if call.error == "LiveDevLost" and not self._heard(self.clock() - SILENT):
                self._missed = self.clock(), self._lease_written
            self.network.ended(call)
            self.publish(self.machine.outgoing())
            if self.freezes:
                self.asleep_until = float("inf")
                self._frozen_at = self.network.now
            self.network.at(self.network.now, self._next)

    def _upload(self, want: Upload) -> None:
        if self.awake and self.machine.wants is want and self.current is not None:
            if self.network.broken_objects:
                self.machine.transfer_failed("the bucket is on fire", self.clock())
            else:
                self.network.objects[want.url] = self.current.payload
                self.machine.uploaded(self.clock())
            self.settle()

    def _download(self, want: Download) -> None:
        if self.awake and self.machine.wants is want:
            if want.url in self.network.objects:
                self.machine.downloaded(self.network.objects[want.url], self.clock())
            else:
                self.machine.transfer_failed("no such key", self.clock())
            self.settle()


class Dev(Party):
    """A `kite dev` session: runs what it is told to run, and takes `work` seconds for it."""

    machine: DevMachine

    def __init__(self, network: Network, *, work: Callable[[Call], float], **options: Any) -> None:
        super().__init__(network)
        self.work = work
        self.log: list[Event] = []
        self.machine = DevMachine(
            network.id(), network.next_epoch(), network.key, network.bytes, self.clock(), **options
        )
        self.lease_until = float("inf")
        self.renewed = 0.0
        self.results: dict[int, bytes] = {}  # call → what it returns, if not its run's value
        self.errors: dict[int, tuple[str, str, list[str]]] = {}  # call → what it raises

    def attend(self) -> None:
        for event in self.machine.events():
            if self.network.keep_events:
                self.log.append(event)
            self._react(event)

    def _react(self, event: Event) -> None:
        network, now = self.network, self.network.now
        soon = now + network.transfer_time
        if isinstance(event, Invoke):
            call = network.call_of(event.payload)
            value = self.results.get(call.number, b'"run %d of call %d"' % (len(network.run_calls), call.number))
            run = Run(call=call.number, dev=self, began=now, payload=event.payload, value=value)
            network.ran(run)
            network.at(now + self.work(call), lambda: self._finish(event.id, run))
        elif isinstance(event, NeedUploadUrl):
            put = network.url()
            self._then(now + 0.001, lambda: self.machine.upload_url(event.id, put, [("x", "y")], self.clock()))
        elif isinstance(event, Fetch):
            self._then(soon, lambda: self.machine.fetched(event.id, network.take_object(event.sha256), self.clock()))
        elif isinstance(event, NeedDownloadUrl):
            url = network.url()
            network.objects[url] = event.payload
            self._then(soon, lambda: self.machine.download_url(event.id, url, self.clock()))

    def _finish(self, id: bytes, run: Run) -> None:
        if not self.alive:
            return
        if not self.awake:  # the laptop sleeps, and so does what runs on it
            self.network.at(self.asleep_until or 0.0, lambda: self._finish(id, run))
            return
        if run.call in self.errors:
            self.machine.raised(id, *self.errors[run.call], self.clock())
        else:
            self.machine.returned(id, run.value, self.clock())
        self.settle()

    def _then(self, at: float, what: Callable[[], None]) -> None:
        def act() -> None:
            if self.awake:
                what()
                self.settle()

        self.network.at(at, act)

    def crash(self) -> None:
        self.alive = False
        self.lease_until = self.network.now + LEASE_TTL

    def bye(self) -> None:
        self.machine.bye("Ctrl-C", self.clock())
        self.settle()
        self.lease_until = self.network.now
        self.network.at(self.network.now + 1.0, lambda: setattr(self, "alive", False))

    def events(self, kind: type) -> list[Any]:
        return [event for event in self.log if isinstance(event, kind)]


class Network:
    """Everything on one stage's channels, and the clock."""

    def __init__(
        self, seed: int = 0, weather: Weather = Weather(), *, key: bytes = KEY, keep_events: bool = True
    ) -> None:
        self.chance = random.Random(seed)
        self.weather = weather
        self.key = key
        self.keep_events = keep_events
        self.now = 1000.0
        self.transfer_time = 0.2
        self.stubs: dict[bytes, Stub] = {}
        self.devs: list[Dev] = []
        self.calls: dict[int, Call] = {}
        self._payloads: dict[bytes, int] = {}
        self.ledger: list[Run] = []
        self.runs: dict[int, Run] = {}
        self.run_calls: set[int] = set()  # ever
        self.answered = 0
        self.objects: dict[str, bytes] = {}
        self.broken_objects = False
        self.datagrams = 0
        self.publishes = 0
        self.tamper: Callable[[Party, bytes, bytes], bytes | None] | None = None  # None: it is lost
        self.tap: Callable[[Party, bytes, bytes], None] | None = None
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self.used_urls = 0
        self._count = self._calls = self._epoch = 0
        self._black_holes: list[tuple[float, float, Callable[[Party, Party], bool]]] = []

    # Who is there.

    def stub(self, *, freezes: bool = True, clock_stops: bool = False, **options: Any) -> Stub:
        """A container; `clock_stops` while it is frozen between two calls."""
        stub = Stub(self, freezes=freezes, clock_stops=clock_stops, **options)
        self.stubs[stub.machine.session] = stub
        return stub

    def dev(self, work: float | Callable[[Call], float] = 0.01, *, after: Iterable[Dev] = (), **options: Any) -> Dev:
        """A session; `after` are those it knows to have ended."""
        dev = Dev(self, work=work if callable(work) else lambda call: work, **options)
        for former in after:
            assert not former.alive or not former.machine.serving
            dev.machine.ended(former.machine.session, dev.clock())
        self.devs.append(dev)
        return dev

    def call(self, stub: Stub, payload: bytes | None = None, *, timeout: float = 30.0, after: float = 0.0) -> Call:
        """Have Lambda invoke it. `payload` has to be unlike any other."""
        self._calls += 1
        call = Call(number=self._calls, payload=payload or b'{"call": %d}' % self._calls, timeout=timeout)
        self.calls[call.number] = call
        if payload is not None:
            self._payloads[payload] = call.number
        self.at(self.now + after, lambda: stub.call(call))
        return call

    # What happens to them.

    def black_hole(
        self, seconds: float, between: Callable[[Party, Party], bool] = lambda sender, receiver: True
    ) -> None:
        self._black_holes.append((self.now, self.now + seconds, between))

    def at(self, when: float, what: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._count, what))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, what = heapq.heappop(self._agenda)
            what()
        self.now = end

    def run_until(self, calls: list[Call], most: float = 1000.0) -> None:
        """Until all of them are answered."""
        end = self.now + most
        open_calls = [call for call in calls if call.outcome is None]
        while open_calls and self._agenda and self._agenda[0][0] <= end:
            self.now, _, what = heapq.heappop(self._agenda)
            what()
            while open_calls and open_calls[-1].outcome is not None:
                open_calls.pop()

    # What the parties use.

    def id(self) -> bytes:
        return self.bytes(16)

    def bytes(self, count: int) -> bytes:
        return self.chance.randbytes(count)

    def url(self) -> str:
        self.used_urls += 1
        return f"https://s3.test/{self.used_urls}"

    def next_epoch(self) -> int:
        self._epoch += 1
        return self._epoch

    def lease_written(self) -> float:
        """A session that sleeps or was killed does not renew it."""
        for dev in self.devs:
            if dev.awake:
                dev.renewed = self.now // LEASE_RENEWED * LEASE_RENEWED
        return max(dev.renewed for dev in self.devs if dev.lease_until > self.now)

    def lease_alive(self) -> bool:
        return any(dev.lease_until > self.now for dev in self.devs)

    def call_of(self, payload: bytes) -> Call:
        number = self._payloads.get(payload)
        if number is None:
            number = int(payload.decode().split()[1][:-1])
        return self.calls.get(number) or Call(number=number, payload=payload, timeout=0.0)

    def publish(self, sender: Party, datagrams: list[tuple[bytes, bytes]]) -> None:
        for start in range(0, len(datagrams), 5):
            batch = datagrams[start : start + 5]
            self.publishes += 1
            sender.published += 1
            kept = len(batch)
            if self.weather.partial_failure and self.chance.random() < self.weather.partial_failure:
                kept = self.chance.randrange(len(batch))
            for address, datagram in batch[:kept]:
                self._publish(sender, address, datagram)

    def _publish(self, sender: Party, address: bytes, datagram: bytes) -> None:
        assert len(datagram) <= 180_000
        self.datagrams += 1
        if self.tap is not None:
            self.tap(sender, address, datagram)
        if self.tamper is not None:
            changed = self.tamper(sender, address, datagram)
            if changed is None:
                return
            datagram = changed
        receivers: list[Party] = []
        if isinstance(sender, Stub) or address == ANYONE:
            receivers += self.devs
        elif address in self.stubs:
            receivers.append(self.stubs[address])
        for receiver in receivers:
            self._deliver(sender, receiver, datagram)

    def _deliver(self, sender: Party, receiver: Party, datagram: bytes) -> None:
        weather, chance = self.weather, self.chance
        if any(start <= self.now < end and hits(sender, receiver) for start, end, hits in self._black_holes):
            return
        copies = 1 + (weather.duplication > 0 and chance.random() < weather.duplication)
        for _ in range(copies):
            if weather.loss and chance.random() < weather.loss:
                continue
            when = self.now + weather.delay + (chance.random() * weather.jitter if weather.jitter else 0.0)
            self.at(when, lambda: receiver.arrives(datagram))

    # What came out.

    def ran(self, run: Run) -> None:
        assert run.call not in self.run_calls, f"call {run.call} was run twice"
        self.run_calls.add(run.call)
        self.runs[run.call] = run
        if self.keep_events:
            self.ledger.append(run)

    def ended(self, call: Call) -> None:
        if isinstance(call.outcome, Returned):
            assert call.number in self.runs, f"call {call.number} was answered, but never run"
            assert call.outcome.payload == self.runs[call.number].value, f"call {call.number} got another's answer"
            self.answered += 1
        assert call.took <= call.timeout, f"call {call.number} was answered after Lambda had ended it"
        if not self.keep_events:
            self.calls.pop(call.number, None)
            self.runs.pop(call.number, None)
            self._payloads.pop(call.payload, None)

    def take_object(self, sha256: bytes) -> bytes:
        """What was uploaded, and delete it."""
        for url, data in self.objects.items():
            if hashlib.sha256(data).digest() == sha256:
                return self.objects.pop(url)
        return b""


def spoken(datagram: bytes) -> list[messages.Message]:
    """The messages in one datagram that are whole; what a listener who has the key would read."""
    payload = datagram[envelope.HEADER.size : -envelope.MAC_SIZE]
    found = []
    try:
        for item in items.parse(payload):
            if isinstance(item, items.Note):
                found.append(_any_side(item.data))
            elif isinstance(item, items.Segment) and item.parts == 1:
                found.append(_any_side(decompress(item.flags, item.data)))
    except Malformed:
        return []
    return found


def _any_side(data: bytes) -> messages.Message:
    try:
        return messages.decode(data, from_stub=True)
    except Malformed:
        return messages.decode(data, from_stub=False)
