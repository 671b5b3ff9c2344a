"""Whether the bootstrap stack serves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from skykite.aws import StackOutput, StackState
from skykite.deploy.bootstrap import judge_bootstrap
from skykite.errors import SkykiteError


def state(version: str | None, status: str = "CREATE_COMPLETE") -> StackState:
    outputs = () if version is None else (StackOutput(key="Version", value=version),)
    return StackState(
        name="skykite-bootstrap", id="i", status=status, outputs=outputs, created=datetime(2026, 11, 23, tzinfo=UTC)
    )


@pytest.mark.parametrize("found", [None, state("0"), state(None), state("1", "ROLLBACK_COMPLETE")])
def test_what_is_missing_old_or_broken_is_applied(found: StackState | None) -> None:
    assert judge_bootstrap(found) == "apply"


def test_the_present_version_is_ready() -> None:
    assert judge_bootstrap(state("1", "UPDATE_COMPLETE")) == "ready"


def test_a_newer_one_is_left_alone() -> None:
    with pytest.raises(SkykiteError) as raised:
        judge_bootstrap(state("2"))
    assert raised.value.message == "the stack `skykite-bootstrap` has version 2; this Skykite knows version 1"
