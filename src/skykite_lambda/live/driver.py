"""Runs invocations over the bridge: what the wire's machine decides is done here.

In: what Lambda said of an invocation, and its event. Out: its outcome; everything that stands in the way is one, too.
I/O: through `container` and `payloads`. One thread waits here, on the line and on errands at once.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Tuple

from ..wire.failures import unanswered
from ..wire.outcomes import AskLease, Download, InvocationHead, Outcome, Raised, Upload
from ..wire.stub import StubMachine
from .clock import Clock
from .container import KEY, LEASE, LINE, Container
from .errands import Finished
from .events import NoLine
from .key import NoKey
from .lease import Lease
from .network import embedded_cloud
from .payloads import download, upload
from .queues import PASSING, failed_records, give_back
from .settings import Settings

OWN_ERRORS = frozenset(
    (
        "LiveDeadline",
        "LiveDenied",
        "LiveDevFailed",
        "LiveDevLost",
        "LiveDevOffline",
        "LiveFunctionUnknown",
        "LiveMisconfigured",
        "LiveNoKey",
        "LivePayloadLost",
        "LiveQueueFull",
        "LiveStubOutdated",
        "LiveUnreachable",
    )
)
"""Error types that are the bridge's and not the function's."""

TELLS_OF_AWS = frozenset(("LiveDenied", "LiveNoKey", "LiveUnreachable"))
"""Those whose message may repeat what AWS said."""

_CONTACT_S = 10.0  # a dev session heard so lately is probably still there
_SILENCE_S = 0.4  # and if it does not answer for so long, whether it is has to be asked again
_SILENT_S = 5.0  # and if for so long, what it said last is no sign of life
_KEY_S = 10.0  # how seldom somebody's silence has the key read again
_LEASE_S = 1.0  # a lease read so lately, as while the container started, need not be read again
_MARGIN_S = 1.0  # before Lambda's own time-out, to be able to say why
_TRANSFER_S = 120.0
_TRANSFER_ATTEMPTS = 2


class Driver:
    """One per container, one invocation at a time."""

    def __init__(
        self, environment: Mapping[str, str], settings: Settings, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        self._settings = settings
        local = embedded_cloud(environment) is not None
        self._run_dev = f"`kite dev{' --local --bridge' if local else ''} --stage {settings.stage}`"
        self._deploy = f"`kite deploy{' --local' if local else ''} --stage {settings.stage}`"
        self._clock = clock
        self._random = random
        self._container = Container(environment, settings, clock, random)
        self._machine: Optional[StubMachine] = None
        self._machine_key: Optional[bytes] = None
        self._greeted = False
        self._doubts_key = False
        self._key_doubted_at = -_KEY_S
        self._missed: Optional[Tuple[float, float]] = None  # waited in vain: until when, and for what lease
        self._invocations = 0
        self._began = 0.0
        self._ask_at: Optional[float] = None  # whether anybody is there, unless a claim comes before
        self._transfer = ""  # the errand of this invocation, so that a late one of another is not taken for it

    def warm_up(self, patience: float) -> None:
        """Fetch everything, while the container starts. What fails is told by the first invocation."""
        container = self._container
        until = self._clock.elapsed() + patience
        container.start()
        container.fetch(LEASE)
        while any(map(container.is_fetching, (LINE, KEY, LEASE))) and self._clock.elapsed() < until:
            container.wait(until)
            self._advance()
        self._advance()

    def give_back(self, event: Any, outcome: Outcome) -> None:
        """Let the messages of a queue that the last `run` failed on be seen again when the user's queue says so."""
        visibility = self._settings.visibility_s
        if visibility is None:
            return
        records = failed_records(event, outcome)
        if not records:
            return
        left = max(0, int(visibility - (self._clock.elapsed() - self._began)))
        try:
            give_back(self._container.cloud, records, left)
        except PASSING as error:
            print(f"{len(records)} messages stay hidden for up to 15 minutes: {error}")

    def run(self, head: InvocationHead, payload: bytes) -> Outcome:
        """`head.remaining_ms` is as of now, `waited_ms` is filled in here."""
        self._began = self._clock.elapsed()
        try:
            return self._run(head, payload, self._began)
        finally:
            self._container.rest()

    def _run(self, head: InvocationHead, payload: bytes, began: float) -> Outcome:
        container, clock = self._container, self._clock
        self._invocations += 1
        self._transfer = f"transfer {self._invocations}"
        until = began + head.remaining_ms / 1000 - _MARGIN_S
        news = self._machine is None or container.has_news()
        container.start(until - began)
        if self._doubts_key:
            container.fetch(KEY)
        if news:
            self._advance()
        if not container.is_connected:
            container.start(until - began)  # the line turned out to be dead
        asked_at: Optional[float] = None if self._in_contact(began) else began - _LEASE_S
        if asked_at is not None and container.lease_at < asked_at:
            container.fetch(LEASE)
        machine: Optional[StubMachine] = None  # once it has begun
        while True:
            now = clock.elapsed()
            if machine is None:
                problem = self._problem(asked_at) or (self._too_late() if now >= until else None)
                if problem is not None:
                    return problem
                machine = self._ready()
                if machine is not None:
                    left = max(0, int((until + _MARGIN_S - now) * 1000))
                    waited = int((now - began) * 1000)
                    machine.begin(head._replace(remaining_ms=left, waited_ms=waited), payload, now)
                    self._ask_at = now + _SILENCE_S
            if machine is not None:
                asked_at = self._serve(machine, payload, asked_at, now)
                self._publish(machine)
                if machine.outcome is not None:
                    self._note(machine.outcome, machine)
                    return self._doubted() if machine.outcome == unanswered() else machine.outcome
                refused = container.failure()
                if isinstance(refused, NoLine) and refused.denied and machine.state == "inviting":
                    return self._explained(refused)
                container.persist()  # the machine knows how long it is worth while
            container.wait(until if machine is None else self._next_timer(machine))
            self._advance()
            if machine is not None and machine is not self._machine and self._is_unclaimed(machine):
                machine = None  # nobody who has the key heard of it: to be said again, under the one that is right

    def _advance(self) -> None:
        """Let the machine have what has come."""
        container, now = self._container, self._clock.elapsed()
        datagrams, finished = container.step()
        if container.key is not None and container.key != self._machine_key:
            if self._machine is not None:
                container.renew()  # another key is another conversation, and nothing of the old one is to be repeated
                datagrams = []
            self._machine = StubMachine(container.session, container.key, self._random, now)
            self._machine_key = container.key
            self._greeted = False
        machine = self._machine
        if machine is None:
            return
        for datagram in datagrams:
            machine.receive(datagram, now)
        for one in finished:
            self._transferred(machine, one, now)
        if not self._greeted and container.is_connected:
            self._greeted = True
            machine.hello(self._settings.function, now)
            self._publish(machine)

    def _ready(self) -> Optional[StubMachine]:
        checking = self._doubts_key and self._container.is_fetching(KEY)
        return self._machine if self._container.is_connected and not checking else None

    def _serve(self, machine: StubMachine, payload: bytes, asked_at: Optional[float], now: float) -> Optional[float]:
        """Do what the machine wants. Returns since when the lease is wanted, if it still is."""
        container, wanted, lease = self._container, machine.wants, self._container.lease
        silent = machine.state == "inviting" and self._ask_at is not None and now >= self._ask_at
        if silent or machine.state != "inviting":
            self._ask_at = None
        if (silent or isinstance(wanted, AskLease)) and asked_at is None:
            asked_at = now
            container.fetch(LEASE)
        if silent and not self._heard(machine) and now - self._key_doubted_at >= _KEY_S:
            self._key_doubted_at = now
            container.fetch(KEY)
        if asked_at is not None and lease is not None and container.lease_at >= asked_at:
            if lease.alive is False:
                machine.offline(self._offline_text(), now)
            else:
                machine.online(now)
                if lease.alive and self._has_vanished(lease, machine):
                    machine.vanished(now)
            asked_at = None
        if isinstance(wanted, (Upload, Download)) and not container.is_fetching(self._transfer):
            container.run(self._transfer, self._errand(wanted, payload))
        timer = machine.next_timer()
        if timer is not None and timer <= now:
            machine.tick(now)
        return asked_at

    def _next_timer(self, machine: StubMachine) -> Optional[float]:
        timers = [timer for timer in (machine.next_timer(), self._ask_at) if timer is not None]
        return min(timers) if timers else None

    def _errand(self, wanted: object, payload: bytes) -> Callable[[], Optional[bytes]]:
        network, clock = self._container.network, self._clock

        def once() -> Optional[bytes]:
            deadline = clock.elapsed() + _TRANSFER_S
            if isinstance(wanted, Download):
                return download(network, wanted.url, wanted.size, deadline=deadline)
            if isinstance(wanted, Upload):
                upload(network, wanted.url, dict(wanted.headers), payload, deadline=deadline)
            return None

        def errand() -> Optional[bytes]:
            for _ in range(_TRANSFER_ATTEMPTS - 1):
                try:
                    return once()
                except Exception:  # noqa: BLE001, S112  (what the last attempt says counts)
                    continue
            return once()

        return errand

    def _transferred(self, machine: StubMachine, finished: Finished, now: float) -> None:
        if finished.name != self._transfer:
            return
        if isinstance(finished.result, Exception):
            machine.transfer_failed(str(finished.result), now)
        elif finished.result is None:
            machine.uploaded(now)
        else:
            machine.downloaded(finished.result, now)

    def _publish(self, machine: StubMachine) -> None:
        self._container.send([datagram for _, datagram in machine.outgoing()])

    def _in_contact(self, now: float) -> bool:
        contact = None if self._machine is None else self._machine.contact
        return contact is not None and now - contact <= _CONTACT_S

    def _problem(self, asked_at: Optional[float]) -> Optional[Raised]:
        """What makes it pointless to begin, if anything."""
        container = self._container
        lease = container.lease if asked_at is not None and container.lease_at >= asked_at else None
        if lease is not None and lease.alive is False:
            return Raised("LiveDevOffline", self._offline_text())
        failure = container.failure()
        # If nobody is there, that is more to the point.
        return None if failure is None or container.is_fetching(LEASE) else self._explained(failure)

    def _explained(self, failure: Exception) -> Raised:
        stage = f"stage `{self._settings.stage}` of `{self._settings.app}`"
        remedy = f"run {self._run_dev}"
        if isinstance(failure, NoKey) and failure.missing:
            return Raised("LiveNoKey", f"{stage} has no live key: {failure}; {remedy}, which makes one")
        if isinstance(failure, NoKey):
            return Raised("LiveNoKey", f"the live key of {stage} cannot be had: {failure}")
        if isinstance(failure, NoLine) and failure.denied:
            return Raised(
                "LiveDenied",
                f"the Event API of {stage} takes nothing from the function: {failure}; either the function's role may "
                f"not use it, or it was deleted: {remedy} again, which mends both",
            )
        return Raised("LiveUnreachable", f"the Event API of {stage} cannot be used from the function: {failure}")

    def _too_late(self) -> Raised:
        return Raised("LiveUnreachable", "the function's time is nearly over, and there is no connection yet")

    def _offline_text(self) -> str:
        return (
            f"no `kite dev` is connected to stage `{self._settings.stage}` of `{self._settings.app}`; "
            f"run {self._run_dev}, or {self._deploy} to put the code back"
        )

    def _doubted(self) -> Raised:
        """Nobody answered, which says that somebody is there only if the lease says so, too."""
        lease = self._container.lease
        if lease is None or lease.alive is not None:
            return unanswered()
        return Raised(
            "LiveUnreachable",
            f"no `kite dev` of stage `{self._settings.stage}` of `{self._settings.app}` answered, and whether one is "
            f"connected could not be found out: {lease.why}; run {self._run_dev}",
        )

    def _note(self, outcome: Outcome, machine: StubMachine) -> None:
        """Somebody is there and does not answer: perhaps the key is not the one they have."""
        lost = isinstance(outcome, Raised) and outcome.error_type == "LiveDevLost"
        self._doubts_key = lost and not self._heard(machine)
        lease, now = self._container.lease, self._clock.elapsed()
        silent = machine.contact is None or now - machine.contact >= _SILENT_S
        if lost and silent and lease is not None and lease.alive and self._container.lease_at >= self._began:
            self._missed = now, lease.written

    def _has_vanished(self, lease: Lease, machine: StubMachine) -> bool:
        """Whoever serves the stage did neither answer nor renew its lease since it was last waited for."""
        if self._missed is None or (machine.contact is not None and machine.contact >= self._missed[0]):
            return False
        return lease.written == self._missed[1]

    def _is_unclaimed(self, machine: StubMachine) -> bool:
        return machine.state == "inviting" and not machine.is_granted

    def _heard(self, machine: StubMachine) -> bool:
        """Whether anybody who has our key has said anything during this invocation."""
        return machine.contact is not None and machine.contact >= self._began
