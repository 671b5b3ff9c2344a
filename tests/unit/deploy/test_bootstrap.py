"""Whether the bootstrap stack serves, and what is in it where."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cfnlint
import pytest

from skykite.aws import StackOutput, StackState
from skykite.deploy.bootstrap import bootstrap_template, event_api_generation, judge_bootstrap
from skykite.errors import SkykiteError
from skykite.model.bootstrap import REGIONS_WITHOUT_EVENT_APIS

PROVIDERS = Path(cfnlint.__file__).parent / "data" / "schemas" / "providers"


def state(version: str | None, status: str = "CREATE_COMPLETE") -> StackState:
    outputs = () if version is None else (StackOutput(key="Version", value=version),)
    return StackState(
        name="skykite-bootstrap", id="i", status=status, outputs=outputs, created=datetime(2026, 11, 23, tzinfo=UTC)
    )


@pytest.mark.parametrize("found", [None, state("1"), state(None), state("2", "ROLLBACK_COMPLETE")])
def test_what_is_missing_old_or_broken_is_applied(found: StackState | None) -> None:
    assert judge_bootstrap(found) == "apply"


def test_the_present_version_is_ready() -> None:
    assert judge_bootstrap(state("2", "UPDATE_COMPLETE")) == "ready"


def test_a_newer_one_is_left_alone() -> None:
    with pytest.raises(SkykiteError) as raised:
        judge_bootstrap(state("3"))
    assert raised.value.message == "the stack `skykite-bootstrap` has version 3; this Skykite knows version 2"


def test_a_region_gets_what_its_cloudformation_knows_and_no_more() -> None:
    known = {path.stem: json.loads(path.read_text()) for path in PROVIDERS.glob("*-*-*.json")}
    assert len(known) > 30
    for region, types in known.items():
        if "AWS::Lambda::Function" not in types:
            continue
        wanted = {resource["Type"] for resource in bootstrap_template(region)["Resources"].values()}
        assert wanted <= set(types), region
        assert ("AWS::AppSync::Api" in wanted) == ("AWS::AppSync::Api" in types), region


def test_an_upgrade_keeps_the_event_api_that_came_after_one_that_was_deleted() -> None:
    template = bootstrap_template("eu-west-1", event_api=2)
    outputs = (StackOutput(key="EventApiGeneration", value=template["Outputs"]["EventApiGeneration"]["Value"]),)
    found = state("1")
    assert event_api_generation(replace(found, outputs=(*found.outputs, *outputs))) == 2
    assert event_api_generation(found) == event_api_generation(None) == 1
    assert "EventApi2" in template["Resources"]
    assert not template["Resources"].keys() & {"EventApi", "RequestsNamespace", "RepliesNamespace"}


@pytest.mark.parametrize("region", sorted(REGIONS_WITHOUT_EVENT_APIS))
def test_no_output_names_what_a_region_has_not(region: str) -> None:
    template = bootstrap_template(region)

    assert set(template["Outputs"]) == {"Version", "BucketName"}
