"""What a function answered about the items of its batch. Pure.

AWS takes an answer without failures for success, one that names an item wrongly for the failure of everything.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

REPORTS = "ReportBatchItemFailures"


def failed_items(answer: Any, items: Collection[str]) -> frozenset[str]:
    """The items that failed, of those that were given: all of them if the answer means nothing."""
    everything = frozenset(items)
    if isinstance(answer, str):
        return frozenset() if not answer else everything
    if answer is None or answer == {}:
        return frozenset()
    if not isinstance(answer, dict):
        return everything
    listed = answer.get("batchItemFailures")
    if listed is None or listed == []:
        return frozenset()
    if not isinstance(listed, list):
        return everything
    failed = set()
    for entry in listed:
        name = entry.get("itemIdentifier") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name not in everything:
            return everything
        failed.add(name)
    return frozenset(failed)
