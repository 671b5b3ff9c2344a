"""The planner: order, skipping, exports that must outlive their output."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite.aws import StackOutput, StackState
from skykite.deploy.planner import abandoned, leaving_exports, plan_deploy, plan_removal
from skykite.deploy.templates import MARK, DesiredStack, StackPaths
from skykite.errors import SkykiteError
from skykite.model.names import AppName, ConstructPath, StackName, StageName
from skykite.model.plan import Apply, KeptExport, Plan, PlanStep, Release, Remove, StepId

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TAGS = {"skykite:app": "notes", "skykite:stage": "alice"}


def desired(
    name: str, *needs: str, exports: tuple[str, ...] = (), imports: tuple[str, ...] = (), mark: str = "new"
) -> DesiredStack:
    template: dict[str, Any] = {
        "Resources": {
            f"I{n}": {"Type": "X", "Properties": {"V": {"Fn::ImportValue": e}}} for n, e in enumerate(imports)
        },
        "Outputs": {f"O{number}": {"Value": "v", "Export": {"Name": export}} for number, export in enumerate(exports)},
    }
    return DesiredStack(
        name=StackName(name),
        paths=StackPaths(root=ConstructPath(name)),
        template=template,
        mark=mark,
        tags=TAGS,
        dependencies=tuple(StackName(need) for need in needs),
    )


def actual(
    name: str, *, exports: tuple[str, ...] = (), mark: str = "old", status: str = "UPDATE_COMPLETE"
) -> StackState:
    outputs = [
        StackOutput(key=f"O{n}", value=f"value of {export}", export_name=export) for n, export in enumerate(exports)
    ]
    return StackState(
        name=name,
        id=f"id/{name}",
        status=status,
        outputs=(*outputs, StackOutput(key=MARK, value=mark)),
        tags=TAGS,
        created=NOW,
    )


def states(*found: StackState) -> dict[StackName, StackState]:
    return {StackName(state.name): state for state in found}


def order(plan: Plan) -> list[str]:
    return [str(step.id) for step in plan.steps]


def test_what_is_as_it_should_be_is_skipped_and_does_not_hold_up_others() -> None:
    plan = plan_deploy(
        [desired("A", mark="old"), desired("B", "A"), desired("C", "B", "A")],
        states(actual("A"), actual("B")),
        importers={},
    )
    assert plan == Plan(
        steps=(
            PlanStep(id=StepId("apply B"), stack=StackName("B"), action=Apply()),
            PlanStep(id=StepId("apply C"), stack=StackName("C"), action=Apply(), after=frozenset({StepId("apply B")})),
        ),
        unchanged=(StackName("A"),),
    )


def test_an_order_holds_through_a_stack_that_does_not_change() -> None:
    plan = plan_deploy(
        [desired("A"), desired("B", "A", mark="old"), desired("C", "B")], states(actual("A"), actual("B")), importers={}
    )
    assert order(plan) == ["apply A", "apply C"]
    assert plan.steps[1].after == {"apply A"}


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_a_stack_that_did_not_end_well_is_never_skipped(status: str) -> None:
    plan = plan_deploy([desired("A", mark="old")], states(actual("A", status=status)), importers={})
    assert order(plan) == ["apply A"]


def test_a_dropped_export_waits_for_its_importer() -> None:
    plan = plan_deploy(
        [desired("Owns"), desired("Uses")],
        states(actual("Owns", exports=("e",)), actual("Uses")),
        importers={"e": frozenset({StackName("Uses")})},
    )
    assert order(plan) == ["apply Uses", "apply Owns"]


def test_a_dropped_export_is_kept_for_one_round_if_its_importer_depends_on_its_owner() -> None:
    plan = plan_deploy(
        [desired("Owns"), desired("Uses", "Owns")],
        states(actual("Owns", exports=("e", "f")), actual("Uses")),
        importers={"e": frozenset({StackName("Uses")}), "f": frozenset({StackName("Uses")})},
    )
    assert order(plan) == ["apply Owns", "apply Uses", "release Owns"]
    assert plan.steps[0].action == Apply(
        kept=(
            KeptExport(output="O0", name="e", value="value of e"),
            KeptExport(output="O1", name="f", value="value of f"),
        )
    )
    assert plan.steps[2].action == Release()


def test_a_removed_importer_goes_before_the_export_it_used() -> None:
    gone = actual("Gone")
    plan = plan_deploy(
        [desired("Owns")],
        states(actual("Owns", exports=("e",)), gone),
        removed=[gone],
        importers={"e": frozenset({StackName("Gone")})},
    )
    assert order(plan) == ["remove Gone", "apply Owns"]


def test_a_removed_owner_goes_after_its_importers_were_updated() -> None:
    gone = actual("Gone", exports=("e",))
    plan = plan_deploy(
        [desired("Uses")],
        states(actual("Uses"), gone),
        removed=[gone],
        importers={"e": frozenset({StackName("Uses")})},
    )
    assert order(plan) == ["apply Uses", "remove Gone"]


@pytest.mark.parametrize("importer", [desired("Uses", imports=("e",)), desired("Other")])
def test_an_export_that_stays_in_use_is_refused(importer: DesiredStack) -> None:
    with pytest.raises(SkykiteError) as raised:
        plan_deploy(
            [desired("Owns"), importer],
            states(actual("Owns", exports=("e",)), actual("Uses")),
            importers={"e": frozenset({StackName("Uses")})},
        )
    assert raised.value.code == "export-in-use"
    assert raised.value.message == "`Owns` no longer exports `e`, which the stack `Uses` imports"


def test_a_circle_is_named() -> None:
    with pytest.raises(SkykiteError) as raised:
        plan_deploy([desired("A", "B"), desired("B", "A")], {}, importers={})
    assert raised.value.code == "stacks-in-a-circle"
    assert raised.value.message in (
        "stacks depend on each other in a circle: `A` → `B` → `A`",
        "stacks depend on each other in a circle: `B` → `A` → `B`",
    )


def test_only_stacks_of_this_app_and_stage_are_abandoned() -> None:
    other = StackState(
        name="Other", id="1", status="CREATE_COMPLETE", tags={**TAGS, "skykite:stage": "bob"}, created=NOW
    )
    plain = StackState(name="Plain", id="2", status="CREATE_COMPLETE", created=NOW)
    found = abandoned(
        [desired("A")], states(actual("A"), actual("Old"), other, plain), app=AppName("notes"), stage=StageName("alice")
    )
    assert [state.name for state in found] == ["Old"]


def test_removal_goes_dependents_first() -> None:
    plan = plan_removal(
        [actual("A", exports=("e",)), actual("B"), actual("C")],
        importers={"e": frozenset({StackName("B")})},
        dependencies={StackName("B"): [StackName("C")]},
    )
    assert order(plan)[0] == "remove B"
    assert {step.id: step.after for step in plan.steps} == {
        "remove A": {"remove B"},
        "remove B": frozenset(),
        "remove C": {"remove B"},
    }


Situation = tuple[list[DesiredStack], dict[StackName, StackState], dict[str, frozenset[StackName]]]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Any acyclic app over any earlier acyclic app, with exports along the old dependencies."""
    names = [f"S{number}" for number in range(draw(st.integers(1, 7)))]
    new_order, old_order = draw(st.permutations(names)), draw(st.permutations(names))
    wanted = draw(st.sets(st.sampled_from(names), min_size=1))
    existing = draw(st.sets(st.sampled_from(names)))

    def edges(ordered: list[str], among: set[str]) -> dict[str, set[str]]:
        present = [name for name in ordered if name in among]
        return {
            name: set(draw(st.lists(st.sampled_from(present[:place]), max_size=3))) if place else set()
            for place, name in enumerate(present)
        }

    new_edges, old_edges = edges(list(new_order), wanted), edges(list(old_order), existing)
    importers: dict[str, frozenset[StackName]] = {}
    exports: dict[str, tuple[str, ...]] = {}
    for name in existing:
        users = sorted(user for user, needs in old_edges.items() if name in needs)
        exports[name] = tuple(f"{name}->{user}" for user in users)
        importers |= {f"{name}->{user}": frozenset({StackName(user)}) for user in users}
    place = {name: number for number, name in enumerate(new_order)}
    desired_stacks = []
    for name in sorted(wanted):
        # What is unchanged needs what it needed, if that makes no circle with what others need now.
        before = old_edges.get(name, set()) & wanted
        unchanged = name in existing and all(place[need] < place[name] for need in before) and draw(st.booleans())
        desired_stacks.append(
            desired(
                name,
                *sorted(before if unchanged else new_edges[name]),
                exports=exports[name] if unchanged else (),
                imports=tuple(f"{need}->{name}" for need in sorted(old_edges[name])) if unchanged else (),
                mark="old" if unchanged else "new",
            )
        )
    return desired_stacks, states(*(actual(name, exports=exports[name]) for name in sorted(existing))), importers


@given(situations())
def test_every_plan_respects_every_order_or_says_why_it_cannot(
    situation: Situation,
) -> None:
    wanted, have, importers = situation
    removed = [state for name, state in have.items() if name not in {stack.name for stack in wanted}]
    leaving = leaving_exports(wanted, have, removed)
    try:
        plan = plan_deploy(wanted, have, removed=removed, importers={export: importers[export] for export in leaving})
    except SkykiteError as error:
        if error.code == "export-in-use":  # somebody who stays as he is imports it
            return
        raise
    position = {step.id: place for place, step in enumerate(plan.steps)}
    touched = {step.stack for step in plan.steps}
    assert touched | set(plan.unchanged) == {stack.name for stack in wanted} | {StackName(s.name) for s in removed}
    assert touched.isdisjoint(plan.unchanged)
    for step in plan.steps:
        assert all(position[needed] < position[step.id] for needed in step.after)
    for stack in wanted:
        for need in stack.dependencies:
            if stack.name in touched and need in touched:
                assert position[StepId(f"apply {need}")] < position[StepId(f"apply {stack.name}")]
    _check_exports(plan, position, leaving, importers)


def _check_exports(
    plan: Plan,
    position: Mapping[StepId, int],
    leaving: Mapping[str, StackName],
    importers: Mapping[str, frozenset[StackName]],
) -> None:
    """Whatever step takes an export away comes after the one that makes its importer let go."""
    by_id = {step.id: step for step in plan.steps}
    for export, owner in leaving.items():
        first = by_id.get(StepId(f"apply {owner}"))
        if first is None:
            taking = StepId(f"remove {owner}")
        else:
            assert isinstance(first.action, Apply)
            kept = any(entry.name == export for entry in first.action.kept)
            taking = StepId(f"release {owner}") if kept else first.id
        for importer in importers[export]:
            letting_go = StepId(f"remove {importer}")
            if letting_go not in by_id:
                letting_go = StepId(f"apply {importer}")
            assert position[letting_go] < position[taking]
            assert isinstance(by_id[letting_go].action, Apply | Remove)
