"""Live stages in the embedded cloud: what `kite dev` deploys, what a switch touches, what `kite deploy` restores."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from kit.assembly import BuiltBy
from kit.cloud import Answers, RealClock, RecordedEvents, running_cloud, session_at
from kit.stacks import Built, build, load_cdk, write_project

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_lambda as lambda_  # noqa: E402
from aws_cdk import aws_lambda_event_sources as event_sources  # noqa: E402
from aws_cdk import aws_sns as sns  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import App, Function, Stack  # noqa: E402
from skykite.aws import AwsSession  # noqa: E402
from skykite.cli.deploying import ship  # noqa: E402
from skykite.cloud import CloudAddress  # noqa: E402
from skykite.deploy import Deployed, Deployer  # noqa: E402
from skykite.live.cleanup import LiveRemains  # noqa: E402
from skykite.live.lease import LeaseDocument  # noqa: E402
from skykite.live.templates import LiveStage, live_templates  # noqa: E402
from skykite.model.events import DeployPlanned, DeployStack, Notice, ResourceChange  # noqa: E402
from skykite.model.manifest import AssetEntry, Mode, StackEntry  # noqa: E402
from skykite.model.names import AppName, StageName  # noqa: E402

OURS = "functions/notes.get"


def define(app: App) -> None:
    """Two stacks, a queue that feeds a function from each, and what Skykite has no part in."""
    data = Stack(app, "DataStack")
    orders = sqs.Queue(data, "Orders", visibility_timeout=aws_cdk.Duration.seconds(40))
    sns.Topic(data, "Topic")
    stack = Stack(app, "NotesStack")
    own = sqs.Queue(stack, "Own")
    worker = Function(
        stack, "Worker", OURS, runtime="python3.12", memory_size=256, timeout=7, environment={"WORD": "here"}
    )
    worker.cdk.function.add_event_source(event_sources.SqsEventSource(orders))
    worker.cdk.function.add_event_source(event_sources.SqsEventSource(own))
    Function(stack, "Other", "functions/notes.create")
    Function(stack, "Deployed", OURS, live=False)
    lambda_.Function(
        stack,
        "Plain",
        runtime=lambda_.Runtime.PYTHON_3_12,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
    )


async def pack(asset: AssetEntry, file: Path) -> None:
    """In place of the bundler: code whose content nobody looks at."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("functions/notes.py", f"# {asset.key}")


class Cloud:
    """A stage of `notes` in the embedded cloud, deployed again and again."""

    def __init__(self, address: CloudAddress, session: AwsSession, project: Path, stage: str) -> None:
        self.address = address
        self.session = session
        self.project = project
        self.stage = StageName(stage)
        self.events = RecordedEvents()
        self.asker = Answers()
        self.deployed: Deployed | None = None
        self.stacks_wanted: tuple[StackEntry, ...] = ()

    async def deploy(self, mode: Mode, functions: tuple[str, ...] | None = None) -> Built:
        built = build(self.project, define, mode=mode, stage=self.stage, functions=functions)
        manifest = built.manifest
        self.stacks_wanted = manifest.stacks
        self.events = RecordedEvents()
        deployer = Deployer(
            session=self.session,
            events=self.events,
            clock=RealClock(),
            asker=self.asker,
            project_root=self.project,
            state=self.project / ".kite",
        )
        live = [entry for entry in manifest.functions if entry.live]
        stage = LiveStage(
            app=AppName("notes"),
            stage=self.stage,
            region=manifest.region,
            api=await deployer.event_api(),
            developer=self.session.sts.identity(),
        )
        self.deployed = await deployer.deploy(
            manifest,
            built.directory,
            bundles=BuiltBy(pack),
            transform=None if mode == "deploy" else lambda given: live_templates(given, live, stage).templates,
        )
        return built

    @property
    def changes(self) -> dict[str, ResourceChange]:
        """What the last deploy's change sets held, by construct path."""
        return {change.path: change for event in self.events.of(DeployPlanned) for change in event.changes}

    @property
    def stacks(self) -> dict[str, str]:
        return {event.stack.rpartition("-")[2]: event.result for event in self.events.of(DeployStack)}

    def client(self, service: str, **credentials: str) -> Any:
        given = {
            "aws_access_key_id": self.address.access_key_id,
            "aws_secret_access_key": self.address.secret_access_key,
        }
        return boto3.client(
            service, endpoint_url=self.address.url, region_name=self.address.region, **(credentials or given)
        )

    def physical(self, path: str, type: str) -> str:
        assert self.deployed is not None
        (found,) = (
            self.deployed.physical[stack.name][resource.logical_id]
            for stack in self.stacks_wanted
            for resource in stack.resources
            if (resource.path, resource.type) == (path, type)
        )
        return found

    def function(self, name: str) -> dict[str, Any]:
        physical = self.physical(f"NotesStack/{name}", "AWS::Lambda::Function")
        found: dict[str, Any] = self.client("lambda").get_function_configuration(FunctionName=physical)
        return found

    def everything(self) -> dict[str, Any]:
        """All that Live changes, as the services have it."""
        iam = self.client("iam")
        told: dict[str, Any] = {}
        for name in ("Worker", "Other", "Deployed"):
            configuration = self.function(name)
            role = configuration["Role"].rpartition("/")[2]
            keys = ("Runtime", "Handler", "MemorySize", "Timeout", "CodeSha256")
            told[name] = {key: configuration[key] for key in keys} | configuration["Environment"]["Variables"]
            told[f"{name} trust"] = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
            told[f"{name} policies"] = sorted(iam.list_role_policies(RoleName=role)["PolicyNames"])
        for queue in ("NotesStack/Own", "DataStack/Orders"):
            answer = self.client("sqs").get_queue_attributes(
                QueueUrl=self.physical(queue, "AWS::SQS::Queue"), AttributeNames=["VisibilityTimeout"]
            )
            told[queue] = answer["Attributes"]["VisibilityTimeout"]
        return told


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        yield address


@pytest.fixture
def cloud(address: CloudAddress, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    session = session_at(address)
    stage = f"s{abs(hash(request.node.name)) % 10**8}"
    yield Cloud(address, session, write_project(tmp_path, {}), stage)
    session.close()


async def test_functions_in_lambda_are_the_stub_and_know_where_they_belong(cloud: Cloud) -> None:
    built = await cloud.deploy("live")
    worker = cloud.function("Worker")
    assert (worker["Runtime"], worker["Handler"]) == ("python3.13", "kite_stub/live/stub.handler")
    assert (worker["MemorySize"], worker["Timeout"]) == (512, 900)
    variables = worker["Environment"]["Variables"]
    told = json.loads(variables.pop("KITE_LIVE"))
    assert variables == {"KITE_APP": "notes", "KITE_STAGE": cloud.stage, "WORD": "here"}
    assert (told["function"], told["stage"], told["visibility"]) == ("NotesStack/Worker", cloud.stage, 40)
    assert told["http"].endswith(f".appsync-api.{cloud.address.region}.amazonaws.com")

    everything = cloud.everything()
    assert (everything["NotesStack/Own"], everything["DataStack/Orders"]) == ("900", "900")
    assert "SkykiteLive" in everything["Worker policies"]
    assert everything["Other"]["CodeSha256"] == worker["CodeSha256"]
    deployed = everything["Deployed"]
    assert "KITE_LIVE" not in deployed
    assert deployed["Handler"] == OURS
    assert everything["Deployed policies"] == []
    entry = next(one for one in built.manifest.functions if one.id == "NotesStack/Worker")
    assert (entry.runtime, entry.memory_mb, entry.timeout_s) == ("python3.12", 256, 7)


async def test_a_second_time_nothing_is_done(cloud: Cloud) -> None:
    await cloud.deploy("live")
    await cloud.deploy("live")
    assert cloud.stacks == {"DataStack": "unchanged", "NotesStack": "unchanged"}
    assert cloud.deployed is not None
    assert not cloud.deployed.changed


async def test_another_selection_updates_the_functions_that_change_and_what_was_opened_for_them(cloud: Cloud) -> None:
    await cloud.deploy("live")
    await cloud.deploy("live", ("Worker",))
    assert cloud.stacks == {"DataStack": "unchanged", "NotesStack": "updated"}
    assert set(cloud.changes) == {"NotesStack/Other", "NotesStack/Other/ServiceRole"}
    assert cloud.function("Other")["Handler"] == "functions/notes.create"
    assert cloud.function("Worker")["Handler"] == "kite_stub/live/stub.handler"

    await cloud.deploy("live", ("Other",))
    changed = {path for path, change in cloud.changes.items() if not change.consequence}
    assert changed == {
        "NotesStack/Other",
        "NotesStack/Other/ServiceRole",
        "NotesStack/Worker",
        "NotesStack/Worker/ServiceRole",
        "NotesStack/Own",
        "DataStack/Orders",
    }


async def test_kite_deploy_leaves_nothing_of_live(cloud: Cloud) -> None:
    await cloud.deploy("deploy")
    real = cloud.everything()
    assert real["NotesStack/Own"] == "30"
    await cloud.deploy("live")
    assert cloud.everything() != real

    await cloud.deploy("deploy")

    assert cloud.everything() == real
    assert "SkykiteLive" not in json.dumps(real)


async def test_stubs_that_a_session_deploys_before_it_is_told_to_end_do_not_stay(
    cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await cloud.deploy("deploy")
    real = cloud.everything()
    theirs = write_project(tmp_path_factory.mktemp("theirs"), {})
    session = Cloud(cloud.address, cloud.session, theirs, cloud.stage)
    await session.deploy("live")
    built = build(cloud.project, define, mode="deploy", stage=cloud.stage)

    class Remains(LiveRemains):
        """Of a session that deploys what was saved in the last moment."""

        async def clear(self, *, expected: bool) -> None:
            assert expected
            assert cloud.everything() == real
            await session.deploy("live")
            assert cloud.everything() != real
            await super().clear(expected=expected)

    events = RecordedEvents()
    await ship(
        built.manifest,
        built.directory,
        session=cloud.session,
        remains=Remains(aws=cloud.session, events=events, app="notes", stage=cloud.stage, who="`kite deploy` of bob"),
        holder=LeaseDocument(epoch=9, session="5e", who="ann@desk", pid=7),
        root=cloud.project,
        state=cloud.project / ".kite",
        bundles=BuiltBy(pack),
        findings=False,
        events=events,
        asker=Answers(True),
    )

    assert cloud.everything() == real
    (told,) = (notice.message for notice in events.of(Notice) if notice.notice == "live-came-back")
    assert told.startswith("ann@desk, process 7, deployed its stubs meanwhile")


async def test_a_stack_without_live_functions_is_the_same_in_every_mode(cloud: Cloud) -> None:
    await cloud.deploy("deploy", ())
    await cloud.deploy("live", ())
    assert cloud.stacks == {"DataStack": "unchanged", "NotesStack": "unchanged"}


async def test_a_stage_that_was_deployed_is_not_replaced_unsaid(cloud: Cloud) -> None:
    await cloud.deploy("live")
    assert cloud.events.of(Notice) == []
    await cloud.deploy("deploy")
    assert cloud.events.of(Notice) == []
    await cloud.deploy("live")
    (notice,) = cloud.events.of(Notice)
    assert notice.hint == f"`kite deploy --local --stage {cloud.stage}` puts the code back"
    await cloud.deploy("live", ("Worker",))
    assert cloud.events.of(Notice) == []


async def test_the_role_of_a_live_function_can_be_assumed_and_that_of_a_deployed_one_cannot(cloud: Cloud) -> None:
    await cloud.deploy("live")
    live, deployed = (cloud.function(name)["Role"] for name in ("Worker", "Deployed"))
    sts = cloud.client("sts")
    given = sts.assume_role(RoleArn=live, RoleSessionName="worker")["Credentials"]
    me = cloud.client(
        "sts",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    ).get_caller_identity()
    assert me["Arn"].endswith(f"assumed-role/{live.rpartition('/')[2]}/worker")
    _refused(sts, deployed)

    await cloud.deploy("deploy")

    _refused(sts, live)


def _refused(sts: Any, role: str) -> None:
    with pytest.raises(ClientError) as raised:
        sts.assume_role(RoleArn=role, RoleSessionName="worker")
    assert raised.value.response["Error"]["Code"] == "AccessDenied"


async def test_nobody_but_the_developer_can_assume_it(cloud: Cloud) -> None:
    await cloud.deploy("live")
    iam = cloud.client("iam")
    iam.create_user(UserName=cloud.stage)
    may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
    iam.put_user_policy(UserName=cloud.stage, PolicyName="may", PolicyDocument=json.dumps(may))
    key = iam.create_access_key(UserName=cloud.stage)["AccessKey"]
    other = cloud.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    _refused(other, cloud.function("Worker")["Role"])
