"""From the command to the first 200: a project's first start, one after a stack edit, and one with nothing changed.

    python -m benchmarks.start

The machine is prepared: packages installed, the embedded cloud's environment made, files in the page cache.
"""

from __future__ import annotations

import statistics

from benchmarks.session import project, session

ROUNDS = 5


def main() -> None:
    first, second = [], []
    for _ in range(ROUNDS):
        with project() as folder:
            with session(folder) as running:
                first.append(running.first_200_s)
            with session(folder) as running:
                second.append(running.first_200_s)
    for name, values in (("first start", first), ("second start, nothing changed", second)):
        print(f"{name:32} median {statistics.median(values):5.2f} s   max {max(values):5.2f} s   of {len(values)}")


if __name__ == "__main__":
    main()
