"""Which stacks to touch, and in which order. In: what the assembly wants, what CloudFormation has. Out: a `Plan`. Pure.

Order comes from two sides. A stack goes after those it depends on. And a stack that drops an export goes after the
stacks that import it today: CloudFormation refuses to drop what is in use. Where both together make a circle, the
stack is updated twice: once with the old export still in it, and again when its importer has let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Final

from skykite.aws import StackState
from skykite.deploy.templates import APP_TAG, STAGE_TAG, DesiredStack, is_unchanged
from skykite.errors import SkykiteError
from skykite.model.names import AppName, StackName, StageName
from skykite.model.plan import Apply, KeptExport, Plan, PlanStep, Release, Remove, StepId

_GONE: Final = "DELETE_COMPLETE"


def abandoned(
    desired: Sequence[DesiredStack], actual: Mapping[StackName, StackState], *, app: AppName, stage: StageName
) -> tuple[StackState, ...]:
    """Stacks that an earlier deploy of this app and stage made and that the assembly no longer has."""
    wanted = {stack.name for stack in desired}
    return tuple(
        state
        for name, state in sorted(actual.items())
        if name not in wanted
        and not state.nested
        and state.status != _GONE
        and state.tags.get(APP_TAG) == app
        and state.tags.get(STAGE_TAG) == stage
    )


def leaving_exports(
    desired: Sequence[DesiredStack], actual: Mapping[StackName, StackState], removed: Iterable[StackState]
) -> dict[str, StackName]:
    """Exports that exist and will not after the deploy, with the stack they belong to."""
    leaving: dict[str, StackName] = {}
    for stack in desired:
        state = actual.get(stack.name)
        if state is not None and not is_unchanged(stack, state):
            staying = stack.exports
            leaving |= {name: stack.name for name in _exports(state) if name not in staying}
    for state in removed:
        leaving |= {name: StackName(state.name) for name in _exports(state)}
    return leaving


def plan_deploy(
    desired: Sequence[DesiredStack],
    actual: Mapping[StackName, StackState],
    *,
    removed: Sequence[StackState] = (),
    importers: Mapping[str, frozenset[StackName]],
) -> Plan:
    """Decide what to do. `removed` are to be deleted; `importers` says who imports each leaving export today."""
    wanted = {stack.name: stack for stack in desired}
    unchanged = tuple(
        stack.name for stack in desired if stack.name in actual and is_unchanged(stack, actual[stack.name])
    )
    steps: dict[StepId, PlanStep] = {}
    for stack in desired:
        if stack.name not in unchanged:
            after = frozenset(_apply(name) for name in _changed_before(stack, wanted, unchanged))
            steps[_apply(stack.name)] = PlanStep(id=_apply(stack.name), stack=stack.name, action=Apply(), after=after)
    for state in removed:
        name = StackName(state.name)
        steps[_remove(name)] = PlanStep(id=_remove(name), stack=name, action=Remove())
    _sorted(steps)  # a circle among dependencies is nobody's to untie

    leaving = leaving_exports(desired, actual, removed)
    # Removals first: an update that would make a circle with one can be split in two, a removal cannot.
    for export, owner in sorted(leaving.items(), key=lambda item: _remove(item[1]) not in steps):
        for importer in sorted(importers.get(export, frozenset())):
            released_by = _releasing_step(importer, export, wanted, steps)
            if released_by is None:
                raise SkykiteError(
                    "export-in-use",
                    f"`{_label(owner, wanted)}` no longer exports `{export}`, which the stack `{importer}` imports",
                    hint=f"deploy `{importer}` without the import first, or keep the export",
                )
            _release_after(owner, export, released_by, steps, actual)
    return Plan(steps=_sorted(steps), unchanged=unchanged)


def plan_removal(
    states: Sequence[StackState],
    *,
    importers: Mapping[str, frozenset[StackName]],
    dependencies: Mapping[StackName, Iterable[StackName]],
) -> Plan:
    """Delete all of these, dependents first. `dependencies` are those the assembly knows, if there is one."""
    plan = plan_deploy((), {StackName(state.name): state for state in states}, removed=states, importers=importers)
    steps = {step.id: step for step in plan.steps}
    for dependent, needed in dependencies.items():
        for name in needed:
            if _remove(dependent) in steps and _remove(name) in steps:
                _add_edge(steps, _remove(name), after=_remove(dependent))
    return Plan(steps=_sorted(steps))


def _changed_before(
    stack: DesiredStack, wanted: Mapping[StackName, DesiredStack], unchanged: Sequence[StackName]
) -> set[StackName]:
    """The stacks it depends on that change, also by way of some that do not."""
    found, seen, waiting = set(), {stack.name}, list(stack.dependencies)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in wanted:
            continue
        seen.add(name)
        if name in unchanged:
            waiting += wanted[name].dependencies
        else:
            found.add(name)
    return found


def _releasing_step(
    importer: StackName, export: str, wanted: Mapping[StackName, DesiredStack], steps: Mapping[StepId, PlanStep]
) -> StepId | None:
    """The step after which a stack no longer imports an export."""
    if _remove(importer) in steps:
        return _remove(importer)
    if _apply(importer) in steps and export not in wanted[importer].imports:
        return _apply(importer)
    return None


def _release_after(
    owner: StackName,
    export: str,
    released_by: StepId,
    steps: dict[StepId, PlanStep],
    actual: Mapping[StackName, StackState],
) -> None:
    if _remove(owner) in steps:
        _add_edge(steps, _remove(owner), after=released_by)
        return
    first, second = _apply(owner), _release(owner)
    if second not in steps:
        if not _leads_to(steps, released_by, first):
            _add_edge(steps, first, after=released_by)
            return
        steps[second] = PlanStep(id=second, stack=owner, action=Release(), after=frozenset({first}))
    _add_edge(steps, second, after=released_by)
    output = next(output for output in actual[owner].outputs if output.export_name == export)
    kept = KeptExport(output=output.key, name=export, value=output.value)
    action = steps[first].action
    already = action.kept if isinstance(action, Apply) else ()
    if kept not in already:
        steps[first] = replace(steps[first], action=Apply(kept=(*already, kept)))


def _add_edge(steps: dict[StepId, PlanStep], id: StepId, *, after: StepId) -> None:
    if id != after:
        steps[id] = replace(steps[id], after=steps[id].after | {after})


def _leads_to(steps: Mapping[StepId, PlanStep], start: StepId, goal: StepId) -> bool:
    """Whether `start` waits, directly or not, for `goal`."""
    seen, waiting = set(), [start]
    while waiting:
        step_id = waiting.pop()
        if step_id == goal:
            return True
        if step_id not in seen:
            seen.add(step_id)
            waiting += steps[step_id].after
    return False


def _sorted(steps: Mapping[StepId, PlanStep]) -> tuple[PlanStep, ...]:
    sorter = TopologicalSorter({key: sorted(step.after) for key, step in sorted(steps.items())})
    try:
        return tuple(steps[key] for key in sorter.static_order())
    except CycleError as error:
        circle = " → ".join(f"`{steps[key].stack}`" for key in reversed(error.args[1]))
        raise SkykiteError(
            "stacks-in-a-circle",
            f"stacks depend on each other in a circle: {circle}",
            hint="move what they share into a stack of its own",
        ) from error


def _exports(state: StackState) -> tuple[str, ...]:
    return tuple(output.export_name for output in state.outputs if output.export_name)


def _label(name: StackName, wanted: Mapping[StackName, DesiredStack]) -> str:
    return wanted[name].path if name in wanted else name


def _apply(name: StackName) -> StepId:
    return StepId(f"apply {name}")


def _release(name: StackName) -> StepId:
    return StepId(f"release {name}")


def _remove(name: StackName) -> StepId:
    return StepId(f"remove {name}")
