"""Names both ends of Live find each other by."""

from __future__ import annotations

import re

from skykite.model.live import (
    lease_key,
    payload_prefix,
    replies_channel,
    replies_prefix,
    requests_channel,
    stage_channel,
    stage_key_name,
)

SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?")
HASH = "6f660a2caea85575a1a639c61aff5921"


def test_names_are_what_stubs_already_deployed_use() -> None:
    assert stage_channel("notes", "alice") == HASH
    assert requests_channel("notes", "alice") == f"/kite-requests/{HASH}"
    assert replies_prefix("notes", "alice") == f"/kite-replies/{HASH}"
    assert replies_channel("notes", "alice", bytes(16)) == f"/kite-replies/{HASH}/{'00' * 16}"
    assert lease_key("notes", "alice") == f"live/{HASH}/lease.json"
    assert payload_prefix("notes", "alice") == f"live/{HASH}/payload/"
    assert stage_key_name("notes", "alice") == "/skykite/notes/alice/live-key"


def test_application_and_stage_are_told_apart() -> None:
    assert stage_channel("a", "bc") != stage_channel("ab", "c")


def test_channels_are_ones_that_appsync_takes() -> None:
    for channel in (requests_channel("My-App", "a-b"), replies_channel("My-App", "a-b", bytes([255] * 16))):
        segments = channel.split("/")[1:]
        assert len(segments) <= 5
        assert all(SEGMENT.fullmatch(segment) for segment in segments)
