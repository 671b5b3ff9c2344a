"""What a function's bundle reads like."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from kit.story import STORY
from skykite.cli.render.bundles import inspected
from skykite.cli.render.lines import Line
from skykite.model.events import BundleInspected

(BUNDLE,) = [event for event in STORY if isinstance(event, BundleInspected)]


def test_a_bundle_is_a_table_of_what_why_and_how_much(snapshot: SnapshotAssertion) -> None:
    lines = [line for line in inspected(BUNDLE) if isinstance(line, Line)]
    assert all(line.data for line in lines)
    assert "\n".join(line.text for line in lines) == snapshot
