"""What a dev session keeps of one invocation. Pure data."""

from __future__ import annotations

from typing import Optional

from .dev_steps import DEV
from .limits import CLAIM_HELD, CLAIM_HELD_LARGE, HEARTBEAT, INLINE_PAYLOAD
from .messages import Invoke
from .outcomes import InvocationHead

NO_HEAD = InvocationHead("", "", "")


class Record:
    """One invocation. `moment` is when it came, as `memory.Memory` counts."""

    __slots__ = (
        "answer_number",
        "answered_at",
        "beat_at",
        "came",
        "claim",
        "claim_at",
        "claim_number",
        "deadline",
        "head",
        "id",
        "late",
        "moment",
        "payload",
        "received_at",
        "sha256",
        "size",
        "source",
        "started_at",
        "state",
        "stored",
        "until",
        "waited",
    )

    def __init__(self, id: bytes, source: bytes, moment: int, now: float) -> None:
        self.id = id
        self.source = source  # session of the stub
        self.moment = moment
        self.state = DEV.first
        self.head = NO_HEAD
        self.payload = b""
        self.size = 0
        self.sha256 = b""
        self.claim = b""
        self.claim_number: Optional[int] = None  # of the message, to be able to stop sending it
        self.answer_number: Optional[int] = None
        self.deadline = now
        self.received_at = now
        self.started_at = now
        self.answered_at = now
        self.beat_at = now
        self.until = now  # a claim: how long it waits for its GRANT
        self.waited = 0.0  # before the first INVOKE got here, as far as the stub knows
        self.late: Optional[float] = None  # granted with INVOKE: there and back, before it began
        self.claim_at: Optional[float] = None  # granted with INVOKE: when to say that it runs
        self.stored = False  # the result is in S3
        self.came = True  # or else only its CANCEL did

    @property
    def is_large(self) -> bool:
        return self.size > INLINE_PAYLOAD

    def invited(self, invoke: Invoke, claim: bytes, age: float, now: float) -> None:
        """Take down what INVOKE says, `age` seconds after it was first sent."""
        self.head = InvocationHead(
            invoke.function,
            invoke.request_id,
            invoke.invoked_function_arn,
            invoke.trace_id,
            invoke.client_context,
            invoke.identity,
            max(0, invoke.remaining_ms - int(age * 1000)),
            invoke.waited_ms,
        )
        self.size, self.sha256, self.payload = invoke.size, invoke.sha256, invoke.payload
        self.claim = claim
        self.deadline = now + self.head.remaining_ms / 1000
        self.until = min(self.deadline, now + (CLAIM_HELD_LARGE if self.is_large else CLAIM_HELD))
        self.waited = invoke.waited_ms / 1000 + age
        self.beat_at = now + HEARTBEAT
