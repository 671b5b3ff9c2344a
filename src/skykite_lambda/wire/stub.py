"""The stub's side: one container, one invocation at a time.

In: an event from Lambda, datagrams, time. Out: datagrams, a wish for its shell (`wants`), and the `outcome`. No I/O.
What happens when is in `stub_steps.STUB`; here is what each action does.
"""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import envelope, failures, items, messages
from .codec import Malformed
from .contacts import Contacts
from .envelope import ANYONE, StageKey
from .limits import (
    CLAIM_WINDOW,
    CLAIM_WINDOW_PER_BYTE,
    DEADLINE_MARGIN,
    GRACE,
    HELLO_AGAIN,
    INLINE_PAYLOAD,
    INVITE_AGAIN,
    LARGEST_GRANTED,
    LARGEST_REQUEST,
    MOST_SESSIONS,
    OVERSLEPT,
    OWNER_SILENCE,
    PROTOCOL,
    REJECT_GRACE,
    SECOND_WINDOW,
)
from .link import Counters, Link
from .outcomes import AskLease, Download, InvocationHead, Outcome, Raised, Returned, Upload, Want
from .stub_steps import STUB
from .timers import Timers

_NO_HEAD = InvocationHead("", "", "")


class StubMachine:
    """`session` is 16 random bytes, the container's for its whole life; `random` gives that many of them."""

    def __init__(
        self,
        session: bytes,
        key: bytes,
        random: Callable[[int], bytes],
        now: float,
        *,
        protocol: int = PROTOCOL,
        grants_early: bool = True,
    ) -> None:
        self._random = random
        self._now = now
        self._contacts = Contacts(now)
        self._timers = Timers()
        self._link = Link(
            session,
            StageKey(key),
            self,
            self._timers,
            says=lambda address: envelope.STUB,
            hears=frozenset((envelope.DEV,)),
            first_message=int.from_bytes(random(4), "big"),
            most_peers=MOST_SESSIONS,
            protocol=protocol,
            now=now,
        )
        self.session = session
        self.wants: Optional[Want] = None
        self.outcome: Optional[Outcome] = None
        self._grants_early = grants_early
        self._state = STUB.first
        self._invocation = ANYONE
        self._has_answer = False
        self._answered = ANYONE  # the invocation before, if a session answered it
        self._head = _NO_HEAD
        self._payload = b""
        self._sha256 = b""
        self._deadline = 0.0
        self._began = 0.0
        self._window = 0.0
        self._window_ends = 0.0
        self._extended = False
        self._sender = ANYONE  # of the message at hand
        self._granted = ANYONE  # with INVOKE; whether it is being run there is not known
        self._stamp = (0, 0.0)  # of that session: its moment, when it came
        self._kept: Dict[bytes, messages.Claim] = {}  # claims that come to nothing unless that session declines
        self._owner = ANYONE
        self._claim = b""
        self._owner_heard = 0.0
        self._invite_number: Optional[int] = None
        self._grant_number: Optional[int] = None
        self._protocol = protocol
        self._other_protocol = protocol
        self._verdict = items.TAKEN
        self._function = ""
        self._hellos = 0

    # What the shell calls.

    @property
    def state(self) -> str:
        return self._state

    @property
    def contact(self) -> Optional[float]:
        """When a valid frame of a dev session came last, at least. None if never, or if it has said goodbye."""
        return self._contacts.latest

    @property
    def is_granted(self) -> bool:
        """Whether a session may be running the invocation already, though it has not said so."""
        return self._granted != ANYONE

    @property
    def counters(self) -> Counters:
        return self._link.counters

    @property
    def retained(self) -> Dict[str, int]:
        return self._link.retained

    def hello(self, function: str, now: float) -> None:
        """The container has started and is connected; repeated until a dev session answers, or a few times."""
        self._advance(now)
        self._function = function
        self._hellos = 0
        self._hello(now)

    def begin(self, head: InvocationHead, payload: bytes, now: float) -> None:
        """Lambda invoked the function. `outcome` will be set before `head.remaining_ms` are over."""
        self._advance(now)
        self._step("begin_too_large" if len(payload) > LARGEST_REQUEST else "begin", now, (head, payload))

    def receive(self, datagram: bytes, now: float) -> None:
        self._advance(now)
        self._link.receive(datagram, self._now)

    def tick(self, now: float) -> None:
        awaited = self._timers.next()
        self._advance(now)
        if awaited is not None and self._now - awaited > OVERSLEPT:
            self._overslept()
        for key in self._timers.due(self._now):
            if key[0] == "stub":
                self._due(key[1], self._now)
            else:
                self._link.fire(key, self._now)

    def outgoing(self) -> List[Tuple[bytes, bytes]]:
        """Address and datagram of everything to be published now; each is given once."""
        return self._link.outgoing(self._now)

    def next_timer(self) -> Optional[float]:
        return self._timers.next()

    def uploaded(self, now: float) -> None:
        self._advance(now)
        if isinstance(self.wants, Upload):
            self._step("uploaded", now)

    def downloaded(self, data: bytes, now: float) -> None:
        self._advance(now)
        if isinstance(self.wants, Download):
            right = len(data) == self.wants.size and hashlib.sha256(data).digest() == self.wants.sha256
            self._step("downloaded" if right else "downloaded_wrong", now, data)

    def transfer_failed(self, reason: str, now: float) -> None:
        self._advance(now)
        if isinstance(self.wants, (Upload, Download)):
            self._step("transfer_failed", now, reason)

    def offline(self, reason: str, now: float) -> None:
        """The lease says that nobody is there; `reason` is what the caller is told. Too late once somebody claimed."""
        self._advance(now)
        self._step("offline", now, reason)

    def online(self, now: float) -> None:
        """The lease says that somebody is there."""
        self._advance(now)
        if isinstance(self.wants, AskLease):
            self.wants = None

    def vanished(self, now: float) -> None:
        """The lease was not renewed since an invocation before this one had waited in vain, and nobody was heard since.
        Counts once the claim window is over, and not if a session may be running this one already."""
        self._advance(now)
        if self._extended and not self.is_granted:
            self._step("vanished", now)

    # What the link reports.

    def stamp(self, now: float) -> Optional[items.Stamp]:
        return None

    def heard(self, sender: bytes, says: int, stamp: Optional[items.Stamp], now: float) -> None:
        self._contacts.heard(sender, stamp, now)
        if sender == self._owner:
            self._owner_heard = now

    def taken(self, sender: bytes, message: bytes, age: float, now: float, *, note: bool) -> Optional[int]:
        try:
            found = messages.decode(message, from_stub=False)
        except Malformed:
            self.counters.malformed += 1
            return items.REFUSED
        self._verdict = items.TAKEN
        self._sender = sender
        if isinstance(found, (messages.Bye, messages.Leave)):
            self._contacts.ended(sender)
            if self._is_owner(sender):
                never_came = isinstance(found, messages.Leave) and self._stamp[0] > found.moment
                self._step("declined" if never_came and self._owner == ANYONE else "bye", now, found)
        elif isinstance(found, messages.Rehello):
            if sender == self._owner and found.invocation == self._invocation:
                self._step("forgotten", now)
        elif not isinstance(found, (messages.Welcome, messages.TakeOver)):
            self._about_invocation(sender, found, age, now)
        return self._verdict

    def _is_owner(self, sender: bytes) -> bool:
        """Or may be: it was granted the invocation beforehand."""
        return sender == (self._granted if self._owner == ANYONE else self._owner) != ANYONE

    def _about_invocation(self, sender: bytes, found: Any, age: float, now: float) -> None:
        owned = self._is_owner(sender)
        if found.invocation != self._invocation:
            self._about_another(sender, found, now)
        elif isinstance(found, messages.Claim):
            self._step(self._kind_of_claim(sender, found, age, now), now, found)
        elif isinstance(found, messages.Reject):
            if owned and self._owner == ANYONE:
                self._step("declined", now)
        elif isinstance(found, messages.Heartbeat):
            self._step("heartbeat" if owned else "heartbeat_other", now, found)
        elif isinstance(found, messages.Result):
            happening = "result" if found.url is None else "result_stored"
            self._step(happening if owned else "result_other", now, found)
            self._link.acknowledge_now(sender)  # the container freezes once its outcome is known
        elif isinstance(found, messages.Error):
            self._link.acknowledge_now(sender)
            early = self._owner == self._granted == ANYONE and self._state == "inviting"
            self._step("error_early" if early else "error" if owned else "result_other", now, found)

    def _kind_of_claim(self, sender: bytes, claim: messages.Claim, age: float, now: float) -> str:
        if self._owner != ANYONE:
            return "started" if sender == self._owner and self._claim in (claim.claim, b"") else "claim_other"
        if claim.running:
            return "started" if sender == self._granted else "claim_other"
        if self._granted not in (ANYONE, sender) and not self._had_ended(claim, age, now):
            return "claim_early"
        if self._is_large:
            return "claim_upload" if claim.upload is not None else "claim_other"
        return "claim"

    def _had_ended(self, claim: messages.Claim, age: float, now: float) -> bool:
        """The session that INVOKE granted it to ran nothing any more when INVOKE was first sent: so it did not get it.

        Both durations are too short rather than too long, whatever the message took to get here.
        """
        ended_for = max((ms / 1000 + age for session, ms in claim.ended if session == self._granted), default=0.0)
        return now - self._began < ended_for

    def _about_another(self, sender: bytes, found: Any, now: float) -> None:
        """About an invocation that was settled, or given up when the next one came."""
        if isinstance(found, (messages.Result, messages.Error)):
            self._verdict = items.REFUSED
        elif isinstance(found, (messages.Claim, messages.Heartbeat)) and found.invocation != self._answered:
            self._send_cancel(sender, found.invocation, "it is over", now)

    def settled(self, tag: Any, verdict: Optional[int], now: float) -> None:
        if tag == self._invocation and verdict is not None and self._state == "inviting":
            self._timers.set(("stub", "invite_over"), now + INVITE_AGAIN)

    def foreign(self, sender: bytes, version: int, payload: bytes, now: float) -> None:
        speaks = envelope.spoken_protocol(payload) if version == envelope.UNIVERSAL else None
        if speaks is not None and speaks != self._protocol and self._granted == ANYONE:
            self._other_protocol = speaks
            self._step("outdated", now)

    # Time.

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)
        self._contacts.advance(self._now)

    def _overslept(self) -> None:
        """It was this container that was away: what others sent meanwhile is still to be read."""
        self._owner_heard = max(self._owner_heard, self._now + GRACE - OWNER_SILENCE)
        self._window_ends = max(self._window_ends, self._now + GRACE)

    def _due(self, what: str, now: float) -> None:
        if what == "hello":
            if self._contacts.latest is None:
                self._hello(now)
        elif what == "window":
            if now < self._window_ends:
                self._timers.set(("stub", what), self._window_ends)
            else:
                self._step("last_window_over" if self._extended else "window_over", now)
        elif what == "silence":
            if now < self._owner_heard + OWNER_SILENCE:
                self._timers.set(("stub", what), self._owner_heard + OWNER_SILENCE)
            else:
                self._step("silence", now)
        else:
            self._step(what, now)

    # What the actions of the table do.

    def _step(self, happening: str, now: float, subject: Any = None) -> None:
        step = STUB.step(self._state, happening)
        self._state = step.to
        for action in step.actions:
            getattr(self, "_do_" + action)(self._now, subject)
        if step.actions and step.to in ("answered", "failed"):
            self._has_answer = step.to == "answered"
            self._wind_down()

    def _do_invite(self, now: float, subject: Tuple[InvocationHead, bytes]) -> None:
        self._head, self._payload = subject
        if self._has_answer:
            self._answered = self._invocation
        self._has_answer = False
        self._invocation = self._random(16)
        self._sha256 = hashlib.sha256(self._payload).digest() if self._is_large else b""
        self.outcome = self.wants = None
        self._owner, self._claim = ANYONE, b""
        self._kept.clear()
        self._began = now
        self._grant_early(now)
        self._deadline = now + max(0.0, self._head.remaining_ms / 1000 - DEADLINE_MARGIN)
        inline = 0 if self._is_large else len(self._payload)
        self._window = CLAIM_WINDOW + inline * CLAIM_WINDOW_PER_BYTE
        self._window_ends = now + self._window
        self._extended = False
        self._timers.set(("stub", "window"), self._window_ends)
        self._timers.set(("stub", "deadline"), self._deadline)
        self._do_invite_again(now, None)

    def _do_invite_again(self, now: float, subject: Any) -> None:
        head = self._head
        invoke = messages.Invoke(
            self._invocation,
            head.function,
            head.request_id,
            head.invoked_function_arn,
            head.trace_id,
            head.client_context,
            head.identity,
            int((self._deadline - now) * 1000),
            head.waited_ms,
            None if self._granted == ANYONE else (self._granted, (self._stamp[0], int((now - self._stamp[1]) * 1000))),
            len(self._payload),
            self._sha256,
            b"" if self._is_large else self._payload,
        )
        self._link.forget(self._invite_number)
        self._invite_number = self._link.send(ANYONE, messages.encode(invoke), self._invocation, now, self._deadline)

    def _do_abandon(self, now: float, subject: Any) -> None:
        self._send_cancel(self._owner, self._invocation, "it was given up", now)
        self._wind_down()

    def _grant_early(self, now: float) -> None:
        """The session that serves the stage, if it was heard a moment ago, need not ask before it runs this."""
        self._granted = ANYONE
        serving = self._contacts.serving(now)
        if serving is not None and self._grants_early and len(self._payload) <= LARGEST_GRANTED:
            self._granted, self._stamp = serving.session, (serving.moment, serving.at)

    def _do_own(self, now: float, subject: Any) -> None:
        self._owner = self._sender
        self._claim = subject.claim if isinstance(subject, messages.Claim) else b""
        self._owner_heard = now
        self.wants = None
        self._cancel_kept(now)
        self._link.forget(self._invite_number)
        self._timers.cancel(("stub", "window"))
        self._timers.cancel(("stub", "invite_over"))
        self._timers.cancel(("stub", "outdated_over"))
        self._timers.set(("stub", "silence"), now + OWNER_SILENCE)

    def _do_grant(self, now: float, subject: Any) -> None:
        self.wants = None
        grant = messages.Grant(self._invocation, self._claim)
        self._grant_number = self._link.send(self._owner, messages.encode(grant), None, now, self._deadline)

    def _do_keep_claim(self, now: float, subject: messages.Claim) -> None:
        self._kept[self._sender] = subject
        while len(self._kept) > MOST_SESSIONS:
            del self._kept[next(iter(self._kept))]

    def _do_release(self, now: float, subject: Any) -> None:
        self._granted = ANYONE
        if self._kept:
            self._sender, claim = self._kept.popitem()
            self._step("claim", now, claim)

    def _do_upload(self, now: float, subject: messages.Claim) -> None:
        if subject.upload is not None:
            self.wants = Upload(*subject.upload)

    def _do_cancel(self, now: float, subject: Any) -> None:
        self._send_cancel(self._owner, self._invocation, "it is over for the caller", now)

    def _do_cancel_other(self, now: float, subject: Any) -> None:
        self._send_cancel(self._sender, self._invocation, "another session has it, or it is over", now)

    def _do_refuse(self, now: float, subject: Any) -> None:
        self._verdict = items.REFUSED

    def _do_ask_lease(self, now: float, subject: Any) -> None:
        self.wants = AskLease()

    def _do_extend(self, now: float, subject: Any) -> None:
        self._extended = True
        self._window += SECOND_WINDOW - CLAIM_WINDOW
        self._window_ends = now + self._window
        self._timers.set(("stub", "window"), self._window_ends)

    def _do_note_outdated(self, now: float, subject: Any) -> None:
        self._timers.soonest(("stub", "outdated_over"), now + REJECT_GRACE)

    def _do_download(self, now: float, subject: messages.Result) -> None:
        self.wants = Download(subject.url or "", subject.size, subject.sha256)

    def _do_receive(self, now: float, subject: Any) -> None:
        self._link.send(self._owner, messages.encode(messages.Received(self._invocation)), None, now, self._deadline)

    def _do_return(self, now: float, subject: messages.Result) -> None:
        self.outcome = Returned(subject.payload)

    def _do_return_download(self, now: float, subject: bytes) -> None:
        self.outcome = Returned(subject)

    def _do_raise(self, now: float, subject: messages.Error) -> None:
        self.outcome = Raised(subject.error_type, subject.message, subject.trace)

    def _do_fail_offline(self, now: float, subject: str) -> None:
        self.outcome = Raised("LiveDevOffline", subject)

    def _do_fail_lost(self, now: float, subject: Any) -> None:
        self._contacts.missed(self._granted if self._owner == ANYONE else self._owner)
        if isinstance(subject, (messages.Bye, messages.Leave)):
            self.outcome = failures.ended()
        elif self._owner != ANYONE:
            self.outcome = failures.lost()
        else:
            self.outcome = failures.unanswered() if self._granted == ANYONE else failures.silent()

    def _do_fail_vanished(self, now: float, subject: Any) -> None:
        self.outcome = failures.vanished()

    def _do_fail_outdated(self, now: float, subject: Any) -> None:
        self.outcome = failures.outdated(self._protocol, self._other_protocol)

    def _do_fail_deadline(self, now: float, subject: Any) -> None:
        self.outcome = failures.late()

    def _do_fail_transfer(self, now: float, subject: Any) -> None:
        wrong = "what was downloaded is not what was stored"
        self.outcome = failures.payload_lost(subject if isinstance(subject, str) else wrong)

    def _do_fail_too_large(self, now: float, subject: Any) -> None:
        self.outcome = failures.request_too_large()

    # Smaller things.

    @property
    def _is_large(self) -> bool:
        return len(self._payload) > INLINE_PAYLOAD

    def _hello(self, now: float) -> None:
        self._link.note(ANYONE, messages.encode(messages.Hello(self._function)), now)
        if self._hellos < len(HELLO_AGAIN):
            self._timers.set(("stub", "hello"), now + HELLO_AGAIN[self._hellos])
            self._hellos += 1

    def _send_cancel(self, to: bytes, invocation: bytes, why: str, now: float) -> None:
        self._link.note(to, messages.encode(messages.Cancel(invocation, why)), now)

    def _cancel_kept(self, now: float) -> None:
        for session in self._kept:
            if session != self._owner:
                self._send_cancel(session, self._invocation, "another session has it", now)
        self._kept.clear()

    def _wind_down(self) -> None:
        """Nothing of the invocation is sent any more, and no timer of it is left."""
        self._link.forget(self._invite_number)
        self._link.forget(self._grant_number)
        self._payload = b""
        self.wants = None
        for what in ("window", "deadline", "silence", "invite_over", "outdated_over"):
            self._timers.cancel(("stub", what))
