"""Exports whose value would change, which CloudFormation refuses as long as another stack imports them.

In: the template that is wanted, and what a change set would do. Out: the exports, each with the resource that is
replaced. Pure. Exports that go away altogether are the planner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from skykite.aws import Change
from skykite.deploy.templates import DesiredStack, StackPaths
from skykite.errors import SkykiteError


def changing_exports(desired: DesiredStack, changes: Iterable[Change]) -> dict[str, str]:
    """Names of exports that tell of a resource that is replaced, with its logical id."""
    replaced = {change.logical_id for change in changes if change.action == "Modify" and change.replacement == "True"}
    found: dict[str, str] = {}
    for output in (desired.template.get("Outputs") or {}).values():
        name = (output.get("Export") or {}).get("Name")
        told = next((one for one in _told_of(output.get("Value")) if one in replaced), None)
        if isinstance(name, str) and told is not None:
            found[name] = told
    return found


def export_changes(export: str, logical_id: str, importers: Sequence[str], paths: StackPaths) -> SkykiteError:
    """What to say of one that is imported."""
    users = f"the stack `{importers[0]}` uses" + (f" and {len(importers) - 1} more use" if len(importers) > 1 else "")
    return SkykiteError(
        "export-changes",
        f"`{paths.of(logical_id)}` would be replaced by a new one, and {users} it by the export `{export}`, which "
        "CloudFormation does not change as long as it is in use",
        hint="give it another id: then the new one is made beside it, the other stacks change over to it, and the old "
        "one goes",
    )


def _told_of(value: object) -> Iterator[str]:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case Mapping():
            for item in value.values():
                yield from _told_of(item)
        case list():
            for item in value:
                yield from _told_of(item)
