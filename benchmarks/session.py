"""A running `kite dev --local` to measure: started as a user does, stopped at the end. I/O: processes and files."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KITE = Path(sys.executable).with_name("kite")


@dataclass
class Session:
    """`first_200_s` is from the command to the first good answer, found by asking without pause."""

    process: subprocess.Popen[bytes]
    port: int
    first_200_s: float
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def project(template: str = "hello") -> Iterator[Path]:
    """A fresh project in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as directory:
        subprocess.run([KITE, "init", "bench", "--template", template], cwd=directory, check=True, capture_output=True)
        yield Path(directory) / "bench"
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def session(folder: Path, port: int = 4900, path: str = "/") -> Iterator[Session]:
    """Start, wait for the first 200, hand out, stop with Ctrl-C."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KITE_"))}
    started = time.perf_counter()
    process = subprocess.Popen(
        [KITE, "dev", "--local", "--stage", "bench", "--port", str(port), "--output", "json"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    events: list[dict[str, Any]] = []
    reader = threading.Thread(target=_read, args=(process, events))
    reader.start()
    try:
        while not answers(port, path):
            if process.poll() is not None or time.perf_counter() - started > 120:
                raise RuntimeError(f"kite dev did not come up: {events[-5:]}")
            time.sleep(0.002)
        yield Session(process, port, time.perf_counter() - started, events)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        reader.join()


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _read(process: subprocess.Popen[bytes], events: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    events.extend(json.loads(line) for line in process.stdout)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
