"""What stubs and dev sessions say to each other.

In and out: values and bytes. `decode` raises `Malformed`, and nothing else, whatever the bytes are. No I/O.
Times are remaining or elapsed milliseconds; no message knows what time it is.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type, Union

from .codec import BYTES, FLAG, ID, TEXT, U32, U64, Field, Malformed, Reader, both, optional, several


class Hello(NamedTuple):
    """A stub: my container has started. Asks for a Welcome, so that each knows the other before the first event."""

    function: str


class Welcome(NamedTuple):
    """A dev session's HELLO: I am here and take invocations."""

    epoch: int


class Invoke(NamedTuple):
    """A stub, to whoever serves the stage: an event arrived. Who runs it?

    A payload above 1 MB is not here; `size` and `sha256` say what will be uploaded. `granted` names a session that may
    run it at once, and the stamp heard of it last: the session, the moment, how many milliseconds ago it came.
    """

    invocation: bytes
    function: str
    request_id: str
    invoked_function_arn: str
    trace_id: Optional[str]
    client_context: Optional[str]
    identity: Optional[str]
    remaining_ms: int
    waited_ms: int
    granted: Optional[Tuple[bytes, Tuple[int, int]]]
    size: int
    sha256: bytes
    payload: bytes


class Claim(NamedTuple):
    """A dev session: I would run it; or, if INVOKE granted it to me, I do.

    `ended` are sessions that are known to run nothing any more, and since how many milliseconds. `upload` is where a
    large payload goes: URL and headers of a PUT.
    """

    invocation: bytes
    claim: bytes
    running: bool
    ended: Tuple[Tuple[bytes, int], ...]
    upload: Optional[Tuple[str, Tuple[Tuple[str, str], ...]]]


class Grant(NamedTuple):
    """A stub, to one dev session: run it. Said once for an invocation, to one claim.

    Nothing runs without it, unless INVOKE has granted it to the session already.
    """

    invocation: bytes
    claim: bytes


class Heartbeat(NamedTuple):
    """A dev session: I still have it."""

    invocation: bytes


class Result(NamedTuple):
    """A dev session: the function returned. Above 1 MB `payload` is empty, and `url` is where to get it."""

    invocation: bytes
    size: int
    sha256: bytes
    url: Optional[str]
    payload: bytes


class Error(NamedTuple):
    """A dev session: the function failed, in Lambda's words."""

    invocation: bytes
    error_type: str
    message: str
    trace: Tuple[str, ...]


class Received(NamedTuple):
    """A stub: the large result has been downloaded; its object may be deleted."""

    invocation: bytes


class Cancel(NamedTuple):
    """A stub: this invocation is over, do not run it, and stop if you do."""

    invocation: bytes
    why: str


class Bye(NamedTuple):
    """A dev session: I end now. What I was running will not be answered."""

    why: str


class Leave(NamedTuple):
    """A dev session, to a stub of which it runs nothing: I end now. Nothing came from you after the moment of this
    stamp of mine; what you granted me upon a later one I have not run, and will not."""

    moment: int


class Rehello(NamedTuple):
    """A dev session, of a GRANT: I know nothing of this invocation, or not of this claim; so I do not run it."""

    invocation: bytes


class Reject(NamedTuple):
    """A dev session, of an INVOKE that granted it: I do not serve the stage any more, have not run it, and will not."""

    invocation: bytes


class TakeOver(NamedTuple):
    """A dev session, to the others: the stage is mine now."""

    epoch: int


Message = Union[
    Hello,
    Welcome,
    Invoke,
    Claim,
    Grant,
    Heartbeat,
    Result,
    Error,
    Received,
    Cancel,
    Bye,
    Leave,
    Rehello,
    Reject,
    TakeOver,
]


class Layout(NamedTuple):
    code: int
    fields: Tuple[Field, ...]
    from_stub: bool
    reliable: bool  # sent until acknowledged; the others are notes


_UPLOAD = optional(both(TEXT, several(both(TEXT, TEXT))))
_GRANTED = optional(both(ID, both(U64, U32)))
_INVOKE = (ID, TEXT, TEXT, TEXT, optional(TEXT), optional(TEXT), optional(TEXT), U32, U32, _GRANTED, U32, BYTES, BYTES)

LAYOUTS: Dict[Type[Any], Layout] = {
    Hello: Layout(1, (TEXT,), from_stub=True, reliable=False),
    Invoke: Layout(2, _INVOKE, from_stub=True, reliable=True),
    Grant: Layout(3, (ID, ID), from_stub=True, reliable=True),
    Received: Layout(4, (ID,), from_stub=True, reliable=True),
    Cancel: Layout(5, (ID, TEXT), from_stub=True, reliable=False),
    Welcome: Layout(16, (U64,), from_stub=False, reliable=False),
    Claim: Layout(17, (ID, ID, FLAG, several(both(ID, U32)), _UPLOAD), from_stub=False, reliable=True),
    Heartbeat: Layout(18, (ID,), from_stub=False, reliable=False),
    Result: Layout(19, (ID, U32, BYTES, optional(TEXT), BYTES), from_stub=False, reliable=True),
    Error: Layout(20, (ID, TEXT, TEXT, several(TEXT)), from_stub=False, reliable=True),
    Bye: Layout(21, (TEXT,), from_stub=False, reliable=True),
    Rehello: Layout(22, (ID,), from_stub=False, reliable=False),
    Reject: Layout(23, (ID,), from_stub=False, reliable=False),
    Leave: Layout(24, (U64,), from_stub=False, reliable=False),
    TakeOver: Layout(32, (U64,), from_stub=False, reliable=False),
}
_BY_CODE = {layout.code: (kind, layout) for kind, layout in LAYOUTS.items()}


def encode(message: Message) -> bytes:
    layout = LAYOUTS[type(message)]
    parts: List[bytes] = [bytes((layout.code,))]
    for at, field in enumerate(layout.fields):
        field.write(message[at], parts)
    return b"".join(parts)


def decode(data: bytes, *, from_stub: bool) -> Message:
    """The message, if one side may say it to the other; else `Malformed`."""
    if not data or data[0] not in _BY_CODE:
        raise Malformed
    kind, layout = _BY_CODE[data[0]]
    if layout.from_stub is not from_stub:
        raise Malformed
    reader = Reader(data, 1)
    values = [field.read(reader) for field in layout.fields]
    if not reader.at_end:
        raise Malformed
    return kind(*values)  # type: ignore[no-any-return]
