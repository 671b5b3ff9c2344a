from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from skykite.aws import FunctionState
from skykite.dev.configure import configure_functions, deployed_part, live_functions
from skykite.dev.function_files import FunctionFiles
from skykite.dev.machine_network import machine_network
from skykite.model.manifest import FunctionEntry, HttpApiEntry, Manifest, RouteEntry, SourceLocation
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, StackName, StageName

ROOT = Path("/project")
GET = FunctionId("Notes/Api/Get")


def entry(id: FunctionId, *, live: bool = True, handler: str | None = "backend/functions/notes.get") -> FunctionEntry:
    return FunctionEntry(
        id=id,
        stack=StackName("alice-notes-Notes"),
        logical_id=LogicalId("Get1234"),
        runtime="python3.13",
        memory_mb=256,
        timeout_s=7,
        architecture="arm64",
        live=live,
        handler=handler,
        import_root="backend",
        location=SourceLocation(file="stacks/notes.py", line=12),
    )


def manifest(*functions: FunctionEntry) -> Manifest:
    return Manifest(
        version=1,
        app=AppName("notes"),
        stage=StageName("alice"),
        region="eu-west-1",
        mode="local",
        stacks=(),
        functions=functions,
    )


STATE = FunctionState(
    name="alice-notes-Get",
    arn="arn:aws:lambda:eu-west-1:000000000000:function:alice-notes-Get",
    role="arn:aws:iam::000000000000:role/x",
    runtime="python3.13",
    handler="index.handler",
    memory_mb=256,
    timeout_s=7,
    environment={"URL": "https://abc.example/x", "AWS_REGION": "mine"},
    architecture="arm64",
    version="$LATEST",
    code_sha256="",
    state="Active",
    last_update="Successful",
    log_group="alice-notes-GetLogs",
    log_format="JSON",
)


def test_only_functions_of_ours_that_have_not_opted_out_run_here() -> None:
    ours, opted_out = entry(GET), entry(FunctionId("a"), live=False)
    plain_cdk = entry(FunctionId("b"), handler=None)
    assert live_functions(manifest(ours, opted_out, plain_cdk)) == (ours,)


def test_a_worker_gets_the_deployed_environment_with_local_urls_and_the_handler_below_its_import_root() -> None:
    (config,) = configure_functions(
        manifest(entry(GET)),
        {GET: STATE},
        project_root=ROOT,
        variables={"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        own={GET: {"AWS_ACCESS_KEY_ID": "AKIA"}, FunctionId("a"): {"AWS_ACCESS_KEY_ID": "other"}},
        translate=lambda text: text.replace("https://abc.example", "http://127.0.0.1:4000"),
        files={GET: FunctionFiles(search=(ROOT / "layer",), task_root=ROOT / "task", copied=(ROOT / "words.txt",))},
    )
    assert config.environment == {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "mine",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": "alice-notes-GetLogs",
        "PYTHONPATH": str(ROOT / "layer"),
        "URL": "http://127.0.0.1:4000/x",
    }
    assert (config.task_root, config.copied) == (ROOT / "task", (ROOT / "words.txt",))
    assert (str(config.handler), config.import_root) == ("functions/notes.get", ROOT / "backend")
    assert (config.name, config.arn) == (STATE.name, STATE.arn)
    assert (config.timeout_s, config.source) == (7.0, "stacks/notes.py:12")


def test_a_function_here_gets_out_by_this_machines_proxy_unless_it_has_its_own() -> None:
    host = {
        "https_proxy": "http://proxy:3128",
        "NO_PROXY": "localhost",
        "AWS_CA_BUNDLE": "/etc/company.pem",
        "HTTP_PROXY": "http://proxy:3128",
        "AWS_PROFILE": "work",
        "REQUESTS_CA_BUNDLE": "",
    }
    other = FunctionId("Notes/Api/Other")
    states = {GET: STATE, other: replace(STATE, environment={"HTTPS_PROXY": "http://mine:1"})}

    plain, own = configure_functions(
        manifest(entry(GET), entry(other)),
        states,
        project_root=ROOT,
        variables=machine_network(host),
        own={},
        translate=str,
        files={},
    )

    network = {"NO_PROXY": "localhost", "AWS_CA_BUNDLE": "/etc/company.pem"}
    assert plain.environment.items() >= {"https_proxy": "http://proxy:3128", **network}.items()
    assert own.environment.items() >= {"HTTPS_PROXY": "http://mine:1", **network}.items()
    assert "https_proxy" not in own.environment
    assert {"HTTP_PROXY", "AWS_PROFILE", "REQUESTS_CA_BUNDLE"}.isdisjoint(plain.environment)


def test_what_a_condition_left_out_is_neither_run_nor_served() -> None:
    stack = StackName("alice-notes-Notes")
    absent = replace(entry(FunctionId("Notes/Absent")), logical_id=LogicalId("Absent"))
    api = HttpApiEntry(
        path=ConstructPath("Notes/Api"),
        stack=stack,
        logical_id=LogicalId("Api"),
        name="api",
        routes=(RouteEntry(key="GET /", function=GET), RouteEntry(key="GET /absent", function=absent.id)),
    )
    absent_api = replace(api, path=ConstructPath("Notes/Other"), logical_id=LogicalId("Other"))
    whole = replace(manifest(entry(GET), absent), http_apis=(api, absent_api))
    part = deployed_part(whole, {stack: {LogicalId("Get1234"): "get", LogicalId("Api"): "api"}})
    assert part.functions == (entry(GET),)
    assert [(each.path, [route.key for route in each.routes]) for each in part.http_apis] == [("Notes/Api", ["GET /"])]
