"""Functions that run as deployed beside those that run here: opted out, or made by plain CDK."""

from __future__ import annotations

from pathlib import Path

from kit.http import fetch
from kit.kite import dev

APP = """\
from aws_cdk import aws_lambda
from aws_cdk.aws_apigatewayv2 import HttpMethod
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from skykite import Api, App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    inline = aws_lambda.Function(
        stack,
        "Inline",
        runtime=aws_lambda.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=aws_lambda.Code.from_inline("def handler(event, context):\\n    return 'inline'\\n"),
    )
    api = Api(
        stack,
        "Api",
        routes={
            "GET /live": "functions/words.handler",
            "GET /deployed": {"handler": "functions/words.handler", "live": False},
        },
    )
    api.cdk.http_api.add_routes(
        path="/inline", methods=[HttpMethod.GET], integration=HttpLambdaIntegration("Inline", inline)
    )
"""


async def test_an_opted_out_function_and_a_plain_cdk_one_answer_and_are_never_stale(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "kite.toml").write_text('name = "mixed"\nregion = "eu-west-1"\n')
    (tmp_path / "stacks" / "app.py").write_text(APP)
    words = tmp_path / "functions" / "words.py"
    words.write_text("def handler(event, context):\n    return 'one'\n")
    async with dev(tmp_path, "--port", "0", "--stage", "test") as session:
        ready = await session.ready()
        url = ready["endpoints"][0]["url"]
        assert (await fetch("GET", f"{url}/live")).text == "one"
        assert (await fetch("GET", f"{url}/deployed")).text == "one"
        assert (await fetch("GET", f"{url}/inline")).text == "inline"
        assert [name for name in ready["functions"] if "live" in name]
        words.write_text("def handler(event, context):\n    return 'two'\n")
        assert (await fetch("GET", f"{url}/deployed")).text == "two"
        assert (await fetch("GET", f"{url}/live")).text == "two"


SEEDED = """\
import aws_cdk
from skykite import App, Function, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    seed = Function(stack, "Seed", "functions/seed.run")
    seeded = aws_cdk.CustomResource(stack, "Seeded", service_token=seed.arn)
    stack.add_outputs(Word=seeded.get_att_string("Word"))
"""
SEED = """\
import json, urllib.request


def run(event, context):
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "seeded", "Data": {"Word": "here"}}
    answer |= {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], body, {"content-type": ""}, method="PUT"))
"""


async def test_a_function_that_the_first_deployment_itself_calls_runs_here(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "kite.toml").write_text('name = "seeded"\nregion = "eu-west-1"\n')
    (tmp_path / "stacks" / "app.py").write_text(SEEDED)
    (tmp_path / "functions" / "seed.py").write_text(SEED)
    async with dev(tmp_path, "--port", "0", "--stage", "test") as session:
        called = await session.event("invocation.finished")
        assert called["trigger"]["label"] == "cloudformation Create Seeded"
        ready = await session.ready()
        assert next(iter(ready["outputs"].values())) == {"Word": "here"}
