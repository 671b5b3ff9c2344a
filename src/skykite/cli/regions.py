"""Which regions AWS has, as far as the installed botocore knows.

Out: their names. I/O: reads one small file of botocore's, without importing it: every command asks.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path


def known_regions() -> frozenset[str]:
    """Empty if botocore keeps its list otherwise than it does now."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        return frozenset()
    try:
        text = (Path(found.origin).parent / "data" / "partitions.json").read_text(encoding="utf-8")
        return frozenset(name for partition in json.loads(text)["partitions"] for name in partition["regions"])
    except (OSError, ValueError, LookupError, TypeError):
        return frozenset()
