"""The embedded cloud's virtual environment: made once, whole or not at all, and never in anybody's way."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from kit.embedded_cloud import RealClock, Recorder
from skykite.cloud import ensure_environment
from skykite.cloud.environment import MINISTACK_VERSION
from skykite.errors import SkykiteError
from skykite.model.events import StepFinished, StepProgress, StepStarted
from skykite.model.locations import cache_directory


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


async def test_runs_at_the_same_moment_make_it_once_and_a_broken_one_is_made_again(cache: Path) -> None:
    recorder = Recorder()

    first, second = await asyncio.gather(
        ensure_environment(recorder, RealClock()), ensure_environment(recorder, RealClock())
    )

    assert first == second
    code = "import importlib.metadata as m; print(m.version('ministack'))"
    imported = await asyncio.create_subprocess_exec(first, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await imported.communicate())[0].decode().strip() == MINISTACK_VERSION
    messages = [event.message for event in recorder.events if isinstance(event, StepProgress)]
    assert sorted(messages) == [
        f"installing MiniStack {MINISTACK_VERSION}",
        "waiting for another kite that prepares it too",
    ]
    assert [path for path in (cache / "cloud").iterdir() if path.name.startswith(".")] == []

    started = time.perf_counter()
    assert await ensure_environment(recorder, RealClock()) == first
    assert time.perf_counter() - started < 0.1
    assert len([event for event in recorder.events if isinstance(event, StepStarted)]) == 2

    first.unlink()
    assert await ensure_environment(recorder, RealClock()) == first
    assert first.exists()
    assert len([event for event in recorder.events if isinstance(event, StepFinished)]) == 3


async def test_without_a_registry_it_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(cache / "uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(SkykiteError) as failed:
        await ensure_environment(Recorder(), RealClock())

    assert str(failed.value) == (
        f"registry-unreachable: cannot fetch MiniStack {MINISTACK_VERSION}, which `--local` runs on"
    )
    assert failed.value.hint == (
        "connect to the internet for this one time, or name your package index in UV_DEFAULT_INDEX"
    )
    assert [path for path in (cache / "cloud").iterdir() if not path.name.endswith(".lock")] == []


async def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KITE_CACHE_DIR", str(tmp_path / "file"))

    with pytest.raises(SkykiteError) as failed:
        await ensure_environment(Recorder(), RealClock())

    assert str(failed.value) == (
        f"cache-unwritable: cannot write into the cache directory `{tmp_path}/file/cloud`: Not a directory"
    )
    assert failed.value.hint == "make it writable, or set KITE_CACHE_DIR to a folder that is"


@pytest.mark.skipif(sys.platform != "linux", reason="the place differs by system")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KITE_CACHE_DIR": "/a"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/skykite")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "skykite"),
        ({}, Path.home() / ".cache" / "skykite"),
    ],
)
def test_the_cache_lies_where_the_system_wants_caches(environment: dict[str, str], expected: Path) -> None:
    assert cache_directory(environment) == expected
