"""Exports that are dropped while somebody still imports them, against the real embedded cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.assembly import TOPIC, Workbench, template
from skykite.errors import SkykiteError
from skykite.model.events import DeployStack


def exporting(name: str) -> dict[str, Any]:
    return {"T": {"Value": {"Ref": "Topic"}, "Export": {"Name": name}}}


def importing(name: str) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": name}}}


async def test_the_importer_lets_go_first(bench: Workbench) -> None:
    export = f"{bench.app}:T"
    await bench.deploy(
        {
            "Owns": template({"Topic": TOPIC}, outputs=exporting(export)),
            "Uses": template({"Parameter": importing(export), "Other": TOPIC}),
        },
        dependencies={"Uses": ["Owns"]},
    )
    deployed = await bench.deploy({"Owns": template({"Topic": TOPIC}), "Uses": template({"Other": TOPIC})})
    assert [event.stack for event in bench.events.of(DeployStack)] == [bench.name("Uses"), bench.name("Owns")]
    assert deployed.outputs[bench.name("Owns")] == {}


async def test_an_export_stays_until_its_importer_was_updated_if_the_order_cannot_be_turned(bench: Workbench) -> None:
    old, new = f"{bench.app}:old", f"{bench.app}:new"
    await bench.deploy(
        {
            "Owns": template({"Topic": TOPIC}, outputs=exporting(old)),
            "Uses": template({"Parameter": importing(old)}),
        },
        dependencies={"Uses": ["Owns"]},
    )
    wanted = {
        "Owns": template({"Topic": TOPIC}, outputs=exporting(new)),
        "Uses": template({"Parameter": importing(new)}),
    }
    await bench.deploy(wanted, dependencies={"Uses": ["Owns"]})
    assert [event.stack for event in bench.events.of(DeployStack)] == [
        bench.name("Owns"),
        bench.name("Uses"),
        bench.name("Owns"),
    ]
    state = await bench.stack("Owns")
    assert state is not None
    assert [output.export_name for output in state.outputs if output.export_name] == [new]
    assert not (await bench.deploy(wanted, dependencies={"Uses": ["Owns"]})).changed


async def test_a_foreign_importer_is_named_before_anything_is_done(bench: Workbench) -> None:
    export = f"{bench.app}:T"
    await bench.deploy({"Owns": template({"Topic": TOPIC}, outputs=exporting(export))})
    stranger = f"stranger-{bench.app}"
    cloudformation = bench.session.cloudformation
    cloudformation._caller.call(
        "CreateStack",
        StackName=stranger,
        TemplateBody=json.dumps(template({"Parameter": importing(export)})),
    )
    cloudformation._caller.client().get_waiter("stack_create_complete").wait(
        StackName=stranger, WaiterConfig={"Delay": 0.05}
    )
    with pytest.raises(SkykiteError) as raised:
        await bench.deploy({"Owns": template({"Topic": TOPIC})})
    assert raised.value.code == "export-in-use"
    assert raised.value.message == f"`Owns` no longer exports `{export}`, which the stack `{stranger}` imports"
    assert raised.value.hint == f"deploy `{stranger}` without the import first, or keep the export"
    assert bench.events.of(DeployStack) == []


async def test_what_an_importer_locks_is_named_before_anything_is_replaced(bench: Workbench) -> None:
    export = f"{bench.app}:T"

    def topic(name: str) -> dict[str, Any]:
        return {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{bench.app}-{name}"}}}

    uses = template({"Parameter": importing(export)})
    owns = template(topic("one"), outputs=exporting(export))
    await bench.deploy({"Owns": owns, "Uses": uses}, dependencies={"Uses": ["Owns"]})
    changed = template(topic("two"), outputs=exporting(export))
    with pytest.raises(SkykiteError) as raised:
        await bench.deploy({"Owns": changed, "Uses": uses}, dependencies={"Uses": ["Owns"]})
    assert raised.value.code == "export-changes"
    assert f"the stack `{bench.name('Uses')}` uses it by the export `{export}`" in raised.value.message
    state = await bench.stack("Owns")
    assert state is not None
    assert state.status == "CREATE_COMPLETE", "the deploy has begun"
    moved = {"Other": topic("two")["Topic"]}
    outputs = {"T": {"Value": {"Ref": "Other"}, "Export": {"Name": f"{export}2"}}}
    await bench.deploy(
        {"Owns": template(moved, outputs=outputs), "Uses": template({"Parameter": importing(f"{export}2")})},
        dependencies={"Uses": ["Owns"]},
    )
    state = await bench.stack("Owns")
    assert state is not None
    assert [output.export_name for output in state.outputs if output.export_name] == [f"{export}2"]
