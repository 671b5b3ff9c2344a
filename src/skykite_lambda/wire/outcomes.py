"""What the machines and their shells say to each other about one invocation. Pure data."""

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

# What a dev session's machine reports.


class Invoke(NamedTuple):
    """Run this, exactly once, then `returned` or `raised`."""

    id: bytes
    head: InvocationHead
    payload: bytes
    source: bytes  # session of the stub
    deadline: float  # on the machine's clock
    bridge_ms: float = 0.0  # what getting here and going back takes: twice the way from CLAIM to GRANT, and the waiting


class Fetch(NamedTuple):
    """A large request was uploaded: download it, then `fetched` or `failed`."""

    id: bytes
    size: int
    sha256: bytes


class NeedUploadUrl(NamedTuple):
    """A large request will come: presign a PUT of that size, then `upload_url` or `failed`."""

    id: bytes
    size: int
    sha256: bytes


class NeedDownloadUrl(NamedTuple):
    """A large result is to go: store it, presign a GET, then `download_url` or `failed`."""

    id: bytes
    payload: bytes
    sha256: bytes


class Cancelled(NamedTuple):
    """It is over for its caller. `started` says whether `Invoke` was reported; if so, stop it. Delete its objects."""

    id: bytes
    head: InvocationHead
    why: str
    started: bool


class Delivered(NamedTuple):
    """The stub has the outcome; `bridge_ms` went by in waiting and on the way, all but the run. Delete its objects."""

    id: bytes
    bridge_ms: float


class Undelivered(NamedTuple):
    """The stub refused the outcome, or (`certain` is false) never acknowledged it. Delete its objects."""

    id: bytes
    why: str
    certain: bool


class TakenOver(NamedTuple):
    """Another session serves the stage. This one has begun to step down."""

    session: bytes
    epoch: int


class Rejected(NamedTuple):
    """A stub of another version of the protocol called, and was told so. Once for each stub."""

    source: bytes
    protocol: int


Event = Union[Invoke, Fetch, NeedUploadUrl, NeedDownloadUrl, Cancelled, Delivered, Undelivered, TakenOver, Rejected]
