"""The bridge's protocol: what a stub in AWS Lambda and a dev session say to each other, over datagrams that get lost.

Machines without I/O: methods take the time, queue datagrams and never wait. Everything here is loaded when it is named,
so that a stub does not load the developer's side.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from .dev import DevMachine
    from .envelope import ANYONE, StageKey
    from .limits import INLINE_PAYLOAD, LARGEST_DATAGRAM, LARGEST_REQUEST, LARGEST_RESULT, PROTOCOL
    from .link import Counters
    from .outcomes import AskLease, Download, InvocationHead, Outcome, Raised, Returned, Upload, Want
    from .reports import (
        Cancelled,
        Delivered,
        Event,
        Fetch,
        Invoke,
        NeedDownloadUrl,
        NeedUploadUrl,
        Rejected,
        TakenOver,
        Undelivered,
    )
    from .stub import StubMachine

_HOMES = {
    "dev": ("DevMachine",),
    "envelope": ("ANYONE", "StageKey"),
    "limits": ("INLINE_PAYLOAD", "LARGEST_DATAGRAM", "LARGEST_REQUEST", "LARGEST_RESULT", "PROTOCOL"),
    "link": ("Counters",),
    "outcomes": ("AskLease", "Download", "InvocationHead", "Outcome", "Raised", "Returned", "Upload", "Want"),
    "reports": (
        "Cancelled", "Delivered", "Event", "Fetch", "Invoke", "NeedDownloadUrl", "NeedUploadUrl", "Rejected",
        "TakenOver", "Undelivered",
    ),
    "stub": ("StubMachine",),
}  # fmt: skip

__all__ = [
    "ANYONE",
    "INLINE_PAYLOAD",
    "LARGEST_DATAGRAM",
    "LARGEST_REQUEST",
    "LARGEST_RESULT",
    "PROTOCOL",
    "AskLease",
    "Cancelled",
    "Counters",
    "Delivered",
    "DevMachine",
    "Download",
    "Event",
    "Fetch",
    "InvocationHead",
    "Invoke",
    "NeedDownloadUrl",
    "NeedUploadUrl",
    "Outcome",
    "Raised",
    "Rejected",
    "Returned",
    "StageKey",
    "StubMachine",
    "TakenOver",
    "Undelivered",
    "Upload",
    "Want",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module("." + home, __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
