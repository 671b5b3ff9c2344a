"""Handlers of channel namespaces. APPSYNC_JS is not run here: known programs are told by their hash.

They are those of Skykite's own bootstrap stack (`skykite.deploy.eventapi`); a namespace with any other handler is
refused when it is made, so none is ever ignored. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from skykite_cloud.events.channels import Path

OnSubscribe = Callable[[Path], bool]
"""Whether somebody may subscribe to this path, which may end in `*`."""


def _names_one_channel(segments: int) -> OnSubscribe:
    return lambda path: len(path) == segments and "*" not in path


_KNOWN: dict[str, OnSubscribe] = {
    "aa45757f429db980b6b81094675c6e93551788ac01f72f75d1be3ad348fc583c": _names_one_channel(2),
    "c2a14188a295a6d1c01b7a2bbe504821779aff27e035584d2d4deb1adf56ebdf": _names_one_channel(3),
}


def is_known(code: str) -> bool:
    return _digest(code) in _KNOWN


def on_subscribe(code: str | None) -> OnSubscribe | None:
    """The handler a namespace's code defines, `None` if it defines none."""
    return _KNOWN[_digest(code)] if code else None


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
