"""What a stub's machine and its shell say to each other about one invocation. Pure data."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple, Union


class InvocationHead(NamedTuple):
    """What Lambda said about an invocation besides its event."""

    function: str  # FunctionId, from KITE_LIVE
    request_id: str
    invoked_function_arn: str
    trace_id: Optional[str] = None
    client_context: Optional[str] = None  # JSON text
    identity: Optional[str] = None  # JSON text
    remaining_ms: int = 900_000  # until Lambda ends the function
    waited_ms: int = 0  # in the stub, before `begin`


# How an invocation ended, for the stub.


class Returned(NamedTuple):
    payload: bytes


class Raised(NamedTuple):
    """The function's own error, or one of the bridge: those are called Live…."""

    error_type: str
    message: str
    trace: Tuple[str, ...] = ()


Outcome = Union[Returned, Raised]

# What a stub's machine wants done by its shell.


class Upload(NamedTuple):
    """PUT the invocation's payload there, then `uploaded` or `transfer_failed`."""

    url: str
    headers: Tuple[Tuple[str, str], ...]


class Download(NamedTuple):
    """GET the result from there, then `downloaded` or `transfer_failed`."""

    url: str
    size: int
    sha256: bytes


class AskLease(NamedTuple):
    """Nobody claims: read the lease, then `offline` or `online`."""


Want = Union[Upload, Download, AskLease]
