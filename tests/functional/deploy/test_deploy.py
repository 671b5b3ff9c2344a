"""Deploys against the real embedded cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.assembly import QUEUE, STAGE, TABLE, TOPIC, Workbench, template
from skykite.errors import SkykiteError
from skykite.model.events import DeployFinished, DeployPlanned, DeployResource, DeployStack, Notice, StepFinished

FAILING: dict[str, Any] = {
    "Type": "AWS::CloudFormation::WaitCondition",
    "Properties": {"Handle": "https://example.com/never", "Timeout": "1", "Count": 1},
}


async def test_a_first_deploy_creates_everything_and_says_what_came_out(bench: Workbench) -> None:
    deployed = await bench.deploy({"Notes": template({"Table": TABLE}, outputs={"Name": {"Value": {"Ref": "Table"}}})})

    stack = bench.name("Notes")
    table = deployed.physical[stack]["Table"]
    assert deployed.changed
    assert deployed.outputs == {stack: {"Name": table}}
    assert json.loads((bench.state / STAGE / "outputs.json").read_text()) == {stack: {"Name": table}}
    assert [(event.path, event.status) for event in bench.events.of(DeployResource) if event.stack == stack] == [
        ("Notes", "CREATE_IN_PROGRESS"),
        ("Notes/Table", "CREATE_IN_PROGRESS"),
        ("Notes/Table", "CREATE_COMPLETE"),
        ("Notes", "CREATE_COMPLETE"),
    ]
    assert [event.result for event in bench.events.of(DeployStack)] == ["created"]
    assert bench.events.of(DeployFinished)[0].outputs == deployed.outputs


async def test_what_cdk_exports_for_other_stacks_is_no_output_of_the_app(bench: Workbench) -> None:
    name = {"Fn::GetAtt": ["Queue", "QueueName"]}
    exported = {
        "Mine": {"Value": name, "Export": {"Name": "mine"}},
        "ExportsOutputFnGetAttQueue": {"Value": name, "Export": {"Name": "x:ExportsOutputFnGetAttQueue"}},
        "ExportsOutputOfMine": {"Value": name},
    }

    deployed = await bench.deploy({"Notes": template({"Queue": QUEUE}, outputs=exported)})

    assert set(deployed.outputs[bench.name("Notes")]) == {"Mine", "ExportsOutputOfMine"}


async def test_an_unchanged_deploy_makes_one_call_and_changes_nothing(bench: Workbench) -> None:
    stacks = {
        "Notes": template({"Table": TABLE}, outputs={"Name": {"Value": {"Ref": "Table"}}}),
        "Jobs": template({"Topic": TOPIC}),
    }
    first = await bench.deploy(stacks)
    calls: list[str] = []
    client = bench.session.cloudformation._caller.client()
    client.meta.events.register("before-call", lambda model, **_: calls.append(model.name), unique_id="count")
    try:
        second = await bench.deploy(stacks)
    finally:
        client.meta.events.unregister("before-call", unique_id="count")

    assert calls == ["DescribeStacks"]
    assert not second.changed
    assert (second.outputs, second.physical) == (first.outputs, first.physical)
    assert bench.events.of(DeployResource) == []
    assert bench.events.of(DeployPlanned) == [
        DeployPlanned(changes=(), unchanged=(bench.name("Notes"), bench.name("Jobs")))
    ]
    assert [event.skipped for event in bench.events.of(StepFinished)] == [True]


async def test_a_change_of_nothing_but_outputs_arrives(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Topic": TOPIC})})
    deployed = await bench.deploy({"Notes": template({"Topic": TOPIC}, outputs={"Color": "green"})})
    assert deployed.outputs == {bench.name("Notes"): {"Color": "green"}}
    assert not (await bench.deploy({"Notes": template({"Topic": TOPIC}, outputs={"Color": "green"})})).changed


async def test_a_change_behind_our_back_is_put_right(bench: Workbench) -> None:
    wanted = {"Notes": template({"Topic": TOPIC}, outputs={"Color": "green"})}
    await bench.deploy(wanted)
    await bench.session.run(
        bench.session.cloudformation.update_stack,
        stack=bench.name("Notes"),
        template=json.dumps(template({"Topic": TOPIC}, outputs={"Color": "red"})),
        template_url=None,
        parameters=(),
        tags={},
        token="somebody-else",
    )
    deployed = await bench.deploy(wanted)
    assert deployed.changed
    assert deployed.outputs == {bench.name("Notes"): {"Color": "green"}}


async def test_stacks_go_in_the_order_of_their_dependencies(bench: Workbench) -> None:
    producer = template(
        {"Table": TABLE},
        outputs={"T": {"Value": {"Ref": "Table"}, "Export": {"Name": f"{bench.app}:T"}}},
    )
    consumer = template({"Queue": QUEUE}, outputs={"Uses": {"Value": {"Fn::ImportValue": f"{bench.app}:T"}}})
    deployed = await bench.deploy({"Uses": consumer, "Owns": producer}, dependencies={"Uses": ["Owns"]})
    assert deployed.outputs[bench.name("Uses")]["Uses"] == deployed.physical[bench.name("Owns")]["Table"]
    assert [event.stack for event in bench.events.of(DeployStack)] == [bench.name("Owns"), bench.name("Uses")]


async def test_a_failure_names_its_first_cause_and_leaves_independent_stacks_alone(bench: Workbench) -> None:
    with pytest.raises(SkykiteError) as raised:
        await bench.deploy(
            {
                "Broken": template({"Topic": TOPIC, "Gate": FAILING}),
                "After": template({"Topic": TOPIC}),
                "Other": template({"Topic": TOPIC}),
            },
            dependencies={"After": ["Broken"]},
        )
    error = raised.value
    assert error.code == "deploy-failed"
    assert error.message == (
        "`Broken/Gate` (AWS::CloudFormation::WaitCondition) could not be created: WaitCondition 'Gate': "
        "Handle must be the Ref of an AWS::CloudFormation::WaitConditionHandle of this stack"
    )
    assert error.context == (
        f"the stack `{bench.name('Broken')}` is now in ROLLBACK_COMPLETE\n"
        f"done: `{bench.name('Other')}`\n"
        f"not begun: `{bench.name('After')}`"
    )
    assert {event.stack: event.result for event in bench.events.of(DeployStack)} == {
        bench.name("Other"): "created",
        bench.name("Broken"): "failed",
        bench.name("After"): "skipped",
    }
    assert await bench.stack("After") is None


async def test_a_stack_that_was_rolled_back_is_created_anew(bench: Workbench) -> None:
    with pytest.raises(SkykiteError):
        await bench.deploy({"Notes": template({"Gate": FAILING})})
    state = await bench.stack("Notes")
    assert state is not None
    assert state.status == "ROLLBACK_COMPLETE"

    assert (await bench.deploy({"Notes": template({"Topic": TOPIC})})).changed
    assert bench.events.of(Notice) == [
        Notice(
            notice="stack-recreated",
            message="`Notes` was left in ROLLBACK_COMPLETE by an earlier deploy: it is deleted and created anew",
        )
    ]


async def test_a_template_that_is_refused_names_the_construct_and_leaves_no_stack(bench: Workbench) -> None:
    with pytest.raises(SkykiteError) as raised:
        await bench.deploy({"Notes": template({"Thing": {"Type": "AWS::No::SuchThing"}})})
    assert raised.value.code == "template-rejected"
    assert raised.value.message.startswith("CloudFormation does not take the template of `Notes`: ")
    assert "AWS::No::SuchThing" in raised.value.message
    assert raised.value.message.endswith("; made by `Notes/Thing`")
    assert await bench.stack("Notes") is None


async def test_a_template_too_big_for_a_request_goes_through_the_bucket(bench: Workbench) -> None:
    padding = {"Padding": {"Value": "x" * 1000, "Description": "d" * 1000}}
    outputs = {f"Out{number}": padding["Padding"] for number in range(40)}
    big = template({"Topic": TOPIC}, outputs=outputs)
    assert len(json.dumps(big)) > 51_200
    deployed = await bench.deploy({"Notes": big})
    assert len(deployed.outputs[bench.name("Notes")]) == 40
