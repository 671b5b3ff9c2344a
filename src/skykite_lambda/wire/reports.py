"""What a dev session's machine tells its shell: what is to be done, and what became of it. Pure data."""

from __future__ import annotations

from typing import NamedTuple, Union

from .outcomes import InvocationHead


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
