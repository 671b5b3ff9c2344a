"""A running `kite dev --local` to measure: started as a user does, stopped at the end. I/O: processes and files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.server import Server, clean_environment, serving

ROOT = Path(__file__).parent.parent
KITE = Path(sys.executable).with_name("kite")


@contextmanager
def project(template: str = "hello") -> Iterator[Path]:
    """A fresh project in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as directory:
        initialise(Path(directory) / "bench", template)
        yield Path(directory) / "bench"


def initialise(folder: Path, template: str = "hello") -> None:
    command: list[str | Path] = [KITE, "init", folder.name, "--template", template]
    subprocess.run(command, cwd=folder.parent, env=clean_environment(), check=True, capture_output=True)


def session(folder: Path, *, port: int = 4900, path: str = "/") -> AbstractContextManager[Server]:
    """Start, wait for the first 200, hand out, stop with Ctrl-C."""
    return serving(dev_command(port), folder=folder, port=port, path=path)


def dev_command(port: int) -> list[str | Path]:
    return [KITE, "dev", "--local", "--stage", "bench", "--port", str(port), "--output", "json"]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
