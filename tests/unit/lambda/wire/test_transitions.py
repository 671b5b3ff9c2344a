"""The tables are complete, and the machines can do what they say."""

from __future__ import annotations

import pytest

from skykite_lambda.wire.dev import DevMachine
from skykite_lambda.wire.dev_steps import DEV
from skykite_lambda.wire.stub import StubMachine
from skykite_lambda.wire.stub_steps import STUB
from skykite_lambda.wire.transitions import Machine

BOTH = pytest.mark.parametrize(("table", "machine"), [(STUB, StubMachine), (DEV, DevMachine)], ids=["stub", "dev"])


@BOTH
def test_every_happening_has_been_thought_of_in_every_state(table: Machine, machine: type) -> None:
    assert set(table.nothing) == set(table.states)
    for state in table.states:
        listed = {happening for (at, happening) in table.steps if at == state}
        nothing = table.nothing[state].split()
        assert len(nothing) == len(set(nothing))
        assert not listed & set(nothing), state
        assert listed | set(nothing) == set(table.happenings), state


@BOTH
def test_every_action_is_described_used_and_can_be_done(table: Machine, machine: type) -> None:
    used = {action for step in table.steps.values() for action in step.actions}
    assert used == set(table.actions)
    assert not [action for action in used if not hasattr(machine, "_do_" + action)]


@BOTH
def test_every_state_is_reached_and_none_is_a_trap(table: Machine, machine: type) -> None:
    edges = {(state, step.to) for (state, _), step in table.steps.items()}
    assert _reachable({table.first}, edges) == set(table.states)
    ends = {"answered", "failed"} if table is STUB else {"over"}
    assert _reachable(ends, {(to, state) for state, to in edges}) == set(table.states)


def _reachable(found: set[str], edges: set[tuple[str, str]]) -> set[str]:
    while new := {to for state, to in edges if state in found} - found:
        found |= new
    return found


def test_nothing_runs_without_a_grant() -> None:
    """The function is only started by a step that a GRANT leads to, or an INVOKE that grants it."""
    for (state, happening), step in DEV.steps.items():
        if "invoke" in step.actions:
            assert (state, happening) in {
                ("claimed", "grant"),
                ("fetching", "fetched"),
                ("unknown", "invoke_granted"),
            }
    assert {(s, h) for (s, h), step in DEV.steps.items() if step.to == "fetching" and s != "fetching"} == {
        ("claimed", "grant_large")
    }
    assert not [
        s for (s, _), step in DEV.steps.items() if step.to == "claimed" and s not in ("unknown", "preparing", "claimed")
    ]


def test_a_grant_is_only_given_to_the_one_owner() -> None:
    granting = {(state, happening) for (state, happening), step in STUB.steps.items() if "grant" in step.actions}
    assert granting == {("inviting", "claim"), ("uploading", "uploaded")}
    owning = {(state, happening) for (state, happening), step in STUB.steps.items() if "own" in step.actions}
    assert {state for state, _ in owning} == {"inviting"}
