"""A kept cloud: functions run from the code that is deployed there, under their roles, whoever calls them."""

from __future__ import annotations

import base64
import io
import os
import shutil
import signal
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, deploy, empty_zip, eventually
from kit.executables import shell
from kit.http import request
from kit.keeper import RunningKeeper
from skykite.dev.ports import Ports
from skykite.model.events import InvocationFinished, InvocationLog
from skykite.model.names import ConstructPath

WHERE = """
import boto3, os, sys

def handler(event, context):
    return {
        "environment": dict(os.environ),
        "identity": boto3.client("sts").get_caller_identity()["Arn"],
        "arn": context.invoked_function_arn,
        "version": context.function_version,
        "place": os.getcwd(),
        "path": sys.path,
    }
"""
SAY = "def handler(event, context):\n    return {word!r}\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKeeper]:
    """One keeper for all: the names that tests use differ."""
    running = RunningKeeper(tmp_path_factory.mktemp("project") / ".kite" / "local").start()
    yield running
    running.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningKeeper]:
    running = RunningKeeper(tmp_path / ".kite" / "local").start()
    yield running
    running.close()


def test_a_function_finds_what_lambda_gives_it_and_nothing_of_the_host(
    kept: RunningKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    kept.function(
        "where",
        WHERE,
        Role=kept.role("reader"),
        MemorySize=512,
        Environment={"Variables": {"TABLE": "notes", "AWS_ACCESS_KEY_ID": "own"}},
    )

    found = kept.invoke("where")

    environment = found["environment"]
    assert found["identity"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/where"
    assert found["arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:where"
    assert found["version"] == "$LATEST"
    assert environment["TABLE"] == "notes"
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["AWS_ENDPOINT_URL"] == kept.address.url
    assert environment["AWS_REGION"] == REGION
    assert environment["LAMBDA_TASK_ROOT"] == found["place"]
    assert "SECRET_OF_THE_HOST" not in environment
    assert not any("ministack" in place or "wt-" in place for place in found["path"])
    assert environment["PATH"].endswith(os.defpath)


def test_what_lambda_does_not_bring_is_not_there(kept: RunningKeeper) -> None:
    kept.function("bare", "import yaml\ndef handler(event, context): pass\n")

    failed = kept.failure("bare")

    assert failed["errorType"] == "Runtime.ImportModuleError"
    assert failed["errorMessage"] == "Unable to import module 'index': No module named 'yaml'"


def test_new_code_runs_with_the_next_invocation_and_an_old_one_under_way_ends_on_its_own(kept: RunningKeeper) -> None:
    client = kept.client("lambda")
    slow = (
        "import pathlib, time\n"
        "def handler(event, context):\n"
        "    pathlib.Path(event['begun']).touch()\n"
        "    while not pathlib.Path(event['go']).exists(): time.sleep(0.01)\n"
        "    import late\n"
        "    return late.WORD\n"
    )
    kept.function("changing", "", Code={"ZipFile": empty_zip(index__py=slow, late__py="WORD = 'old'\n")})
    begun, go = kept.directory / "begun", kept.directory / "go"
    answers: list[str] = []
    event = {"begun": str(begun), "go": str(go)}
    caller = threading.Thread(target=lambda: answers.append(kept.invoke("changing", event)))
    caller.start()
    eventually(begun.exists)

    client.update_function_code(FunctionName="changing", ZipFile=empty_zip(index__py=SAY.format(word="new")))
    fresh = kept.invoke("changing")
    go.touch()
    caller.join()

    assert (fresh, answers) == ("new", ["old"])
    assert kept.invoke("changing") == "new"


def test_new_configuration_reaches_the_next_invocation(kept: RunningKeeper) -> None:
    kept.function("tuned", "import os\ndef handler(event, context): return os.environ.get('WORD')\n")
    assert kept.invoke("tuned") is None

    kept.client("lambda").update_function_configuration(FunctionName="tuned", Environment={"Variables": {"WORD": "x"}})

    assert kept.invoke("tuned") == "x"


def test_code_that_comes_back_after_another_starts_anew_as_on_aws(kept: RunningKeeper) -> None:
    client = kept.client("lambda")
    counting = "calls = []\ndef handler(event, context):\n    calls.append(1)\n    return len(calls)\n"
    kept.function("returning", counting)
    assert [kept.invoke("returning"), kept.invoke("returning")] == [1, 2]

    for source in (SAY.format(word="between"), counting):
        client.update_function_code(FunctionName="returning", ZipFile=empty_zip(index__py=source))

    assert kept.invoke("returning") == 1


def test_versions_and_aliases_run_the_code_they_were_published_with(kept: RunningKeeper) -> None:
    client = kept.client("lambda")
    source = "def handler(event, context): return [{word!r}, context.function_version, context.invoked_function_arn]\n"
    arn = kept.function("published", source.format(word="first"))
    client.publish_version(FunctionName="published")
    client.create_alias(FunctionName="published", Name="live", FunctionVersion="1")
    client.update_function_code(FunctionName="published", ZipFile=empty_zip(index__py=source.format(word="second")))

    assert kept.invoke("published") == ["second", "$LATEST", arn]
    assert kept.invoke("published", Qualifier="1") == ["first", "1", f"{arn}:1"]
    assert kept.invoke("published", Qualifier="live") == ["first", "1", f"{arn}:live"]


def test_functions_find_their_layers_the_later_one_winning(kept: RunningKeeper) -> None:
    client = kept.client("lambda")
    layers = []
    for name, word in (("lower", "hidden"), ("upper", "seen")):
        files = empty_zip(**{f"python/{name}_only__py": "", "python/shared__py": f"WORD = {word!r}\n"})
        layers.append(client.publish_layer_version(LayerName=name, Content={"ZipFile": files})["LayerVersionArn"])
    source = "import lower_only, upper_only, shared\ndef handler(event, context): return shared.WORD\n"
    kept.function("layered", source, Layers=layers)

    assert kept.invoke("layered") == "seen"


def test_an_error_and_the_log_are_lambdas(kept: RunningKeeper) -> None:
    kept.function(
        "raising", "def handler(event, context):\n    print('about to')\n    raise KeyError('no such note')\n"
    )

    answer = kept.client("lambda").invoke(FunctionName="raising", LogType="Tail")

    document = answer["Payload"].read().decode()
    assert answer["FunctionError"] == "Unhandled"
    assert '"errorMessage":"\'no such note\'","errorType":"KeyError"' in document
    assert "line 3, in handler" in document
    groups = kept.client("logs")
    events = groups.filter_log_events(logGroupName="/aws/lambda/raising")["events"]
    messages = [event["message"] for event in events]
    first_words = [message.split(" ")[0] for message in messages if not message.startswith("\N{NO-BREAK SPACE}")]
    assert first_words == ["START", "about", "[ERROR]", "Traceback", "END", "REPORT"]


def test_a_handler_without_a_dot_fails_as_in_lambda(kept: RunningKeeper) -> None:
    kept.function("malformed", "", Handler="handler")

    failed = kept.failure("malformed")

    assert failed["errorType"] == "Runtime.MalformedHandlerName"
    assert failed["errorMessage"] == "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"


def test_a_function_cannot_change_its_own_code(kept: RunningKeeper) -> None:
    if os.getuid() == 0:
        pytest.skip("nothing is read-only for root")
    kept.function("vandal", "def handler(event, context): open('index.py', 'w')\n")

    assert kept.failure("vandal")["errorType"] in ("PermissionError", "OSError")


def zip_of(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_node_functions_run_with_lambdas_semantics(kept: RunningKeeper) -> None:
    content = {"ZipFile": zip_of({"nodejs/node_modules/side/index.js": "exports.side = 'layer';"})}
    layer = kept.client("lambda").publish_layer_version(LayerName="side", Content=content)["LayerVersionArn"]
    source = """
    const { side } = require('side');
    exports.handlers = { main: async (event, context) => {
      if (event) throw new RangeError(event);
      return [side, context.functionName, process.env.AWS_EXECUTION_ENV];
    } };
    """
    code = {"ZipFile": empty_zip(index__js=source)}
    kept.function("node", "", Runtime="nodejs24.x", Handler="index.handlers.main", Code=code, Layers=[layer])

    assert kept.invoke("node") == ["layer", "node", "AWS_Lambda_nodejs24.x"]
    failed = kept.failure("node", "too far")
    assert (failed["errorType"], failed["errorMessage"]) == ("RangeError", "too far")
    assert failed["trace"][0] == "RangeError: too far"
    assert [e for e in kept.invocations.events if isinstance(e, InvocationFinished) and "node" in e.function]


def executable_zip(text: str, *, mode: int = 0o755) -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = mode << 16
        archive.writestr(entry, text.lstrip())
    return {"ZipFile": buffer.getvalue()}


@pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("curl") is None, reason="the executables are shell scripts with curl"
)
def test_executables_run_with_lambdas_semantics(kept: RunningKeeper) -> None:
    bytes_of_its_own = "{\"pid\":  '$$'}"
    answering = (
        f"""echo "given $event"; curl -sS -o /dev/null -d '{bytes_of_its_own}' "$api/invocation/$id/response" """
    )
    options = {"Runtime": "provided.al2023", "Handler": "any"}
    kept.function("answering", "", Code=executable_zip(shell(answering)), **options)
    kept.function("ending", "", Code=executable_zip("#!/bin/sh\nexit 3\n"), **options)
    kept.function("plain", "", Code=executable_zip(shell(answering), mode=0o644), **options)

    answer = kept.client("lambda").invoke(FunctionName="answering", Payload=b'{"a":  1}', LogType="Tail")
    payload = answer["Payload"].read()
    assert payload.startswith(b'{"pid":  '), "its bytes are not passed on as they are"
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["START", "given", "END", "REPORT"]
    assert lines[1] == 'given {"a":  1}'
    assert kept.client("lambda").invoke(FunctionName="answering")["Payload"].read() == payload, "it is started anew"
    ended = kept.failure("ending")
    assert ended["errorType"] == "Runtime.ExitError"
    assert ended["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert kept.failure("plain")["errorType"] == "worker-executable"
    finished = [one for one in kept.invocations.events if isinstance(one, InvocationFinished)]
    assert {"answering", "ending", "plain"} <= {one.function.partition("@")[0] for one in finished}


@pytest.mark.parametrize(
    ("files", "result"),
    [
        (
            {"package__json": '{"type": "module"}', "index__js": "export const handler = async () => 'module';"},
            "module",
        ),
        (
            {
                "index__mjs": "export const handler = async () => await import('./other.mjs').then((m) => m.other);",
                "other__mjs": "export const other = 'import';",
            },
            "import",
        ),
        ({"index__cjs": "exports.handler = async () => 'common';"}, "common"),
    ],
)
def test_node_modules_of_each_kind_are_found_in_a_zip(kept: RunningKeeper, files: dict[str, str], result: str) -> None:
    kept.function(f"node-{result}", "", Runtime="nodejs24.x", Code={"ZipFile": empty_zip(**files)})

    assert kept.invoke(f"node-{result}") == result


def test_zip_without_the_handlers_module_says_so(kept: RunningKeeper) -> None:
    kept.function("node-empty", "", Runtime="nodejs24.x", Code={"ZipFile": empty_zip(other__js="")})

    failed = kept.failure("node-empty")
    assert failed == {
        "errorType": "Runtime.ImportModuleError",
        "errorMessage": "Error: Cannot find module 'index'",
        "trace": [],
    }


def test_functions_call_each_other_as_deep_as_there_are_workers(kept: RunningKeeper) -> None:
    source = (
        "import boto3, json\n"
        "def handler(event, context):\n"
        "    if event == 0: return ['bottom']\n"
        "    name = context.function_name\n"
        "    answer = boto3.client('lambda').invoke(FunctionName=name, Payload=json.dumps(event - 1))\n"
        "    return [event, *json.loads(answer['Payload'].read())]\n"
    )
    kept.function("deep", source)

    assert kept.invoke("deep", 8) == [8, 7, 6, 5, 4, 3, 2, 1, "bottom"]


def test_more_invocations_than_workers_wait_and_are_all_answered(kept: RunningKeeper) -> None:
    kept.function("crowd", "import time\ndef handler(event, context):\n    time.sleep(0.05)\n    return event\n")

    with ThreadPoolExecutor(max_workers=64) as callers:
        answers = list(callers.map(lambda number: kept.invoke("crowd", number), range(64)))

    assert answers == list(range(64))


def test_what_functions_say_is_told_apart_from_what_the_keeper_says(kept: RunningKeeper) -> None:
    kept.function("talking", "def handler(event, context): print('words of mine')\n")

    kept.invoke("talking")

    said = [e for e in kept.invocations.events if isinstance(e, InvocationLog) and e.text == "words of mine\n"]
    assert [event.function.partition("@")[0] for event in said] == ["talking"]
    assert not [e for e in kept.recorder.events if isinstance(e, InvocationLog)]


def test_http_apis_are_served_by_the_gateway_as_they_are_deployed(own: RunningKeeper) -> None:
    role = own.role("any")
    code = empty_zip(index__py="def handler(event, context): return event['routeKey']\n")
    own.client("s3").create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
    own.client("s3").put_object(Bucket="code", Key="code.zip", Body=code)
    assert own.apis() == ()

    with socket.create_server(("127.0.0.1", Ports(None).port_of(ConstructPath("taken")))):
        stack = deploy(own, "shop", _shop(role, "GET /orders"), Outputs={"Id": {"Value": {"Ref": "Api"}}})
        (api,) = eventually(own.apis)
    assert (api.id, api.name) == (stack["OutputValues"]["Id"], "shop")
    assert request("GET", f"{api.url}/orders").text == "GET /orders"
    assert request("GET", f"{api.url}/guarded").status == 501
    assert request("GET", f"{api.url}/items").status == 404
    preflight = {"origin": "http://localhost:3000", "access-control-request-method": "GET"}
    answer = request("OPTIONS", f"{api.url}/orders", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"

    deploy(own, "shop", _shop(role, "GET /items"))

    assert eventually(lambda: request("GET", f"{api.url}/items").status == 200)
    assert request("GET", f"{api.url}/orders").status == 404
    assert own.apis() == (api,)

    own.stop()
    own.start()

    assert own.apis() == (api,)
    assert request("GET", f"{api.url}/items").text == "GET /items"


def test_what_was_deployed_is_there_after_a_restart(own: RunningKeeper) -> None:
    own.function("lasting", SAY.format(word="still here"))
    assert own.invoke("lasting") == "still here"

    own.stop()
    own.start()

    assert own.invoke("lasting") == "still here"


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_cloud_that_dies_is_told_and_comes_back_with_its_functions(own: RunningKeeper) -> None:
    own.function("lasting", WHERE, Role=own.role("reader"))
    before = own.invoke("lasting")
    process = own.keeper._cloud._process
    assert process is not None
    own.client("sqs").create_queue(QueueName="lasting")
    own.run(own.keeper._cloud.snapshot())

    os.kill(process.pid, signal.SIGKILL)
    error = own.run(own.keeper.wait_died())
    again = own.run(own.keeper.start())

    assert error.code == "cloud-died"
    assert again == own.address
    after = own.invoke("lasting")
    assert after["identity"] == before["identity"]
    assert after["environment"]["AWS_ACCESS_KEY_ID"] == before["environment"]["AWS_ACCESS_KEY_ID"]


def test_functions_are_told_the_urls_that_work_here(own: RunningKeeper) -> None:
    role = own.role("any")
    code = empty_zip(index__py="import os\ndef handler(event, context): return os.environ.get('API')\n")
    own.client("s3").create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
    own.client("s3").put_object(Bucket="code", Key="code.zip", Body=code)
    deploy(own, "shop", _shop(role, "GET /orders"))
    (api,) = eventually(own.apis)
    told = f"https://{api.id}.execute-api.{REGION}.amazonaws.com/orders"

    (name,) = [f["FunctionName"] for f in own.client("lambda").list_functions()["Functions"]]
    own.client("lambda").update_function_configuration(FunctionName=name, Environment={"Variables": {"API": told}})

    assert own.invoke(name) == f"{api.url}/orders"

    own.client("apigatewayv2").delete_api(ApiId=api.id)

    assert own.apis() == ()
    assert own.invoke(name) == told


def _shop(role: str, route: str) -> dict[str, Any]:
    """An API with one route to one function, and one that asks for signatures."""
    integration = {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]}
    return {
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": role,
                "Code": {"S3Bucket": "code", "S3Key": "code.zip"},
            },
        },
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": "shop",
                "ProtocolType": "HTTP",
                "CorsConfiguration": {"AllowOrigins": ["http://localhost:3000"], "AllowMethods": ["GET"]},
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": ["Function", "Arn"]},
                "PayloadFormatVersion": "2.0",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": route, "Target": integration},
        },
        "Guarded": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "GET /guarded",
                "AuthorizationType": "AWS_IAM",
                "Target": integration,
            },
        },
    }
