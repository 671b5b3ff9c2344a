"""Tell requests that may change something from those that only read. Pure.

A wrong "may change" costs a snapshot too many, a wrong "only reads" would lose data: when in doubt, it changes.
"""

from __future__ import annotations

from typing import Any

_READING = ("Get", "List", "Describe", "Query", "Scan", "BatchGet", "Head", "Select", "Lookup", "Filter")
_READING_METHODS = ("GET", "HEAD", "OPTIONS")
_CHANGING_GETS = ("/_aws/", "/restapis/")  # an API behind these runs functions


def changes_state(scope: dict[str, Any]) -> bool:
    """Whether the request of this ASGI scope may have changed the cloud's state."""
    if scope["type"] == "websocket":
        return True
    if scope["type"] != "http":
        return False
    path: str = scope["path"]
    if scope["method"] in _READING_METHODS:
        return path.startswith(_CHANGING_GETS)
    for name, value in scope["headers"]:
        if name == b"x-amz-target":  # DynamoDB_20120810.GetItem
            operation = value.decode("latin-1").rpartition(".")[2]
            return not operation.startswith(_READING)
    return True
