"""How a deploy's outputs are named for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from skykite.model.names import StackName


def output_rows(outputs: Mapping[StackName, Mapping[str, str]]) -> list[tuple[str, str]]:
    """Name and value. A name that several stacks use is written `Stack.Name`."""
    uses = Counter(name for values in outputs.values() for name in values)
    return [
        (name if uses[name] == 1 else f"{stack}.{name}", value)
        for stack, values in outputs.items()
        for name, value in values.items()
    ]
