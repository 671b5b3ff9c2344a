"""JSON texts, read as `json.loads` reads them but without the regular expressions and functions around the scanner.

Every message of the bridge passes here, mostly after a pause in which the processor has forgotten what they do. No I/O.
"""

from __future__ import annotations

import json
from typing import Any

_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # as `raw_decode` calls it


def read_json(text: str) -> Any:
    """Raises ValueError, or RecursionError for what is too deep."""
    text = text.strip(" \t\n\r")
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    if end != len(text):
        raise ValueError("more than JSON")
    return value
