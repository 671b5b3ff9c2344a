"""What Skykite promised itself, measured: start, reload, stacks that change, warm requests, memory.

python -m benchmarks.targets [--write]
"""

from __future__ import annotations

from benchmarks import memory, reload, stacks, start, warm
from benchmarks.results import Target, options, report, targets_table


def main() -> None:
    arguments = options("What Skykite promised itself, measured.").parse_args()
    targets: list[Target] = []
    for module in (start, reload, stacks, warm, memory):
        print(f"{module.__name__} …", flush=True)
        targets += module.measure()
        print("\n".join(targets_table(targets)), flush=True)
    report("Targets", targets_table(targets), arguments, module="benchmarks.targets")


if __name__ == "__main__":
    main()
