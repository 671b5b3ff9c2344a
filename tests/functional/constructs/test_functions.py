"""What a `Function`'s options become in templates and manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.live_stage import opened
from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_ec2 as ec2  # noqa: E402
from aws_cdk import aws_events as events  # noqa: E402
from aws_cdk import aws_lambda as lambda_  # noqa: E402
from aws_cdk import aws_logs as logs  # noqa: E402
from aws_cdk import aws_sns as sns  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import Api, App, Function, SkykiteError, Stack  # noqa: E402
from skykite.model.manifest import CopiedFile  # noqa: E402

LAYER = "arn:aws:lambda:eu-west-1:111111111111:layer:tools:3"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {"layers/tools/python/tools.py": "WORD = 'layer'\n"})


def one(project: Path, mode: Any = "deploy", stage: str = "alice", **props: Any) -> Built:
    return build(
        project,
        lambda app: Function(Stack(app, "NotesStack"), "Worker", "functions/notes.get", **props),
        mode=mode,
        stage=stage,
    )


def function_of(built: Built, path: str = "NotesStack/Worker") -> dict[str, Any]:
    entry = next(entry for entry in built.manifest.functions if entry.id == path)
    properties: dict[str, Any] = built.template()["Resources"][entry.logical_id]["Properties"]
    return properties


def statements(built: Built) -> list[dict[str, Any]]:
    return [
        statement
        for policy in built.resources("AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def logical(built: Built, path: str) -> str:
    return next(
        name
        for name, resource in built.template()["Resources"].items()
        if resource["Metadata"]["aws:cdk:path"] == f"NotesStack/{path}"
    )


def test_lambda_is_told_sizes_concurrency_tracing_and_log_format(project: Path) -> None:
    built = one(
        project,
        ephemeral_storage=aws_cdk.Size.gibibytes(2),
        reserved_concurrency=0,
        tracing="active",
        log_format="json",
        layers=[LAYER],
    )
    function = function_of(built)
    assert function["EphemeralStorage"] == {"Size": 2048}
    assert function["ReservedConcurrentExecutions"] == 0
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": {"Ref": logical(built, "Worker/Logs/Resource")},
    }
    assert function["Layers"] == [LAYER]
    assert statements(built) == [
        {"Action": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "Effect": "Allow", "Resource": "*"}
    ]
    assert template_errors(built.directory) == []


@pytest.mark.parametrize(("own", "layered"), [(0, True), (4, True), (5, False)])
def test_packages_are_in_a_layer_of_their_own_while_lambda_has_room_for_one(
    project: Path, own: int, layered: bool
) -> None:
    (project / "requirements.txt").write_text("parcel==1.0\n")
    layers = [f"arn:aws:lambda:eu-west-1:111111111111:layer:tools:{number}" for number in range(own)]
    built = one(project, layers=layers)
    given = function_of(built).get("Layers", [])
    assert [one for one in given if isinstance(one, str)] == layers
    made = [asset for stack in built.manifest.stacks for asset in stack.assets if asset.packages]
    (code,) = [asset.bundle for stack in built.manifest.stacks for asset in stack.assets if asset.bundle]
    assert code is not None
    assert (code.layered, len(made), len(given) - own) == ((True, 1, 1) if layered else (False, 0, 0))
    assert template_errors(built.directory) == []


@pytest.mark.parametrize(
    ("stage", "given", "days", "policy"),
    [
        ("alice", None, 30, "Delete"),
        ("prod", None, 365, "Retain"),
        ("alice", "one_week", 7, "Delete"),
        ("prod", "ten_years", 3653, "Retain"),
        ("alice", "infinite", None, "Delete"),
        ("alice", logs.RetentionDays.THREE_DAYS, 3, "Delete"),
    ],
)
def test_logs_end_after_their_time_and_go_with_the_function(
    project: Path, stage: str, given: Any, days: int | None, policy: str
) -> None:
    built = one(project, stage=stage, log_retention=given)
    (group,) = built.resources("AWS::Logs::LogGroup")
    assert group.get("Properties", {}).get("RetentionInDays") == days
    assert group["DeletionPolicy"] == policy
    assert "TracingConfig" not in function_of(built)


def test_there_is_a_retention_for_every_name(project: Path) -> None:
    from typing import get_args

    from skykite.constructs.props import LogRetention

    assert {name.upper() for name in get_args(LogRetention)} == set(logs.RetentionDays.__members__)


def test_a_function_in_a_vpc_has_its_subnets_and_groups(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0, max_azs=2)
        group = ec2.SecurityGroup(stack, "Group", vpc=vpc)
        Function(
            stack,
            "Worker",
            "functions/notes.get",
            vpc=vpc,
            vpc_subnets={"subnet_type": ec2.SubnetType.PRIVATE_ISOLATED},
            security_groups=[group],
        )
        Function(stack, "Plain", "functions/notes.get", vpc=vpc)

    built = build(project, define)
    worker = function_of(built)
    assert worker["VpcConfig"]["SecurityGroupIds"] == [{"Fn::GetAtt": [logical(built, "Group/Resource"), "GroupId"]}]
    assert len(worker["VpcConfig"]["SubnetIds"]) == 2
    assert len(function_of(built, "NotesStack/Plain")["VpcConfig"]["SecurityGroupIds"]) == 1
    assert template_errors(built.directory) == []


def test_what_code_and_layers_are_made_of_is_in_the_manifest_and_stubs_have_neither_layers_nor_a_vpc(
    project: Path,
) -> None:
    def define(app: App) -> None:
        tools = lambda_.LayerVersion(
            Stack(app, "Tools"), "Layer", code=lambda_.Code.from_asset(str(project / "layers/tools"))
        )
        stack = Stack(app, "NotesStack")
        vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0, max_azs=2)
        for name, live in (("Worker", True), ("Deployed", False)):
            Function(
                stack,
                name,
                "functions/notes.get",
                layers=[LAYER, tools],
                vpc=vpc,
                vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
                live=live,
            )

    built = build(project, define, mode="live")
    worker, deployed = (entry for entry in built.manifest.functions if entry.handler)
    assert worker.vpc
    other, own = worker.layers
    assert (other.name, other.source) == (LAYER, None)
    assert own.name == "Tools/Layer"
    assert (built.directory / str(own.source) / "python/tools.py").is_file()
    assert (built.directory / str(worker.code)).is_file()
    bundles = {asset.source for stack in built.manifest.stacks for asset in stack.assets if asset.packaging == "bundle"}
    assert deployed.code in bundles, "who is counted with its layers before it is sent"
    template = opened(built).templates[worker.stack]["Resources"]
    assert {"VpcConfig", "Layers"} <= template[deployed.logical_id]["Properties"].keys()
    assert not {"VpcConfig", "Layers"} & template[worker.logical_id]["Properties"].keys()


def test_outcomes_go_where_they_are_to_go_and_the_function_may_send_there_and_no_more(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(
            stack,
            "Worker",
            "functions/notes.get",
            on_success=events.EventBus(stack, "Bus"),
            on_failure=Function(stack, "Failed", "functions/notes.create"),
            dead_letter_queue=True,
            retry_attempts=0,
            max_event_age=aws_cdk.Duration.minutes(5),
        )
        Function(
            stack,
            "Other",
            "functions/notes.get",
            on_success=sqs.Queue(stack, "Done"),
            on_failure=sns.Topic(stack, "Alarm"),
            dead_letter_queue=sns.Topic(stack, "Dead"),
        )

    built = build(project, define)
    first, second = (found["Properties"] for found in built.resources("AWS::Lambda::EventInvokeConfig"))
    assert (first["MaximumRetryAttempts"], first["MaximumEventAgeInSeconds"], first["Qualifier"]) == (0, 300, "$LATEST")
    assert first["DestinationConfig"] == {
        "OnSuccess": {"Destination": {"Fn::GetAtt": [logical(built, "Bus/Resource"), "Arn"]}},
        "OnFailure": {"Destination": {"Fn::GetAtt": [logical(built, "Failed/Resource/Resource"), "Arn"]}},
    }
    assert "MaximumRetryAttempts" not in second
    queue = logical(built, "Worker/DeadLetterQueue/Resource")
    assert function_of(built)["DeadLetterConfig"] == {"TargetArn": {"Fn::GetAtt": [queue, "Arn"]}}
    assert function_of(built, "NotesStack/Other")["DeadLetterConfig"] == {
        "TargetArn": {"Ref": logical(built, "Dead/Resource")}
    }
    policy = built.template()["Resources"][logical(built, "Worker/Resource/ServiceRole/DefaultPolicy/Resource")]
    failed = logical(built, "Failed/Resource/Resource")
    assert policy["Properties"]["PolicyDocument"]["Statement"] == [
        {"Action": "sqs:SendMessage", "Effect": "Allow", "Resource": {"Fn::GetAtt": [queue, "Arn"]}},
        {
            "Action": "lambda:InvokeFunction",
            "Effect": "Allow",
            "Resource": [
                {"Fn::GetAtt": [failed, "Arn"]},
                {"Fn::Join": ["", [{"Fn::GetAtt": [failed, "Arn"]}, ":*"]]},
            ],
        },
        {
            "Action": "events:PutEvents",
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [logical(built, "Bus/Resource"), "Arn"]},
        },
    ]
    assert template_errors(built.directory) == []


def test_what_calls_a_function_calls_the_instances_that_are_kept_ready(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        worker = Function(
            stack,
            "Worker",
            "functions/notes.get",
            provisioned_concurrency=2,
            on_failure=sqs.Queue(stack, "Failed"),
            retry_attempts=1,
        )
        Api(stack, "Api", routes={"GET /": worker})
        Function(stack, "Caller", "functions/notes.create", link=[worker], live=False)

    built = build(project, define)
    alias = logical(built, "Worker/Alias/Resource")
    assert built.only("AWS::Lambda::Alias")["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert built.only("AWS::ApiGatewayV2::Integration")["IntegrationUri"] == {"Ref": alias}
    (permission,) = built.resources("AWS::Lambda::Permission")
    assert permission["Properties"]["FunctionName"] == {"Ref": alias}
    config = built.only("AWS::Lambda::EventInvokeConfig")
    assert (config["MaximumRetryAttempts"], json.dumps(config["Qualifier"]).count("live")) == (1, 0)
    assert alias in json.dumps(config["Qualifier"])
    (entry,) = built.manifest.http_apis
    assert [route.function for route in entry.routes] == ["NotesStack/Worker"], "the local gateway finds no function"
    invoke = next(statement for statement in statements(built) if statement["Action"] == "lambda:InvokeFunction")
    assert invoke["Resource"] == {"Ref": alias}
    assert alias in json.dumps(function_of(built, "NotesStack/Caller")["Environment"]["Variables"])
    assert template_errors(built.directory) == []

    before = _versions(built)
    (project / "functions/notes.py").write_text("def get(event, context): return 2\ndef create(event, context): ...\n")
    again = build(project, define)
    assert len(before) == len(_versions(again)) == 1
    assert before != _versions(again), "changed code is not published"

    for mode in ("local", "live"):
        developed = build(project, define, mode=mode)  # type: ignore[arg-type]
        assert developed.resources("AWS::Lambda::Alias") == []
        assert developed.only("AWS::Lambda::EventInvokeConfig")["Qualifier"] == "$LATEST"


def _versions(built: Built) -> set[str]:
    return {name for name, one in built.template()["Resources"].items() if one["Type"] == "AWS::Lambda::Version"}


def test_defaults_of_app_and_stack_are_what_functions_are_made_with(project: Path) -> None:
    def define(app: App) -> None:
        app.set_default_function_props(
            memory_size=256, timeout=7, environment={"AA": "app", "BB": "app"}, permissions=["s3:GetObject"]
        )
        stack, other = Stack(app, "NotesStack"), Stack(app, "Notes")
        stack.set_default_function_props(memory_size=512, environment={"BB": "stack"})
        Function(stack, "Early", "functions/notes.get")
        orders = sqs.Queue(stack, "Orders")
        app.add_default_link(orders)
        stack.add_default_permissions("ses:SendEmail")
        app.add_default_environment({"CC": "late"})
        Api(stack, "Api", routes={"GET /": {"handler": "functions/notes.get", "timeout": 9}})
        Function(other, "Other", "functions/notes.create", memory_size=1024)

    built = build(project, define)
    early, late = function_of(built, "NotesStack/Early"), function_of(built, "NotesStack/Api/GET --")
    assert (early["MemorySize"], early["Timeout"], late["MemorySize"], late["Timeout"]) == (512, 7, 512, 9)
    own = {"KITE_APP": "notes", "KITE_STAGE": "alice"}
    assert early["Environment"]["Variables"] == {**own, "AA": "app", "BB": "stack"}
    assert sorted(late["Environment"]["Variables"]) == sorted([*own, "AA", "BB", "CC", "KITE_RESOURCE_Orders"])
    actions = [
        [statement["Action"] for statement in policy["Properties"]["PolicyDocument"]["Statement"]]
        for policy in built.resources("AWS::IAM::Policy")
    ]
    assert actions[0] == ["s3:GetObject"]
    assert actions[1][0] == ["s3:GetObject", "ses:SendEmail"]
    assert "sqs:SendMessage" in actions[1][1]
    (other,) = built.resources("AWS::Lambda::Function", "Notes")
    assert (other["Properties"]["MemorySize"], other["Properties"]["Timeout"]) == (1024, 7)
    assert other["Properties"]["Environment"]["Variables"]["BB"] == "app", "another stack's defaults"


def test_hooks_run_once_and_before_code_is_looked_at(project: Path) -> None:
    hook = "echo x >> made.txt"

    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        for name in ("Worker", "Other"):
            Function(stack, name, "functions/notes.get", hooks={"before_build": [hook], "after_build": "ls"})

    for mode in ("deploy", "local"):
        (project / "made.txt").unlink(missing_ok=True)
        built = build(project, define, mode=mode)  # type: ignore[arg-type]
        assert (project / "made.txt").read_text() == "x\n"
    before = build(project, define).manifest.stacks[0].assets[0].key
    assert build(project, define).manifest.stacks[0].assets[0].key != before, "what a hook made is not looked at"
    (bundle,) = {asset.bundle for asset in build(project, define).manifest.stacks[0].assets}
    assert bundle is not None
    assert bundle.after_build == ("ls",)
    assert built.manifest.functions[0].live

    def late(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "Early", "functions/notes.get")
        Function(stack, "Late", "functions/notes.get", hooks={"before_build": hook})

    with pytest.raises(SkykiteError) as raised:
        build(project, late)
    assert raised.value.code == "hook-too-late"


def test_copied_files_are_in_the_manifest_for_those_who_run_functions_here(project: Path) -> None:
    write_project(
        project,
        {"shared/words.txt": "x", "services/orders/requirements.txt": "", "services/orders/a.py": "run = print\n"},
    )
    built = build(
        project,
        lambda app: Function(
            Stack(app, "NotesStack"),
            "Worker",
            "services/orders/a.run",
            copy_files=["shared", {"from": "./shared/words.txt", "to": "."}],
        ),
    )
    copied = (CopiedFile(source="shared", to="shared"), CopiedFile(source="shared/words.txt", to="words.txt"))
    assert built.manifest.functions[0].copied == copied
    (asset,) = built.manifest.stacks[0].assets
    assert asset.bundle is not None
    assert asset.bundle.copied == copied
    (project / "shared/words.txt").write_text("y")
