"""Removing what was deployed, against the real embedded cloud."""

from __future__ import annotations

import json

import pytest

from kit.assembly import STAGE, TABLE, TOPIC, Workbench, template
from kit.cloud import Answers
from skykite.errors import SkykiteError
from skykite.model.bootstrap import BOOTSTRAP_STACK
from skykite.model.events import DeployStack, Notice

BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}}


async def test_everything_goes_importers_first_and_the_bootstrap_stack_stays(bench: Workbench) -> None:
    export = f"{bench.app}:T"
    await bench.deploy(
        {
            "Owns": template({"Topic": TOPIC}, outputs={"T": {"Value": "x", "Export": {"Name": export}}}),
            "Uses": template(
                {
                    "P": {
                        "Type": "AWS::SSM::Parameter",
                        "Properties": {"Type": "String", "Value": {"Fn::ImportValue": export}},
                    }
                }
            ),
        },
        dependencies={"Uses": ["Owns"]},
    )
    removed = await bench.remove()
    assert removed.stacks == (bench.name("Uses"), bench.name("Owns"))
    assert [(event.stack, event.result) for event in bench.events.of(DeployStack)] == [
        (bench.name("Uses"), "removed"),
        (bench.name("Owns"), "removed"),
    ]
    assert bench.asker.asked == []
    assert not (bench.state / STAGE / "outputs.json").exists()
    assert await bench.session.run(bench.session.cloudformation.stack, BOOTSTRAP_STACK) is not None
    assert (await bench.remove()).stacks == ()


async def test_data_is_asked_about_before_anything_goes(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Table": TABLE}), "Jobs": template({"Topic": TOPIC})})
    with pytest.raises(SkykiteError) as raised:
        await bench.remove()
    assert raised.value.code == "destructive-change-refused"
    assert await bench.stack("Jobs") is not None

    bench.asker = Answers(answer=True)
    await bench.remove()
    assert await bench.stack("Jobs") is None
    assert await bench.stack("Notes") is None


async def test_a_bucket_with_objects_goes_once_that_was_agreed_to(bench: Workbench) -> None:
    deployed = await bench.deploy({"Notes": template({"Uploads": BUCKET})})
    bucket = deployed.physical[bench.name("Notes")]["Uploads"]
    await bench.session.run(bench.session.s3.put, bucket, "a.txt", b"first", content_type="text/plain")

    with pytest.raises(SkykiteError, match="Uploads"):
        await bench.remove()
    bench.asker = Answers(answer=True)
    await bench.remove()
    assert await bench.stack("Notes") is None


async def test_what_a_policy_keeps_is_listed_and_not_asked_about(bench: Workbench) -> None:
    deployed = await bench.deploy({"Notes": template({"Table": {**TABLE, "DeletionPolicy": "Retain"}, "T": TOPIC})})
    table = deployed.physical[bench.name("Notes")]["Table"]
    removed = await bench.remove()
    path = f"{bench.name('Notes')}/Table"
    assert bench.asker.asked == []
    assert removed.retained == {path: table}
    assert bench.events.of(Notice) == [
        Notice(
            notice="resources-retained",
            message=f"kept, as their removal policy says:\n  `{path}`: {table}",
            hint="delete them by hand if they are not needed",
        )
    ]


async def test_a_protected_stack_is_not_removed(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Topic": TOPIC})})
    name = bench.name("Notes")
    bench.session.cloudformation._caller.call(
        "UpdateTerminationProtection", StackName=name, EnableTerminationProtection=True
    )
    with pytest.raises(SkykiteError) as raised:
        await bench.remove()
    assert raised.value.code == "termination-protected"
    assert raised.value.message == f"the stack `{name}` is protected from being deleted"
    assert await bench.stack("Notes") is not None


async def test_outputs_of_what_went_are_forgotten_although_another_stack_could_not_go(bench: Workbench) -> None:
    outputs = {"Here": {"Value": "yes"}}
    await bench.deploy(
        {"Notes": template({"Topic": TOPIC}, outputs=outputs), "Jobs": template({"Topic": TOPIC}, outputs=outputs)}
    )
    bench.session.cloudformation._caller.call(
        "UpdateTerminationProtection", StackName=bench.name("Notes"), EnableTerminationProtection=True
    )
    with pytest.raises(SkykiteError):
        await bench.remove()
    assert await bench.stack("Jobs") is None
    assert json.loads((bench.state / STAGE / "outputs.json").read_bytes()) == {bench.name("Notes"): {"Here": "yes"}}
