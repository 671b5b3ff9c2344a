"""A stage that goes from code to stubs and back, against the real embedded cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.assembly import TOPIC, Workbench, template
from kit.cloud import Answers
from skykite.aws import AwsSession
from skykite.deploy.replacing import is_relied_on
from skykite.errors import SkykiteError
from skykite.model.events import DeployStack, Notice
from skykite.model.names import StageName

CODE = {"Api": template({"F": TOPIC}, outputs={"Is": "code"}), "Data": template({"Topic": TOPIC})}
STUBS = {"Api": template({"F": TOPIC}, outputs={"Is": "stub"}), "Data": template({"Topic": TOPIC})}
LIVE = ["Api"]


@pytest.fixture
def production(session: AwsSession, tmp_path: Path, request: pytest.FixtureRequest) -> Workbench:
    app = f"app{abs(hash(request.node.name)) % 10**8}"
    return Workbench(session=session, root=tmp_path, app=app, stage=StageName("prod-eu"))


def _notices(bench: Workbench) -> list[str]:
    return [event.notice for event in bench.events.of(Notice)]


async def test_it_is_said_once_that_stubs_replace_code(bench: Workbench) -> None:
    await bench.deploy(CODE, live=LIVE)
    assert not (await bench.deploy(STUBS, live=LIVE, mode="live")).was_live
    assert bench.events.of(Notice) == [
        Notice(
            notice="live-replaces-deployment",
            message="stage `alice` was deployed with `kite deploy`: from now on its live functions run on this machine",
            hint="`kite deploy --local --stage alice` puts the code back",
        )
    ]
    assert (await bench.deploy(STUBS, live=LIVE, mode="live")).was_live
    assert _notices(bench) == []
    assert bench.asker.asked == []
    assert (await bench.deploy(CODE, live=LIVE)).was_live
    assert _notices(bench) == []
    assert not (await bench.deploy(CODE, live=LIVE)).was_live


async def test_a_change_of_mode_leaves_stacks_without_functions_and_all_tags_alone(bench: Workbench) -> None:
    await bench.deploy(CODE, live=LIVE)
    before = await bench.stack("Api")
    deployed = await bench.deploy(STUBS, live=LIVE, mode="live")
    after = await bench.stack("Api")
    assert {event.stack: event.result for event in bench.events.of(DeployStack)} == {
        bench.name("Api"): "updated",
        bench.name("Data"): "unchanged",
    }
    assert deployed.outputs[bench.name("Api")] == {"Is": "stub"}
    assert before is not None
    assert after is not None
    assert after.tags == before.tags == {"skykite:app": bench.app, "skykite:stage": "alice"}


async def test_a_new_stage_replaces_nothing(production: Workbench) -> None:
    await production.deploy(STUBS, live=LIVE, mode="live")
    assert _notices(production) == []
    assert production.asker.asked == []


async def test_a_stage_for_production_is_asked_about_and_left_alone_by_default(production: Workbench) -> None:
    await production.deploy(CODE, live=LIVE)
    with pytest.raises(SkykiteError) as raised:
        await production.deploy(STUBS, live=LIVE, mode="live")
    assert (raised.value.code, raised.value.message) == (
        "live-replacement-refused",
        f"stage `prod-eu` of `{production.app}` is deployed, and was left as it is",
    )
    (question,) = production.asker.asked
    assert question == (
        f"Stage `prod-eu` of `{production.app}` is deployed. While `kite dev` runs, whoever calls its functions runs "
        "what is on this machine; after that they fail, until it is deployed again. Go on?"
    )
    assert (await production.deploy(CODE, live=LIVE)).changed is False

    production.asker = Answers(answer=True)
    await production.deploy(STUBS, live=LIVE, mode="live")
    assert _notices(production) == ["live-replaces-deployment"]


async def test_it_can_be_asked_before_anything_is_done_and_is_not_asked_twice(production: Workbench) -> None:
    await production.deploy(CODE, live=LIVE)
    manifest = production.manifest(STUBS, live=LIVE, mode="live")
    with pytest.raises(SkykiteError) as raised:
        await production.deployer().agree_to_replace(manifest)
    assert raised.value.code == "live-replacement-refused"

    production.asker = Answers(answer=True)
    deployer = production.deployer()
    await deployer.agree_to_replace(manifest)
    await deployer.deploy(manifest, production.assembly)
    assert len(production.asker.asked) == 1
    assert _notices(production) == ["live-replaces-deployment"]


async def test_what_was_deployed_for_this_machine_is_no_code_to_keep(production: Workbench) -> None:
    await production.deploy(CODE, live=LIVE, mode="local")
    await production.deploy(STUBS, live=LIVE, mode="live")
    assert production.asker.asked == []
    assert _notices(production) == []


async def test_a_removed_stage_says_that_it_was_live(bench: Workbench) -> None:
    await bench.deploy(STUBS, live=LIVE, mode="live")
    assert (await bench.remove()).was_live
    assert not (await bench.remove()).was_live


@pytest.mark.parametrize(
    ("stage", "relied_on"),
    [("prod", True), ("production", True), ("live", True), ("prod-eu", True), ("eu-production", True)]
    + [(stage, False) for stage in ("alice", "product", "reprod", "preprod")],
)
def test_others_rely_on_a_stage_if_a_word_of_its_name_says_so(stage: str, relied_on: bool) -> None:
    assert is_relied_on(StageName(stage)) is relied_on
