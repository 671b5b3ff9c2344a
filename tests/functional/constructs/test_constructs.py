"""What the constructs put into templates and manifest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_apigatewayv2 as apigateway  # noqa: E402
from aws_cdk import aws_apigatewayv2_authorizers as authorizers  # noqa: E402
from aws_cdk import aws_apigatewayv2_integrations as integrations  # noqa: E402
from aws_cdk import aws_cognito as cognito  # noqa: E402
from aws_cdk import aws_dynamodb as dynamodb  # noqa: E402
from aws_cdk import aws_iam as iam  # noqa: E402
from aws_cdk import aws_lambda as lambda_  # noqa: E402
from aws_cdk import aws_s3 as s3  # noqa: E402
from aws_cdk import aws_sns as sns  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402
from aws_cdk.assertions import Template  # noqa: E402

from skykite import Api, App, Function, Stack, Table  # noqa: E402


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def statements(built: Built) -> list[dict[str, Any]]:
    return [
        statement
        for policy in built.resources("AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_a_function_has_lambdas_settings_and_names_its_bundle_by_content(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(
            stack,
            "Worker",
            "functions/notes.get",
            runtime="python3.12",
            memory_size=256,
            timeout=aws_cdk.Duration.minutes(1),
            architecture="arm64",
            environment={"TABLE": "x"},
            description="works",
        )

    built = build(project, define)
    function = built.only("AWS::Lambda::Function")
    (asset,) = built.manifest.stacks[0].assets
    assert function["Handler"] == "functions/notes.get"
    assert function["Runtime"] == "python3.12"
    assert (function["MemorySize"], function["Timeout"], function["Architectures"]) == (256, 60, ["arm64"])
    assert function["Description"] == "works"
    assert function["Environment"]["Variables"] == {"KITE_APP": "notes", "KITE_STAGE": "alice", "TABLE": "x"}
    assert function["Code"] == {
        "S3Bucket": {"Fn::Sub": "skykite-bootstrap-${AWS::AccountId}-eu-west-1"},
        "S3Key": asset.key,
    }
    assert (asset.packaging, asset.bucket) == ("bundle", "skykite-bootstrap-${AWS::AccountId}-eu-west-1")
    assert asset.bundle is not None
    assert (asset.bundle.import_root, asset.bundle.runtime, asset.bundle.architecture) == (".", "python3.12", "arm64")
    assert not (built.directory / asset.source).exists(), "an empty file stands where the bundle goes"
    entry = built.manifest.functions[0]
    assert (entry.id, entry.handler, entry.import_root) == ("NotesStack/Worker", "functions/notes.get", ".")
    assert (entry.memory_mb, entry.timeout_s, entry.live) == (256, 60, True)
    assert template_errors(built.directory) == []

    key = asset.key
    (project / "functions" / "notes.py").write_text("def get(event, context): return 2\n")
    assert build(project, define).manifest.stacks[0].assets[0].key != key, "changed code keeps its key"


def test_editing_a_handler_changes_no_template_while_developing(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "Worker", "functions/notes.get")
        Function(stack, "Deployed", "functions/notes.get", live=False)

    built = build(project, define, mode="local")
    placeholder, bundle = sorted(built.manifest.stacks[0].assets, key=lambda asset: asset.packaging, reverse=True)
    assert (placeholder.packaging, bundle.packaging) == ("file", "bundle")
    data = (built.directory / placeholder.source).read_bytes()
    first = built.template()["Resources"]

    (project / "functions" / "notes.py").write_text("import os\ndef get(event, context): return 2\n")
    again = build(project, define, mode="local")
    second = again.template()["Resources"]
    changed = [name for name in first if first[name] != second[name]]
    assert [first[name]["Metadata"]["aws:cdk:path"] for name in changed] == ["NotesStack/Deployed/Resource/Resource"]
    assert (again.directory / placeholder.source).read_bytes() == data
    assert [function.live for function in again.manifest.functions] == [True, False]


def test_an_import_root_of_its_own_shortens_the_deployed_handler(project: Path) -> None:
    write_project(project, {"services/orders/requirements.txt": "", "services/orders/api/main.py": "run = print\n"})
    built = build(project, lambda app: Function(Stack(app, "NotesStack"), "F", "services/orders/api/main.run"))
    assert built.only("AWS::Lambda::Function")["Handler"] == "api/main.run"
    assert built.manifest.functions[0].import_root == "services/orders"


def test_an_api_has_a_function_a_route_and_merges_defaults(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        notes = Table(stack, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
        shared = Function(stack, "Shared", "functions/notes.get")
        plain = lambda_.Function(
            stack,
            "Plain",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context): return 1"),
        )
        api = Api(
            stack,
            "Api",
            defaults={"function": {"timeout": 5, "environment": {"AA": "1", "BB": "1"}, "link": [notes]}},
            routes={
                "GET /notes/{id}": "functions/notes.get",
                "POST /notes": {"handler": "functions/notes.create", "timeout": 20, "environment": {"BB": "2"}},
                "ANY /{proxy+}": shared,
                "PUT /notes": shared,
                "$default": plain,
            },
        )
        stack.add_outputs(ApiEndpoint=api.url)
        assert (
            sorted(api.cdk.functions)
            == sorted(api.cdk.routes)
            == sorted(["GET /notes/{id}", "POST /notes", "ANY /{proxy+}", "PUT /notes", "$default"])
        )

    built = build(project, define)
    (entry,) = built.manifest.http_apis
    assert entry.path == "NotesStack/Api"
    assert {route.key: route.function for route in entry.routes} == {
        "GET /notes/{id}": "NotesStack/Api/GET --notes--{id}",
        "POST /notes": "NotesStack/Api/POST --notes",
        "ANY /{proxy+}": "NotesStack/Shared",
        "PUT /notes": "NotesStack/Shared",
        "$default": "NotesStack/Plain",
    }
    assert entry.cors is not None
    assert entry.cors.allow_origins == ("*",)
    functions = {function.id: function for function in built.manifest.functions}
    assert functions["NotesStack/Plain"].handler is None  # type: ignore[index]
    resources = built.template()["Resources"]
    post = resources[functions["NotesStack/Api/POST --notes"].logical_id]["Properties"]  # type: ignore[index]
    assert post["Timeout"] == 20
    variables = post["Environment"]["Variables"]
    assert (variables["AA"], variables["BB"]) == ("1", "2")
    assert "KITE_RESOURCE_Notes" in variables
    assert built.template()["Outputs"]["ApiEndpoint"] == {
        "Value": {"Fn::GetAtt": [entry.logical_id, "ApiEndpoint"]},
    }
    assert len(built.resources("AWS::ApiGatewayV2::Integration")) == 4, "a shared function has one integration"
    assert template_errors(built.directory) == []


@pytest.mark.parametrize("references", ["strong", "weak"])
def test_routes_across_stacks_are_served_and_those_behind_an_authorizer_are_not(project: Path, references: str) -> None:
    (project / "cdk.context.json").write_text(json.dumps({"@aws-cdk/core:defaultCrossStackReferences": references}))

    def define(app: App) -> None:
        code = Stack(app, "Code")
        shared = Function(code, "Shared", "functions/notes.get")
        alias = lambda_.Alias(code, "Live", alias_name="live", version=shared.cdk.function.current_version)
        lambda_.FunctionUrl(code, "Url", function=shared.cdk.function)
        stack = Stack(app, "NotesStack")
        api = Api(stack, "Api", routes={"GET /": shared}).cdk.http_api
        apigateway.WebSocketApi(stack, "Chat")
        to = integrations.HttpLambdaIntegration
        api.add_routes(path="/alias", integration=to("Alias", alias))
        api.add_routes(
            path="/admin",
            integration=to("Admin", alias),
            authorizer=authorizers.HttpJwtAuthorizer("Jwt", "https://x/", jwt_audience=["x"]),
        )
        extra = Stack(app, "Extra")
        apigateway.HttpRoute(
            extra,
            "Other",
            http_api=api,
            route_key=apigateway.HttpRouteKey.with_("/other", apigateway.HttpMethod.ANY),
            integration=to("Other", shared.cdk.function),
        )

    manifest = build(project, define).manifest
    (entry,) = manifest.http_apis
    assert {route.key: route.function for route in entry.routes} == {
        "GET /": "Code/Shared",
        "ANY /alias": "Code/Shared",
        "ANY /other": "Code/Shared",
    }
    assert [(route.key, route.reason) for route in entry.unserved] == [("ANY /admin", "it asks for a JSON web token")]
    assert [(api.path, api.reason) for api in manifest.unserved_apis] == [
        ("NotesStack/Chat", "it is a WebSocket API"),
        ("Code/Url", "it is a function URL"),
    ]


def test_cors_reaches_api_gateway_setting_by_setting(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Api(
            stack,
            "Strict",
            cors={
                "allow_credentials": True,
                "allow_headers": ["X-Own"],
                "allow_methods": ["GET", "POST"],
                "allow_origins": ["https://example.com"],
                "expose_headers": ["X-Count"],
                "max_age": 60,
            },
        )
        Api(stack, "Closed", cors=False)
        Api(stack, "Open")

    strict, closed, opened = (
        found["Properties"] for found in build(project, define).resources("AWS::ApiGatewayV2::Api")
    )
    assert strict["CorsConfiguration"] == {
        "AllowCredentials": True,
        "AllowHeaders": ["X-Own"],
        "AllowMethods": ["GET", "POST"],
        "AllowOrigins": ["https://example.com"],
        "ExposeHeaders": ["X-Count"],
        "MaxAge": 60,
    }
    assert "CorsConfiguration" not in closed
    assert opened["CorsConfiguration"] == {"AllowHeaders": ["*"], "AllowMethods": ["*"], "AllowOrigins": ["*"]}


def test_a_permitted_construct_opens_no_other_of_its_kind(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        users = cognito.UserPool(stack, "Users")
        orders = sqs.Queue(stack, "Orders")
        Function(stack, "Worker", "functions/notes.get", permissions=[users, orders])

    found = statements(build(project, define))
    resources = {json.dumps(statement["Resource"]): statement["Action"] for statement in found}
    assert [action for resource, action in resources.items() if "Users" in resource] == ["cognito-idp:*"]
    assert all("Fn::GetAtt" in resource for resource in resources), "something may use every resource of a kind"


def test_plain_cdk_apis_are_in_the_manifest_with_their_cors(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        handler = Function(stack, "Handler", "functions/notes.get")
        api = apigateway.HttpApi(
            stack,
            "Plain",
            cors_preflight=apigateway.CorsPreflightOptions(
                allow_origins=["https://example.com"],
                allow_methods=[apigateway.CorsHttpMethod.GET],
                allow_credentials=True,
                max_age=aws_cdk.Duration.hours(1),
            ),
        )
        api.add_routes(
            path="/old",
            methods=[apigateway.HttpMethod.GET],
            integration=integrations.HttpLambdaIntegration(
                "Old",
                handler.cdk.function,
                payload_format_version=apigateway.PayloadFormatVersion.VERSION_1_0,
                timeout=aws_cdk.Duration.seconds(5),
            ),
        )

    (entry,) = build(project, define).manifest.http_apis
    assert (entry.path, entry.name, entry.stage) == ("NotesStack/Plain", "Plain", "$default")
    (route,) = entry.routes
    assert (route.key, route.function, route.payload_format, route.timeout_ms) == (
        "GET /old",
        "NotesStack/Handler",
        "1.0",
        5000,
    )
    assert entry.cors is not None
    assert entry.cors.allow_credentials
    assert (entry.cors.allow_methods, entry.cors.max_age_s) == (("GET",), 3600)


def test_a_table_has_its_indexes_stream_and_expiry(project: Path) -> None:
    def define(app: App) -> None:
        Table(
            Stack(app, "NotesStack"),
            "Notes",
            fields={"id": "string", "owner": "string", "created": "number", "blob": "binary"},
            primary_index={"partition_key": "id", "sort_key": "created"},
            global_indexes={
                "byOwner": {"partition_key": "owner", "sort_key": "created", "projection": ["title"]},
                "byBlob": {"partition_key": "blob", "projection": "keys_only"},
            },
            local_indexes={"byOwnerHere": {"sort_key": "owner"}},
            time_to_live="expires",
            stream=True,
        )

    built = build(project, define)
    table = built.only("AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert {field["AttributeName"]: field["AttributeType"] for field in table["AttributeDefinitions"]} == {
        "id": "S",
        "created": "N",
        "owner": "S",
        "blob": "B",
    }
    assert {index["IndexName"]: index["Projection"] for index in table["GlobalSecondaryIndexes"]} == {
        "byOwner": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title"]},
        "byBlob": {"ProjectionType": "KEYS_ONLY"},
    }
    assert table["LocalSecondaryIndexes"][0]["KeySchema"] == [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "owner", "KeyType": "RANGE"},
    ]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert template_errors(built.directory) == []


@pytest.mark.parametrize(
    ("stage", "mode", "given", "policy"),
    [
        ("alice", "deploy", None, "Delete"),
        ("prod", "deploy", None, "Retain"),
        ("prod-eu", "deploy", None, "Retain"),
        ("product", "deploy", None, "Delete"),
        ("prod", "local", None, "Delete"),
        ("alice", "deploy", "retain", "Retain"),
        ("prod", "deploy", "destroy", "Delete"),
    ],
)
def test_data_is_kept_in_production_and_nowhere_else(
    project: Path, stage: str, mode: Any, given: Any, policy: str
) -> None:
    def define(app: App) -> None:
        Table(
            Stack(app, "NotesStack"),
            "Notes",
            fields={"id": "string"},
            primary_index={"partition_key": "id"},
            removal_policy=given,
        )

    (table,) = build(project, define, stage=stage, mode=mode).resources("AWS::DynamoDB::Table")
    assert table["DeletionPolicy"] == policy


def test_link_grants_narrowly_and_tells_the_name(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        notes = Table(
            stack,
            "Notes",
            fields={"id": "string", "owner": "string"},
            primary_index={"partition_key": "id"},
            global_indexes={"byOwner": {"partition_key": "owner"}},
        )
        orders = sqs.Queue(stack, "Orders")
        imported = s3.Bucket.from_bucket_name(stack, "Photos", "photos")
        Function(stack, "Worker", "functions/notes.get", link=[notes, orders, imported, sns.Topic(stack, "News")])

    built = build(project, define)
    variables = built.only("AWS::Lambda::Function")["Environment"]["Variables"]
    assert sorted(name for name in variables if name.startswith("KITE_RESOURCE")) == [
        "KITE_RESOURCE_News",
        "KITE_RESOURCE_Notes",
        "KITE_RESOURCE_Orders",
        "KITE_RESOURCE_Photos",
    ]
    parts = variables["KITE_RESOURCE_Notes"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "X" for part in parts)
    assert json.loads(text) == {"type": "Table", "name": "X", "arn": "X"}
    allowed = {json.dumps(found["Resource"]): found["Action"] for found in statements(built)}
    tables = next(actions for resource, actions in allowed.items() if "/index/*" in resource)
    assert "dynamodb:Query" in tables
    assert not any("*" in action for action in tables)
    assert '"*"' not in allowed
    queue = next(actions for resource, actions in allowed.items() if "Orders" in resource)
    assert "sqs:SendMessage" in queue
    assert "sqs:ReceiveMessage" not in queue
    assert any("photos" in resource for resource in allowed)
    assert template_errors(built.directory) == []


def test_permissions_take_every_form(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        notes = dynamodb.Table(
            stack, "Notes", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
        )
        own = Table(stack, "Own", fields={"id": "string"}, primary_index={"partition_key": "id"})
        statement = iam.PolicyStatement(actions=["ses:SendEmail"], resources=["arn:aws:ses:eu-west-1:1:identity/a"])
        Function(
            stack,
            "Worker",
            "functions/notes.get",
            permissions=["s3:GetObject", (notes, "grant_read_data"), (own, "grant_write_data"), statement],
        )

    built = build(project, define)
    found = {json.dumps(statement["Resource"]): statement["Action"] for statement in statements(built)}
    assert found['"*"'] == "s3:GetObject"
    assert found['"arn:aws:ses:eu-west-1:1:identity/a"'] == "ses:SendEmail"
    read = next(actions for resource, actions in found.items() if "Notes" in resource)
    write = next(actions for resource, actions in found.items() if "Own" in resource)
    assert "dynamodb:GetItem" in read
    assert "dynamodb:PutItem" not in read
    assert "dynamodb:PutItem" in write
    assert "dynamodb:GetItem" not in write

    everything = build(
        project, lambda app: Function(Stack(app, "NotesStack"), "F", "functions/notes.get", permissions="*")
    )
    assert statements(everything) == [{"Action": "*", "Effect": "Allow", "Resource": "*"}]


def test_stacks_are_named_tagged_and_ordered(project: Path) -> None:
    def define(app: App) -> None:
        assert (app.name, app.stage, app.mode) == ("notes", "alice", "deploy")
        data = Stack(app, "Data")
        queue = sqs.Queue(data, "Orders")
        web = Stack(app, "NotesStack", tags={"team": "a"})
        assert (web.stage, web.mode) == ("alice", "deploy")
        Function(web, "Worker", "functions/notes.get", permissions=[queue])
        Stack(app, "Named", stack_name="my-own-name")

    stacks = {stack.path: stack for stack in build(project, define).manifest.stacks}
    assert {path: stack.name for path, stack in stacks.items()} == {
        "Data": "alice-notes-Data",
        "NotesStack": "alice-notes-NotesStack",
        "Named": "my-own-name",
    }
    web = stacks["NotesStack"]  # type: ignore[index]
    assert web.dependencies == ("alice-notes-Data",)
    assert web.tags == {"skykite:app": "notes", "skykite:stage": "alice", "team": "a"}


def test_users_can_publish_constructs_of_their_own(project: Path) -> None:
    class NotesTable(Table):
        def __init__(self, scope: Any, id: str) -> None:
            super().__init__(scope, id, fields={"id": "string"}, primary_index={"partition_key": "id"})

    class Worker(Function):
        def __init__(self, scope: Any, id: str, **props: Any) -> None:
            super().__init__(scope, id, "functions/notes.get", memory_size=128, **props)

    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        notes = NotesTable(stack, "Notes")
        worker = Worker(stack, "Worker", link=[notes])
        assert isinstance(worker.cdk.function, lambda_.Function)
        assert isinstance(notes.cdk.table, dynamodb.Table)
        worker.cdk.role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("AWSXRayDaemonWriteAccess"))

    assert build(project, define).only("AWS::Lambda::Function")["MemorySize"] == 128


def test_nested_assemblies_are_followed_and_nested_stacks_refused(project: Path) -> None:
    def define(app: App) -> None:
        Function(Stack(aws_cdk.Stage(app, "Eu"), "NotesStack"), "Worker", "functions/notes.get")

    built = build(project, define, mode="local")
    (stack,) = built.manifest.stacks
    assert (stack.name, stack.path) == ("alice-notes-Eu-NotesStack", "Eu/NotesStack")
    assert (built.directory / stack.template).is_file()
    assert (built.directory / stack.assets[0].source).is_file()
    assert built.manifest.functions[0].handler == "functions/notes.get"

    def nest(app: App) -> None:
        sqs.Queue(aws_cdk.NestedStack(Stack(app, "NotesStack"), "Inner"), "Orders")

    with pytest.raises(SkykiteError) as raised:
        build(project, nest)
    assert raised.value.code == "nested-stack"


def test_missing_context_names_what_is_looked_up(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack", env={"account": "111111111111", "region": "eu-west-1"})
        stack.add_outputs(Zone=aws_cdk.aws_ssm.StringParameter.value_from_lookup(stack, "/zone"))

    with pytest.raises(SkykiteError) as raised:
        build(project, define)
    assert raised.value.code == "context-missing"
    key = "ssm:account=111111111111:parameterName=/zone:region=eu-west-1"
    assert raised.value.message == (f"the stacks look up what only an AWS account knows:\n  ssm: {key}")
    (project / "cdk.context.json").write_text(json.dumps({key: "z1"}))
    assert build(project, define).template()["Outputs"]["Zone"] == {"Value": "z1"}


def test_an_app_works_outside_of_kite(project: Path) -> None:
    (project / "run.py").write_text(
        "from skykite import App, Function, Stack\n"
        "from aws_cdk.assertions import Template\n"
        "app = App()\n"
        "stack = Stack(app, 'NotesStack')\n"
        "Function(stack, 'Worker', 'functions/notes.get')\n"
        "Template.from_stack(stack).resource_count_is('AWS::Lambda::Function', 1)\n"
        "print(app.stage, stack.stack_name, app.synth().directory)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KITE_")}
    environment |= {"PYTHONPYCACHEPREFIX": str(sys.pycache_prefix or ""), "CDK_OUTDIR": str(project / "out")}

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "run.py"],
            cwd=project,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(KITE_STAGE="bob")
    assert done.stdout.split() == ["bob", "bob-notes-NotesStack", str(project / "out")], done.stderr
    assert (project / "out" / "kite.manifest.json").is_file()
    assert "stage-missing: nothing says which stage this is" in run().stderr


def test_importing_skykite_is_free_and_complete() -> None:
    code = (
        "import sys, skykite; assert skykite.__all__ == sorted(skykite.__all__); "
        "assert set(skykite.__all__) <= set(dir(skykite)); "
        "print([name for name in ('aws_cdk', 'jsii', 'constructs', 'msgspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_template_assertions_work_on_our_stacks(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Table(stack, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})
        Template.from_stack(stack).has_resource_properties("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"})

    build(project, define)


def test_whose_permissions_live_functions_have_is_in_the_manifest(project: Path) -> None:
    def define(app: Any) -> None:
        assert app.live_credentials == "role"
        app.live_credentials = "developer"
        Stack(app, "NotesStack")

    assert build(project, define).manifest.live_credentials == "developer"
    assert build(project, lambda app: Stack(app, "NotesStack")).manifest.live_credentials == "role"
