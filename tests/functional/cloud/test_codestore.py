"""Code of deployed functions on disk: whole or not there, once per content, and not kept for ever."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from kit.embedded_cloud import empty_zip
from skykite.cloud import codestore
from skykite.cloud.codestore import CodeStore
from skykite.errors import SkykiteError


class Zips:
    """Where a store gets zips from. Counts how often it is asked."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.asked: list[list[str]] = []

    def add(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.held[digest] = data
        return digest

    def file(self, text: str) -> str:
        return self.add(empty_zip(index__py=text))

    async def fetch(self, digests: Collection[str]) -> Mapping[str, bytes]:
        self.asked.append(list(digests))
        await asyncio.sleep(0)
        return {digest: self.held[digest] for digest in digests}


@pytest.fixture
def zips() -> Zips:
    return Zips()


@pytest.fixture
async def store(tmp_path: Path) -> CodeStore:
    made = CodeStore(tmp_path / "code")
    await made.start()
    return made


async def test_the_same_content_is_fetched_and_unpacked_once_however_many_want_it(store: CodeStore, zips: Zips) -> None:
    digest = zips.file("1")

    places = await asyncio.gather(*(store.folder([digest], zips.fetch) for _ in range(20)))

    assert len(set(places)) == 1
    assert zips.asked == [[digest]]
    assert (places[0] / "index.py").read_text() == "1"


async def test_layers_lie_one_over_the_other_in_their_order(store: CodeStore, zips: Zips) -> None:
    lower, upper = zips.file("lower"), zips.file("upper")

    assert (await store.folder([lower, upper], zips.fetch) / "index.py").read_text() == "upper"
    assert (await store.folder([upper, lower], zips.fetch) / "index.py").read_text() == "lower"


async def test_a_zip_that_cannot_be_unpacked_leaves_nothing_and_is_asked_for_again(
    store: CodeStore, zips: Zips, tmp_path: Path
) -> None:
    digest = zips.add(b"no zip")

    for _ in range(2):
        with pytest.raises(SkykiteError, match="function-code-invalid"):
            await store.folder([digest], zips.fetch)

    assert list((tmp_path / "code").iterdir()) == []
    assert len(zips.asked) == 2


async def test_a_fetch_that_fails_leaves_the_way_free_for_the_next(store: CodeStore, zips: Zips) -> None:
    async def lost(_: Collection[str]) -> Mapping[str, bytes]:
        raise ConnectionResetError

    digest = zips.file("1")
    with pytest.raises(ConnectionResetError):
        await store.folder([digest], lost)

    assert (await store.folder([digest], zips.fetch) / "index.py").exists()


async def test_what_is_whole_is_found_again_and_what_a_kill_left_half_made_is_removed(
    store: CodeStore, zips: Zips, tmp_path: Path
) -> None:
    place = await store.folder([digest := zips.file("1")], zips.fetch)
    (tmp_path / "code" / ".making-x").mkdir()
    (tmp_path / "code" / ".making-x" / "part").write_text("")

    again = CodeStore(tmp_path / "code")
    await again.start()

    assert await again.folder([digest], zips.fetch) == place
    assert zips.asked == [[digest]]
    assert [path.name for path in (tmp_path / "code").iterdir()] == [place.name]


async def test_of_what_nobody_uses_only_the_last_few_are_kept(
    tmp_path: Path, zips: Zips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codestore, "KEPT", 2)
    store = CodeStore(tmp_path / "code")
    await store.start()
    digests = [zips.file(str(number)) for number in range(5)]
    places = [await store.folder([digest], zips.fetch) for digest in digests]
    for age, place in enumerate(reversed(places)):
        os.utime(place, (time.time() - 10_000 * age,) * 2)

    again = CodeStore(tmp_path / "code")
    await again.start()

    assert [place.exists() for place in places] == [False, False, False, True, True]


async def test_what_was_replaced_just_now_stays_for_those_who_still_run_it(
    tmp_path: Path, zips: Zips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codestore, "KEPT", 0)
    store = CodeStore(tmp_path / "code")
    await store.start()
    old, new = zips.file("old"), zips.file("new")
    place = await store.folder([old], zips.fetch)
    os.utime(place, (time.time() - 100_000,) * 2)  # it was first used long ago
    await store.folder([new], zips.fetch)

    await store.keep_only([[new]])

    assert (place / "index.py").exists()
    monkeypatch.setattr(codestore, "SETTLED", -1.0)
    await store.keep_only([[new]])
    assert not place.exists()
