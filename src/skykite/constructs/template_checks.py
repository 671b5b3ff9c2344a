"""What CloudFormation refuses only in the middle of a deploy, refused when the stacks are read.

In: the templates, and where the user's program made what. Out: notices, or a SkykiteError that names construct paths
and lines. I/O: reads the source line that an error shows.

Checked: resources that need each other in a circle, stacks of more resources than CloudFormation takes, two stacks or
two resources of one name.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from skykite.constructs.blame import refuse
from skykite.constructs.program import Program
from skykite.errors import SkykiteError
from skykite.model.manifest import SynthNotice
from skykite.model.names import ConstructPath, StackName
from skykite.model.references import path_of_resource

RESOURCE_LIMIT: Final = 500  # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_NEARLY: Final = RESOURCE_LIMIT * 4 // 5
_ROOMY: Final = RESOURCE_LIMIT * 3 // 5
_SHOWN: Final = 6  # parts of a stack
_NAMED: Final = 3  # of those that are to move
_NEEDS: Final = re.compile(r"\((\S+) -> (\S+?)(?:\.[A-Za-z]+)?\)")
_VARIABLE: Final = re.compile(r"\$\{([^!}.]+)[^}]*\}")
_NAMES: Final[Mapping[str, str]] = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SecretsManager::Secret": "Name",
}

Resources = Mapping[str, Mapping[str, Any]]


def check_circle(path: ConstructPath, resources: Resources, program: Program) -> None:
    """Refuse resources that need each other. Raises `circular-dependency`."""
    needs = {name: set(_needed(resource)) & resources.keys() for name, resource in resources.items()}
    circle = shortest_circle(needs)
    if circle is None:
        return
    owners: list[str] = []
    for name in circle:
        owner = _owner(path_of_resource(resources[name]) or ConstructPath(f"{path}/{name}"), program)
        if not owners or owners[-1] != owner:
            owners.append(owner)
    if len(owners) > 1 and owners[0] == owners[-1]:
        owners.pop()
    steps = [
        f"  {_at(one, program)} needs `{other}`" for one, other in zip(owners, [*owners[1:], owners[0]], strict=True)
    ]
    itself = len(owners) == 1
    raise _refused(
        "circular-dependency",
        f"stack `{path}` holds what needs {'itself' if itself else 'each other in a circle'}, which CloudFormation "
        "refuses:\n" + "\n".join(steps),
        hint="a function finds its own name in `context.function_name`: take it out of its own `link`, `environment` "
        "and `permissions`"
        if itself
        else "link in one direction only: the other side can be told what it needs in the event, or be reached "
        "through a queue or a topic",
        program=program,
        places=[*owners, path],
    )


def explain_circle_of_stacks(text: str, program: Program) -> SkykiteError | None:
    """From what CDK says of stacks that need each other: `(A -> B/Table/Resource.Ref)`, once for each way."""
    needs = [(one, _owner(ConstructPath(other), program)) for one, other in _NEEDS.findall(text)]
    if "cyclic reference" not in text or not needs:
        return None
    stacks = " and ".join(dict.fromkeys(f"`{one}`" for one, _ in needs))
    steps = [f"  `{one}` needs {_at(other, program)}" for one, other in needs]
    return _refused(
        "circular-dependency",
        f"the stacks {stacks} need each other, and one of them has to be deployed first:\n" + "\n".join(steps),
        hint="move what both need into a stack of its own, or what one needs of the other into it",
        program=program,
        places=[needs[-1][1], needs[-1][0]],
    )


def shortest_circle(needs: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Names each of which needs the next, and the last the first. Pure."""
    in_circles = _in_circles(needs)
    found: list[str] | None = None
    for start in sorted(in_circles):
        ways: dict[str, str] = {}
        waiting = deque([start])
        while waiting and start not in ways:
            name = waiting.popleft()
            for needed in sorted(set(needs[name]) & in_circles):
                if needed not in ways:
                    ways[needed] = name
                    waiting.append(needed)
        if start in ways:
            circle = [start]
            while (before := ways[circle[-1]]) != start:
                circle.append(before)
            circle = [start, *reversed(circle[1:])]
            if found is None or len(circle) < len(found):
                found = circle
    return found


def check_size(path: ConstructPath, resources: Resources, program: Program) -> SynthNotice | None:
    """Refuse a stack of too many resources, warn of one that soon is. Raises `stack-too-large`."""
    if len(resources) < _NEARLY:
        return None
    paths = [path_of_resource(resource) for resource in resources.values()]
    counted = _parts(path, paths)
    shown = "\n".join(f"  {count:>4} `{part}`" for part, count in counted[:_SHOWN])
    part, count = counted[0]
    if count > _NEARLY:
        hint = (
            f"divide `{part}` in two, each in a stack of its own; routes and consumers that share a `Function` take "
            "fewer than those with one of their own"
        )
    else:
        hint = _move(counted, len(resources))
    if len(resources) <= RESOURCE_LIMIT:
        return SynthNotice(
            notice="stack-large",
            message=f"stack `{path}` has {len(resources)} of the {RESOURCE_LIMIT} resources that CloudFormation takes:"
            f"\n{shown}",
            hint=hint,
        )
    raise _refused(
        "stack-too-large",
        f"stack `{path}` has {len(resources)} resources, and CloudFormation takes {RESOURCE_LIMIT}:\n{shown}",
        hint=hint,
        program=program,
        places=[part, path],
    )


def _move(counted: list[tuple[ConstructPath, int]], total: int) -> str:
    """The fewest parts whose leaving gives the stack room to grow."""
    moved: list[ConstructPath] = []
    left = total
    for part, count in counted:
        if left <= _ROOMY:
            break
        moved.append(part)
        left -= count
    names = [f"`{part}`" for part in moved[:_NAMED]]
    if len(moved) > _NAMED:
        names.append(f"{len(moved) - _NAMED} more")
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    place = "a stack of its own" if len(moved) == 1 else "stacks of their own"
    return f"move {listed} to {place}, which leaves {left} in this one"


def check_names(stacks: Iterable[tuple[ConstructPath, StackName, Resources]], program: Program) -> None:
    """Refuse names that are given twice. Raises `name-taken`."""
    taken: dict[tuple[str, str], ConstructPath] = {}
    for path, name, resources in stacks:
        if (other := taken.setdefault(("stack", name), path)) != path:
            raise _taken("stack", path, name, other, program)
        for logical_id, resource in resources.items():
            kind = resource["Type"]
            given = resource.get("Properties", {}).get(_NAMES.get(kind, ""))
            if not isinstance(given, str) or "Condition" in resource:
                continue
            here = path_of_resource(resource) or ConstructPath(f"{path}/{logical_id}")
            if (other := taken.setdefault((kind, given), here)) != here:
                raise _taken(kind, here, given, other, program)


def _taken(kind: str, path: ConstructPath, name: str, other: ConstructPath, program: Program) -> SkykiteError:
    return _refused(
        "name-taken",
        f"`{path}` is named `{name}`, and so is `{other}`: AWS takes one {kind} of a name",
        hint="give one of them another name, or none: then one that is free is chosen",
        program=program,
        places=[_owner(path, program), path.partition("/")[0]],
    )


def _in_circles(needs: Mapping[str, Iterable[str]]) -> set[str]:
    """What is left when all that needs nothing, and all that nothing needs, is taken away again and again."""
    left = set(needs)
    while True:
        kept = {name for name in left if any(needed in left for needed in needs[name])}
        needed = {one for name in kept for one in needs[name]}
        kept &= needed
        if kept == left:
            return left
        left = kept


def _needed(resource: Mapping[str, Any]) -> Iterator[str]:
    depends = resource.get("DependsOn", ())
    yield from (depends,) if isinstance(depends, str) else depends
    yield from _named({key: value for key, value in resource.items() if key not in ("DependsOn", "Metadata")})


def _named(value: object) -> Iterator[str]:
    match value:
        case list():
            for item in value:
                yield from _named(item)
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(text)}:
            yield text.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from _VARIABLE.findall(text)
        case {"Fn::Sub": [str(text), dict(variables)]}:
            yield from (name for name in _VARIABLE.findall(text) if name not in variables)
            yield from _named(variables)
        case dict():
            for item in value.values():
                yield from _named(item)


def _parts(path: ConstructPath, paths: Iterable[ConstructPath]) -> list[tuple[ConstructPath, int]]:
    """How many resources each child of `path` makes, the most first."""
    depth = path.count("/") + 2
    counted = Counter(ConstructPath("/".join(one.split("/")[:depth])) for one in paths)
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _owner(path: ConstructPath, program: Program) -> str:
    """The construct of the user's that a resource belongs to."""
    parts = path.split("/")
    for length in range(len(parts), 1, -1):
        candidate = ConstructPath("/".join(parts[:length]))
        if candidate in program.lines:
            return candidate
    return path


def _refused(code: str, message: str, *, hint: str, program: Program, places: Iterable[str]) -> SkykiteError:
    """With the first of the constructs whose line is known."""
    place = next((line for one in places if (line := program.lines.get(ConstructPath(one)))), None)
    if place is None:
        return SkykiteError(code, message, hint=hint)
    return refuse(code, message, hint=hint, root=program.root, place=place)


def _at(owner: str, program: Program) -> str:
    line = program.lines.get(ConstructPath(owner))
    return f"`{owner}` ({line.relative_to(program.root)})" if line is not None else f"`{owner}`"
