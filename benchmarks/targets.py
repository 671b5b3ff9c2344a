"""What Skykite promised itself, measured: start, reload, warm requests, memory.

python -m benchmarks.targets [--write]
"""

from __future__ import annotations

from benchmarks import memory, reload, start, warm
from benchmarks.results import options, report, targets_table


def main() -> None:
    arguments = options("What Skykite promised itself, measured.").parse_args()
    targets = [target for module in (start, reload, warm, memory) for target in module.measure()]
    report("Targets", targets_table(targets), arguments, module="benchmarks.targets")


if __name__ == "__main__":
    main()
