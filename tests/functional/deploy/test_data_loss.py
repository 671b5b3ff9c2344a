"""Changes that lose data, against the real embedded cloud."""

from __future__ import annotations

from typing import Any

import pytest

from kit.assembly import QUEUE, TABLE, TOPIC, Workbench, template
from kit.cloud import Answers
from skykite.errors import SkykiteError
from skykite.model.events import DeployPlanned, ResourceChange
from skykite.model.names import ConstructPath, LogicalId


def table(**properties: object) -> dict[str, Any]:
    return {**TABLE, "Properties": {**TABLE["Properties"], **properties}}


async def test_a_replaced_table_is_refused_when_nobody_can_be_asked(bench: Workbench) -> None:
    before = await bench.deploy({"Notes": template({"Table": TABLE, "Topic": TOPIC}), "Jobs": template({"T": TOPIC})})

    with pytest.raises(SkykiteError) as raised:
        await bench.deploy(
            {
                "Notes": template({"Table": table(TableName=f"{bench.app}-renamed"), "Topic": TOPIC}),
                "Jobs": template({"T": TOPIC, "More": TOPIC}),
            }
        )
    assert raised.value.code == "destructive-change-refused"
    assert raised.value.message == (
        "nothing was changed where data would have been lost:\n"
        "  `Notes/Table` (AWS::DynamoDB::Table) is replaced by an empty one because of `TableName`"
    )
    assert raised.value.hint == (
        "`--yes` agrees to it beforehand; removal_policy=RETAIN keeps the data when a resource goes"
    )
    assert raised.value.context == f"done: `{bench.name('Jobs')}`"
    assert bench.asker.asked == [
        (
            "This loses the data in:\n"
            "  `Notes/Table` (AWS::DynamoDB::Table) is replaced by an empty one because of `TableName`\n"
            "Go on?"
        )
    ]
    state = await bench.stack("Notes")
    assert state is not None
    assert state.status == "CREATE_COMPLETE"
    listed = await bench.session.run(bench.session.cloudformation.resources, state.id)
    assert {r.logical_id: r.physical_id for r in listed} == before.physical[bench.name("Notes")]
    pending = bench.session.cloudformation._caller.call("ListChangeSets", StackName=state.name)
    assert "AVAILABLE" not in [entry["ExecutionStatus"] for entry in pending["Summaries"]]


async def test_a_replacement_that_was_agreed_to_happens(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Table": TABLE})})
    bench.asker = Answers(answer=True)
    deployed = await bench.deploy({"Notes": template({"Table": table(TableName=f"{bench.app}-renamed")})})
    assert deployed.physical[bench.name("Notes")] == {"Table": f"{bench.app}-renamed"}
    assert bench.events.of(DeployPlanned) == [
        DeployPlanned(
            changes=(
                ResourceChange(
                    action="replace",
                    stack=bench.name("Notes"),
                    path=ConstructPath("Notes/Table"),
                    logical_id=LogicalId("Table"),
                    type="AWS::DynamoDB::Table",
                    properties=("TableName",),
                    destructive=True,
                ),
            )
        )
    ]


async def test_what_is_removed_is_called_by_the_construct_it_came_from(bench: Workbench) -> None:
    tags = {**TABLE, "Metadata": {"aws:cdk:path": "Notes/Tags/Resource"}}
    await bench.deploy({"Notes": template({"Tags5CDDF3DD": tags, "Topic": TOPIC})})
    with pytest.raises(SkykiteError) as raised:
        await bench.deploy({"Notes": template({"Topic": TOPIC})})
    assert raised.value.message == (
        "nothing was changed where data would have been lost:\n  `Notes/Tags` (AWS::DynamoDB::Table) is deleted"
    )
    bench.asker = Answers(answer=True)
    await bench.deploy({"Notes": template({"Topic": TOPIC})})
    (planned,) = bench.events.of(DeployPlanned)
    assert [change.path for change in planned.changes] == ["Notes/Tags"]


async def test_a_removed_queue_is_asked_about_and_a_removed_topic_is_not(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Queue": QUEUE, "Topic": TOPIC, "Other": TOPIC})})
    assert (await bench.deploy({"Notes": template({"Queue": QUEUE, "Topic": TOPIC})})).changed
    assert bench.asker.asked == []
    with pytest.raises(SkykiteError, match="Notes/Queue"):
        await bench.deploy({"Notes": template({"Topic": TOPIC})})


async def test_a_removed_table_that_is_retained_is_not_asked_about(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Table": {**TABLE, "DeletionPolicy": "Retain"}, "Topic": TOPIC})})
    await bench.deploy({"Notes": template({"Topic": TOPIC})})
    assert bench.asker.asked == []


async def test_a_new_index_on_a_table_is_not_asked_about(bench: Workbench) -> None:
    await bench.deploy({"Notes": template({"Table": TABLE})})
    indexed = table(
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "owner", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "byOwner",
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    assert (await bench.deploy({"Notes": template({"Table": indexed})})).changed
    assert bench.asker.asked == []


async def test_a_stack_that_left_the_app_goes_but_not_without_consent_to_its_data(bench: Workbench) -> None:
    await bench.deploy(
        {"Notes": template({"T": TOPIC}), "Old": template({"Table": TABLE}), "Dull": template({"T": TOPIC})}
    )

    with pytest.raises(SkykiteError) as raised:
        await bench.deploy({"Notes": template({"T": TOPIC})})
    assert raised.value.code == "destructive-change-refused"
    assert f"`{bench.name('Old')}/Table` (AWS::DynamoDB::Table) is deleted" in raised.value.message
    assert await bench.stack("Dull") is None
    assert await bench.stack("Old") is not None

    bench.asker = Answers(answer=True)
    await bench.deploy({"Notes": template({"T": TOPIC})})
    assert await bench.stack("Old") is None
