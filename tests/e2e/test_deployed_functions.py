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
