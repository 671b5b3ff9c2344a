"""Save to first response of the new code, under constant load.

    python -m benchmarks.reload [--saves 200] [--load 4]

`--load` clients ask without pause on kept connections. A measuring client saves the handler, then asks until the new
version answers, on fresh time stamps. Every answer is checked: an answer to a request that began after a save and
carries an older version is stale; anything but 200 is failed.
"""

from __future__ import annotations

import http.client
import random
import statistics
import threading
import time
from pathlib import Path
from typing import Self

from benchmarks.results import Target, options, report, targets_table
from benchmarks.server import Server
from benchmarks.session import percentile, project, session

SAVES = 200
CLIENTS = 4
NEVER_AFTER_S = 15

HANDLER = """
def handler(event, context):
    return "{version:06}"
"""


class Load:
    """Clients that ask all the time and compare what they get with what had been saved when they asked."""

    def __init__(self, running: Server, clients: int) -> None:
        self.running = running
        self.saved = 0  # the newest version that is completely on disk
        self.answered = self.failed = self.stale = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def ask(self, connection: http.client.HTTPConnection) -> int:
        known = self.saved
        status, body = get(connection)
        version = int(body) if status == 200 and body.isdigit() else -1
        with self._lock:
            self.answered += 1
            self.failed += status != 200
            self.stale += status == 200 and version < known
        return version

    def _client(self) -> None:
        connection = connect(self.running)
        while not self._stop.is_set():
            self.ask(connection)
        connection.close()


def connect(running: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)


def get(connection: http.client.HTTPConnection) -> tuple[int, str]:
    """Status and body; a connection that breaks is status 0, and the next request opens another."""
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0, ""


def save(handler: Path, version: int) -> None:
    """As editors do: in place half of the time, else by renaming a new file over the old one."""
    text = HANDLER.format(version=version)
    if version % 2:
        handler.write_text(text)
    else:
        fresh = handler.with_suffix(".tmp")
        fresh.write_text(text)
        fresh.replace(handler)


def measure(saves: int = SAVES, clients: int = CLIENTS) -> tuple[Target, ...]:
    with project() as folder:
        handler = folder / "functions" / "hello.py"
        save(handler, 0)
        with session(folder) as running, Load(running, clients) as load:
            took = []
            connection = connect(running)
            for version in range(1, saves + 1):
                time.sleep(random.uniform(0.02, 0.2))
                save(handler, version)
                saved_at = time.perf_counter()
                load.saved = version
                while load.ask(connection) < version:
                    if time.perf_counter() - saved_at > NEVER_AFTER_S:
                        raise RuntimeError(f"version {version} is not answered {NEVER_AFTER_S} s after its save")
                took.append((time.perf_counter() - saved_at) * 1000)
    median = statistics.median(took)
    return (
        Target(
            what="save → first response of the new code, p50",
            wanted="< 150 ms",
            measured=f"{median:.0f} ms (p99 {percentile(took, 0.99):.0f} ms, worst {max(took):.0f} ms)",
            reached=median < 150,
        ),
        Target(
            what=f"failed or stale in {saves} saves under load",
            wanted="0",
            measured=f"{load.failed} failed, {load.stale} stale of {load.answered:,}",
            reached=load.failed == load.stale == 0,
        ),
    )


def main() -> None:
    parser = options("Save to first response of the new code, under constant load.")
    parser.add_argument("--saves", type=int, default=SAVES)
    parser.add_argument("--load", type=int, default=CLIENTS)
    arguments = parser.parse_args()
    lines = targets_table(measure(arguments.saves, arguments.load))
    report("Save to new code", lines, arguments, module="benchmarks.reload")


if __name__ == "__main__":
    main()
