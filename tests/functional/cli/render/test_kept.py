"""What is said of an embedded cloud that is kept running: every state, whole."""

from __future__ import annotations

import io

from syrupy.assertion import SnapshotAssertion

from kit.clock import ManualClock
from kit.story import APP, KEPT, SINCE
from skykite.cli.render import open_renderer
from skykite.model.events import CloudStarted, CloudStatus, CloudStopped, Event

LOG = "/notes/.kite/local/keeper.log"
URL = "http://127.0.0.1:5000"


def plain(*events: Event) -> str:
    both = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)
    renderer = open_renderer("plain", stdout=both, stderr=both, environment={}, clock=ManualClock())
    for event in events:
        renderer.emit(event)
    renderer.stop()
    both.seek(0)
    return both.read()


def test_what_start_and_stop_say(snapshot: SnapshotAssertion) -> None:
    said = plain(
        KEPT[0],
        CloudStarted(app=APP, pid=4711, since=SINCE, url=URL, log=LOG, elapsed_ms=0, already=True),
        CloudStarted(app=APP, pid=4711, since=SINCE, url=URL, log=None, elapsed_ms=731),
        KEPT[2],
        CloudStopped(app=APP, result="killed", pid=4711, log=LOG, elapsed_ms=5_100),
        CloudStopped(app=APP, result="died", pid=4711, log=LOG, elapsed_ms=0),
        CloudStopped(app=APP, result="not-running", elapsed_ms=0),
    )

    assert said == snapshot


def test_what_status_says(snapshot: SnapshotAssertion) -> None:
    said = plain(
        KEPT[1],
        CloudStatus(app=APP, state="starting", pid=4711, since=SINCE, log=LOG),
        CloudStatus(app=APP, state="unresponsive", pid=4711, since=SINCE, log=LOG),
        CloudStatus(app=APP, state="died", pid=4711, since=SINCE, log=LOG),
        CloudStatus(app=APP, state="dev", pid=4711, url=URL),
        CloudStatus(app=APP, state="stopped"),
    )

    assert said == snapshot
