"""Events kept for a replay: private, whole, not for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from skykite.live.saved_events import SavedEvents


def test_an_event_is_kept_as_it_came_for_its_owner_alone(tmp_path: Path) -> None:
    saved = SavedEvents(tmp_path / "alice" / "events")
    file = saved.save("8f507cfc-1234", b'{ "a" : 1 }')
    assert file == tmp_path / "alice" / "events" / "8f507cfc-1234.json"
    assert file.read_bytes() == b'{ "a" : 1 }'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_second_delivery_of_a_request_replaces_the_first(tmp_path: Path) -> None:
    saved = SavedEvents(tmp_path)
    saved.save("r1", b"first, and longer")
    assert saved.save("r1", b"second").read_bytes() == b"second"


def test_a_link_that_lies_there_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "r1.json").symlink_to(victim)
    SavedEvents(tmp_path / "events").save("r1", b"x")
    assert victim.read_text() == "precious"


def test_the_newest_are_kept(tmp_path: Path) -> None:
    saved = SavedEvents(tmp_path, kept=3)
    for number in range(6):
        file = saved.save(f"r{number}", b"x")
        os.utime(file, ns=(number, number))
    assert sorted(file.name for file in tmp_path.glob("*.json")) == ["r3.json", "r4.json", "r5.json"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a" * 65, "a.json"])
def test_what_is_no_request_id_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no request id"):
        SavedEvents(tmp_path).save(name, b"x")
    assert list(tmp_path.iterdir()) == []
