"""The developer's side: one dev session, any number of stubs.

In: datagrams, time, what the shell did. Out: datagrams, and events that say what the shell is to do. No I/O.
What happens to an invocation when is in `dev_steps.DEV`; here is what each action does.
"""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from . import envelope, items, messages, reports
from .codec import Malformed
from .dev_steps import DEV
from .envelope import ANYONE, StageKey
from .limits import (
    BYE_HELD,
    CLAIM_DELAY,
    CONTACT_FRESH,
    GRANT_FRESH,
    HEARTBEAT,
    INLINE_PAYLOAD,
    LARGEST_REQUEST,
    LARGEST_RESULT,
    LARGEST_TEXT,
    MOST_CANCELLED_EARLY,
    MOST_ENDED,
    MOST_HELD,
    MOST_LINES,
    MOST_PEERS,
    MOST_RECORDS,
    PROTOCOL,
    REJECT_EVERY,
    REMEMBER_ENDED,
    RESULT_HELD,
    TAKE_OVER_AGAIN,
)
from .link import Counters, Link
from .memory import Memory
from .records import NO_HEAD, Record
from .timers import Timers

_MOST_REJECTED = 1000
_MOST_BYES = 100
_STARTED = ("running", "storing", "answered", "collecting")


class DevMachine:
    """`session` is 16 random bytes, new for each run of `kite dev`; `random` gives that many of them."""

    def __init__(
        self,
        session: bytes,
        epoch: int,
        key: bytes,
        random: Callable[[int], bytes],
        now: float,
        *,
        protocol: int = PROTOCOL,
    ) -> None:
        self._random = random
        self._now = now
        self._timers = Timers()
        self._link = Link(
            session,
            StageKey(key),
            self,
            self._timers,
            says=lambda address: envelope.DEVS if address == ANYONE else envelope.DEV,
            hears=frozenset((envelope.STUB, envelope.DEVS)),
            first_message=int.from_bytes(random(4), "big"),
            most_peers=MOST_PEERS,
            protocol=protocol,
            now=now,
        )
        self.session = session
        self.epoch = epoch
        self._records: Dict[bytes, Record] = {}
        self._held = 0  # bytes of requests
        self._cancelled_early = 0
        self._events: List[reports.Event] = []
        self._says = envelope.DEV
        self._protocol = protocol
        self._verdict: Optional[int] = items.TAKEN
        self._rejected: Dict[bytes, float] = {}
        self._serving = True
        self._own_until = float("inf")
        self._memory = Memory(now)
        self._ended: Dict[bytes, float] = {}  # sessions that run nothing any more, and since when at least
        self._announced = 0

    # What the shell calls.

    @property
    def counters(self) -> Counters:
        return self._link.counters

    @property
    def retained(self) -> Dict[str, int]:
        return {
            **self._link.retained,
            "records": len(self._records),
            "held": self._held,
            "events": len(self._events),
            "rejected": len(self._rejected),
            "forgotten": len(self._memory),
        }

    @property
    def serving(self) -> bool:
        """Claims new invocations."""
        return self._serving

    @property
    def quiet(self) -> bool:
        """Nothing is being run, answered or said: a session that ends may go."""
        over = all(record.state == "over" for record in self._records.values())
        return over and not self._link.is_sending_any

    def events(self) -> List[reports.Event]:
        """What is to be done or to be known; each is given once."""
        found, self._events = self._events, []
        return found

    def receive(self, datagram: bytes, now: float) -> None:
        self._advance(now)
        self._link.receive(datagram, self._now)

    def tick(self, now: float) -> None:
        self._advance(now)
        for key in self._timers.due(self._now):
            if key[0] == "record":
                self._look_at(key[1], self._now)
            elif key[0] == "take over":
                self._announce(self._now)
            else:
                self._link.fire(key, self._now)

    def outgoing(self) -> List[Tuple[bytes, bytes]]:
        """Address and datagram of everything to be published now; each is given once."""
        return self._link.outgoing(self._now)

    def next_timer(self) -> Optional[float]:
        return self._timers.next()

    def upload_url(self, id: bytes, url: str, headers: Sequence[Tuple[str, str]], now: float) -> None:
        self._step(id, "upload_url", now, (url, tuple(headers)))

    def fetched(self, id: bytes, data: bytes, now: float) -> None:
        record = self._records.get(id)
        right = record is not None and len(data) == record.size and hashlib.sha256(data).digest() == record.sha256
        self._step(id, "fetched" if right else "fetched_wrong", now, data)

    def returned(self, id: bytes, payload: bytes, now: float) -> None:
        """The function returned. A result above 1 MB leads to `NeedDownloadUrl`."""
        large = len(payload) > INLINE_PAYLOAD
        too_large = len(payload) > LARGEST_RESULT
        self._step(id, "returned_too_large" if too_large else "returned_large" if large else "returned", now, payload)

    def raised(self, id: bytes, error_type: str, message: str, trace: Sequence[str], now: float) -> None:
        text = message if len(message) <= LARGEST_TEXT else message[:LARGEST_TEXT] + "…"
        self._step(id, "raised", now, (error_type[:1000], text, _short(trace)))

    def download_url(self, id: bytes, url: str, now: float) -> None:
        self._step(id, "download_url", now, url)

    def failed(self, id: bytes, reason: str, now: float) -> None:
        """What `Fetch`, `NeedUploadUrl` or `NeedDownloadUrl` asked for could not be done."""
        self._step(id, "failed", now, reason)

    def renewed(self, until: float, now: float) -> None:
        """The stage's lease is this session's until then. Once that is over, it runs nothing without having asked.

        Without this being ever called, it is for ever.
        """
        self._advance(now)
        self._own_until = until

    def ended(self, session: bytes, now: float) -> None:
        """That session's process is over, or has said `bye`: whatever it was granted from now on, it does not run.

        To be called only if that is certain. A lease that ran out says nothing: its owner may sleep.
        """
        self._advance(now)
        self._ended.setdefault(session, self._now)
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def take_over(self, now: float) -> None:
        """Tell the other sessions that this one serves the stage; a few times, since it may get lost."""
        self._advance(now)
        self._announced = 0
        self._announce(self._now)

    def step_down(self, now: float) -> None:
        """Claim nothing more, for good; finish what was claimed."""
        self._advance(now)
        self._serving = False
        self._link.declining = True

    def bye(self, why: str, now: float) -> None:
        """This session ends: what it runs will not be answered. Publish until `quiet`, or for a moment."""
        self.step_down(now)
        waiting = [record for record in self._records.values() if record.state not in ("over", "answered")]
        told = {record.source: None for record in waiting}
        for source in told:
            self._send(source, messages.Bye(why), None, BYE_HELD)
        # Others heard of it a moment ago, and would grant it what comes next, or just did.
        came: Dict[bytes, int] = {}
        for record in self._records.values():
            came[record.source] = max(came.get(record.source, 0), record.moment)
        for source in self._link.peers.recent(self._now - CONTACT_FRESH)[:_MOST_BYES]:
            if source not in told:
                leave = messages.Leave(max(came.get(source, 0), self._memory.reach(source)))
                self._link.note(source, messages.encode(leave), self._now)
        for record in waiting:
            self._step(record.id, "bye", now)

    # What the link reports.

    def stamp(self, now: float) -> Optional[items.Stamp]:
        return items.Stamp(self.epoch, self._memory.moment(now)) if self._serving else None

    def heard(self, sender: bytes, says: int, stamp: Optional[items.Stamp], now: float) -> None:
        self._says = says

    def taken(self, sender: bytes, message: bytes, age: float, now: float, *, note: bool) -> Optional[int]:
        try:
            found = messages.decode(message, from_stub=self._says == envelope.STUB)
        except Malformed:
            self.counters.malformed += 1
            return items.REFUSED
        self._verdict = items.TAKEN
        if isinstance(found, messages.Invoke):
            self._verdict = self._invited(sender, found, age, now)
        elif isinstance(found, messages.Hello):
            if self._serving:
                self._link.note(sender, messages.encode(messages.Welcome(self.epoch)), now)
        elif isinstance(found, messages.Grant):
            self._granted(sender, found, now)
        elif isinstance(found, messages.Received):
            self._step_from(sender, found.invocation, "received", now)
        elif isinstance(found, messages.Cancel):
            self._step_from(sender, found.invocation, "cancel", now, found.why)
        elif isinstance(found, messages.TakeOver):
            self._taken_over(sender, found, now)
        return self._verdict

    def settled(self, tag: Any, verdict: Optional[int], now: float) -> None:
        record = self._records.get(tag) if tag is not None else None
        if record is None:
            return
        if verdict is None:
            self._step(record.id, "unheard", now)
        elif verdict == items.REFUSED:
            self._step(record.id, "refused", now)
        else:
            self._step(record.id, "taken_stored" if record.stored else "taken", now)

    def foreign(self, sender: bytes, version: int, payload: bytes, now: float) -> None:
        if version == envelope.UNIVERSAL or not self._serving:
            return
        last = self._rejected.pop(sender, None)
        if last is None:
            self._events.append(reports.Rejected(sender, version))
            while len(self._rejected) >= _MOST_REJECTED:
                del self._rejected[next(iter(self._rejected))]
        if last is None or now >= last + REJECT_EVERY:
            self._link.universal(sender, envelope.other_protocol(self._protocol), now)
            last = now
        self._rejected[sender] = last

    def _invited(self, sender: bytes, found: messages.Invoke, age: float, now: float) -> Optional[int]:
        large = found.size > INLINE_PAYLOAD
        if found.size > LARGEST_REQUEST or len(found.payload) != (0 if large else found.size):
            self.counters.malformed += 1
            return items.REFUSED
        if found.invocation in self._records:
            self._step_from(sender, found.invocation, "invoke_again", now)
            return items.TAKEN
        granted = found.granted is not None and found.granted[0] == self.session
        moment = found.granted[1][0] if found.granted is not None else 0
        is_new = self._memory.reaches(sender, moment)
        if granted and is_new and not self._serving:
            self._decline(sender, found.invocation, now)
        if not self._serving or len(self._records) >= MOST_RECORDS or self._held + len(found.payload) > MOST_HELD:
            return None  # it comes again, here or elsewhere
        record = self._records[found.invocation] = Record(found.invocation, sender, self._memory.moment(now), now)
        record.invited(found, self._random(16), age, now)
        self._held += len(record.payload)
        if granted and not is_new:
            self._step(record.id, "invoke_stale", now, "it came too late")
        elif large:
            self._step(record.id, "invoke_large", now)
        elif granted and self._is_fresh(found, moment, now) and now <= self._own_until:
            record.late = self._lateness(found, now)
            record.claim_at = now + CLAIM_DELAY
            self._step(record.id, "invoke_granted", now)
        else:
            self._step(record.id, "invoke", now)
        return items.TAKEN

    def _is_fresh(self, found: messages.Invoke, moment: int, now: float) -> bool:
        """It was granted lately, and there is time left to run it."""
        late = self._lateness(found, now)
        return self._memory.since(moment, now) <= GRANT_FRESH and late * 1000 < found.remaining_ms

    def _lateness(self, found: messages.Invoke, now: float) -> float:
        """How long the stamp took to the stub, and the INVOKE back."""
        if found.granted is None:
            return 0.0
        moment, held_ms = found.granted[1]
        return max(0.0, self._memory.since(moment, now) - held_ms / 1000)

    def _decline(self, to: bytes, invocation: bytes, now: float) -> None:
        if DEV.step(DEV.first, "invoke_declined").actions:
            self._link.note(to, messages.encode(messages.Reject(invocation)), now)

    def _granted(self, sender: bytes, found: messages.Grant, now: float) -> None:
        record = self._records.get(found.invocation)
        if record is None or record.source != sender or record.claim != found.claim:
            self._grant_other(sender, found.invocation, now)
        else:
            self._step(record.id, "grant_large" if record.is_large else "grant", now)

    def _grant_other(self, sender: bytes, invocation: bytes, now: float) -> None:
        record = self._records.get(invocation)
        if DEV.step(record.state if record else DEV.first, "grant_other").actions:
            self._rehello(sender, invocation, now)

    def _rehello(self, to: bytes, invocation: bytes, now: float) -> None:
        self._link.note(to, messages.encode(messages.Rehello(invocation)), now)
        self._verdict = None  # unacknowledged, its GRANT comes again, and so does this

    def _taken_over(self, sender: bytes, found: messages.TakeOver, now: float) -> None:
        if found.epoch > self.epoch and self._serving:
            self.step_down(now)
            self._events.append(reports.TakenOver(sender, found.epoch))

    # Time.

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)

    def _announce(self, now: float) -> None:
        self._link.note(ANYONE, messages.encode(messages.TakeOver(self.epoch)), now)
        if self._announced < len(TAKE_OVER_AGAIN):
            self._timers.set(("take over",), now + TAKE_OVER_AGAIN[self._announced])
            self._announced += 1

    def _look_at(self, id: bytes, now: float) -> None:
        record = self._records.get(id)
        if record is None:
            return
        if record.state == "over":
            self._step(id, "forget", now)
        elif now >= record.deadline:
            self._step(id, "deadline", now)
        elif record.state == "claimed" and now >= record.until:
            self._step(id, "claim_over", now)
        elif record.claim_at is not None and now >= record.claim_at:
            record.claim_at = None
            self._step(id, "claim_late", now)
        elif now >= record.beat_at:
            record.beat_at = now + HEARTBEAT
            self._step(id, "heartbeat", now)
        self._schedule(record)

    def _schedule(self, record: Record) -> None:
        state = record.state
        if state == "over":
            return  # set once, by `end`
        if state == "answered":
            self._timers.cancel(("record", record.id))  # the link says how it ends
            return
        at = record.deadline
        if state == "claimed":
            at = min(at, record.until)
        if DEV.step(state, "heartbeat").actions:
            at = min(at, record.beat_at, at if record.claim_at is None else record.claim_at)
        self._timers.set(("record", record.id), at)

    # What the actions of the table do.

    def _step_from(self, sender: bytes, id: bytes, happening: str, now: float, subject: Any = None) -> None:
        """Only the stub that invited has a say."""
        record = self._records.get(id)
        if record is None and happening == "cancel" and self._cancelled_early < MOST_CANCELLED_EARLY:
            record = self._records[id] = Record(id, sender, self._memory.moment(now), now)
            record.came = False  # it overtook its INVOKE
            self._cancelled_early += 1
        if record is not None and record.source == sender:
            self._step(id, happening, now, subject)

    def _step(self, id: bytes, happening: str, now: float, subject: Any = None) -> None:
        self._advance(now)
        record = self._records.get(id)
        if record is None:
            return
        step = DEV.step(record.state, happening)
        before, record.state = record.state, step.to
        for action in step.actions:
            getattr(self, "_do_" + action)(record, self._now, (before, subject))
        if before != step.to:
            self._schedule(record)

    def _do_need_upload_url(self, record: Record, now: float, what: Any) -> None:
        self._events.append(reports.NeedUploadUrl(record.id, record.size, record.sha256))

    def _do_claim(self, record: Record, now: float, what: Any) -> None:
        self._send_claim(record, what[1], record.until, running=False)

    def _do_claim_running(self, record: Record, now: float, what: Any) -> None:
        self._send_claim(record, None, record.deadline, running=True)

    def _send_claim(self, record: Record, upload: Any, until: float, *, running: bool) -> None:
        ended = tuple([(session, int((self._now - since) * 1000)) for session, since in self._ended.items()])
        claim = messages.Claim(record.id, record.claim, running, ended, upload)
        record.claim_number = self._send(record.source, claim, None, until - self._now)

    def _do_decline(self, record: Record, now: float, what: Any) -> None:
        self._decline(record.source, record.id, now)

    def _do_fetch(self, record: Record, now: float, what: Any) -> None:
        self._link.forget(record.claim_number)
        self._events.append(reports.Fetch(record.id, record.size, record.sha256))

    def _do_invoke(self, record: Record, now: float, what: Any) -> None:
        self._link.forget(record.claim_number)
        payload = record.payload if what[1] is None else what[1]
        self._let_go(record)
        record.started_at = now
        large = record.is_large  # then S3 is part of the way here, and not of the way back
        way = (now - record.received_at) * (1 if large else 2)
        bridge = record.head.waited_ms / 1000 + record.late if record.late is not None else record.waited + way
        self._events.append(
            reports.Invoke(record.id, record.head, payload, record.source, record.deadline, bridge * 1000)
        )

    def _do_need_download_url(self, record: Record, now: float, what: Any) -> None:
        record.size, record.sha256 = len(what[1]), hashlib.sha256(what[1]).digest()
        record.answered_at = now
        self._events.append(reports.NeedDownloadUrl(record.id, what[1], record.sha256))

    def _do_result(self, record: Record, now: float, what: Any) -> None:
        if isinstance(what[1], str):
            record.stored = True
            message = messages.Result(record.id, record.size, record.sha256, what[1], b"")
        else:
            record.answered_at = now
            message = messages.Result(record.id, len(what[1]), b"", None, what[1])
        self._answer(record, message)

    def _do_error(self, record: Record, now: float, what: Any) -> None:
        record.answered_at = now
        self._answer(record, messages.Error(record.id, *what[1]))

    def _do_error_too_large(self, record: Record, now: float, what: Any) -> None:
        text = f"Response payload size exceeded maximum allowed payload size ({LARGEST_RESULT} bytes)."
        self._do_error(record, now, (None, ("Function.ResponseSizeTooLarge", text, ())))

    def _do_error_transfer(self, record: Record, now: float, what: Any) -> None:
        reason = what[1] if isinstance(what[1], str) else "what was downloaded is not what was uploaded"
        text = f"a payload above 1 MB could not go through S3: {reason}"
        self._do_error(record, now, (None, ("LivePayloadLost", text, ())))

    def _do_heartbeat(self, record: Record, now: float, what: Any) -> None:
        self._link.note(record.source, messages.encode(messages.Heartbeat(record.id)), now)

    def _do_rehello(self, record: Record, now: float, what: Any) -> None:
        self._rehello(record.source, record.id, now)

    def _do_deliver(self, record: Record, now: float, what: Any) -> None:
        taken = record.waited + record.started_at - record.received_at + now - record.answered_at
        self._events.append(reports.Delivered(record.id, taken * 1000))

    def _do_refuse(self, record: Record, now: float, what: Any) -> None:
        self._events.append(reports.Undelivered(record.id, "the caller had given up", True))

    def _do_undeliver(self, record: Record, now: float, what: Any) -> None:
        self._events.append(reports.Undelivered(record.id, "the function's container did not acknowledge it", False))

    def _do_cancel(self, record: Record, now: float, what: Any) -> None:
        before, subject = what
        late = "the time it may take is over" if now >= record.deadline else "it was not granted"
        why = subject if isinstance(subject, str) else late
        self._events.append(reports.Cancelled(record.id, record.head, why, before in _STARTED))

    def _do_end(self, record: Record, now: float, what: Any) -> None:
        self._link.forget(record.claim_number)
        self._link.forget(record.answer_number)
        self._let_go(record)
        record.head = NO_HEAD
        self._timers.set(("record", record.id), now + REMEMBER_ENDED)

    def _do_forget(self, record: Record, now: float, what: Any) -> None:
        del self._records[record.id]
        self._memory.forget(record.source, record.moment)
        self._cancelled_early -= not record.came

    def _answer(self, record: Record, message: messages.Message) -> None:
        self._link.forget(record.claim_number)  # an answer says as much
        seconds = min(RESULT_HELD, record.deadline - self._now)
        record.answer_number = self._send(record.source, message, record.id, seconds)

    def _let_go(self, record: Record) -> None:
        self._held -= len(record.payload)
        record.payload = b""

    def _send(self, to: bytes, message: messages.Message, tag: Any, seconds: float) -> int:
        return self._link.send(to, messages.encode(message), tag, self._now, self._now + seconds)


def _short(trace: Sequence[str]) -> Tuple[str, ...]:
    """Beginning and end of a trace that is longer than anybody reads."""
    if len(trace) <= MOST_LINES and sum(map(len, trace)) <= LARGEST_TEXT:
        return tuple(trace)
    return tuple([line[: LARGEST_TEXT // 50] for line in (*trace[:20], "  …\n", *trace[-20:])])
