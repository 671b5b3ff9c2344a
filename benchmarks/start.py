"""From the command to the first 200: a project's first start, and one with nothing changed.

    python -m benchmarks.start

The machine is prepared: packages installed, the embedded cloud's environment made, files in the page cache.
"""

from __future__ import annotations

import statistics

from benchmarks.results import Target, options, report, targets_table
from benchmarks.session import project, session

ROUNDS = 5


def measure() -> tuple[Target, ...]:
    with project() as folder, session(folder):
        pass  # what the machine makes once is made
    first, second, stops, left = [], [], [], 0
    for _ in range(ROUNDS):
        with project() as folder:
            with session(folder) as one:
                first.append(one.first_200_s)
            with session(folder) as two:
                second.append(two.first_200_s)
        stops += [one.stop_s, two.stop_s]
        left += one.left_behind + two.left_behind
    return (
        seconds("command to first 200, new project", "< 3 s", first, limit=3),
        seconds("command to first 200, nothing changed", "< 1.5 s", second, limit=1.5),
        seconds("Ctrl-C to gone", "< 2 s", stops, limit=2),
        Target(what="processes left behind", wanted="0", measured=str(left), reached=left == 0),
    )


def seconds(what: str, wanted: str, values: list[float], *, limit: float) -> Target:
    median = statistics.median(values)
    measured = f"{median:.2f} s (worst {max(values):.2f} s of {len(values)})"
    return Target(what=what, wanted=wanted, measured=measured, reached=median < limit)


def main() -> None:
    arguments = options("From the command to the first 200.").parse_args()
    report("Start", targets_table(measure()), arguments, module="benchmarks.start")


if __name__ == "__main__":
    main()
