"""Memory of the whole `kite dev --local` tree: idle, and after load. Linux only (proportional set size from /proc).

python -m benchmarks.memory
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.reload import connect
from benchmarks.session import project, session


def tree(root: int) -> dict[int, str]:
    """Pid to command line of `root` and everything below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in sorted(found)}


def memory_mb(pid: int) -> tuple[float, float]:
    """Proportional and resident set size; shared pages count once in the first sum and often in the second."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        values[name] = int(value.split()[0]) / 1024
    return values["Pss"], values["Rss"]


def report(name: str, root: int) -> None:
    rows = [(pid, command, *memory_mb(pid)) for pid, command in tree(root).items()]
    print(f"{name}: {sum(r[2] for r in rows):.0f} MB PSS, {sum(r[3] for r in rows):.0f} MB RSS, {len(rows)} processes")
    for pid, command, pss, rss in rows:
        print(f"  {pid:7} {pss:6.1f} {rss:6.1f}  {command[:90]}")


def main() -> None:
    with project("api") as folder, session(folder, path="/notes") as running:
        time.sleep(3)
        report("idle, Notes API after its first request", running.process.pid)
        connection = connect(running)
        for _ in range(2000):
            connection.request("GET", "/notes")
            connection.getresponse().read()
        report("after 2,000 requests", running.process.pid)


if __name__ == "__main__":
    main()
