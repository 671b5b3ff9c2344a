"""Deployed HTTP APIs, as the gateway serves them: what it cannot answer as AWS does is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skykite.aws import HttpApi, HttpIntegration, HttpRoute
from skykite.dev.deployed_apis import served_api
from skykite.errors import SkykiteError
from skykite.model.manifest import Cors, RouteEntry, UnservedRoute
from skykite.model.names import FunctionId

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:shop-Orders"
FUNCTION = HttpIntegration(
    kind="AWS_PROXY", uri=ARN, subtype="", connection="INTERNET", payload_format="2.0", timeout_ms=30_000, mapped=False
)
API = HttpApi(id="a1", name="shop", stages=("$default",), cors=None, routes=())


def entry(*routes: HttpRoute, **changes: object):  # type: ignore[no-untyped-def]
    return served_api(replace(API, routes=routes, **changes), account="0", port=4000).entry  # type: ignore[arg-type]


def route(integration: HttpIntegration | None = FUNCTION, *, authorization: str = "NONE") -> HttpRoute:
    return HttpRoute(key="GET /orders", authorization=authorization, integration=integration)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (ARN, "shop-Orders"),
        (f"{ARN}:live", "shop-Orders:live"),
        (f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{ARN}/invocations", "shop-Orders"),
        (f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{ARN}:7/invocations", "shop-Orders:7"),
    ],
)
def test_a_function_is_found_in_its_uri(uri: str, name: str) -> None:
    assert entry(route(replace(FUNCTION, uri=uri))).routes == (
        RouteEntry(key="GET /orders", function=FunctionId(name), payload_format="2.0", timeout_ms=30_000),
    )


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (route(authorization="JWT"), "it asks for a JSON web token"),
        (route(authorization="AWS_IAM"), "it asks for requests signed with AWS credentials"),
        (route(authorization="NEW"), "it asks for the authorization 'NEW'"),
        (route(None), "it has no integration"),
        (route(replace(FUNCTION, connection="VPC_LINK")), "it passes requests into a VPC"),
        (route(replace(FUNCTION, kind="HTTP_PROXY", uri="https://x")), "it passes requests on to https://x"),
        (route(replace(FUNCTION, subtype="SQS-SendMessage")), "it calls an AWS service (SQS-SendMessage)"),
        (route(replace(FUNCTION, uri="arn:aws:states:::x")), "its integration is of the type AWS_PROXY"),
        (
            route(replace(FUNCTION, mapped=True)),
            "its integration changes requests or responses on the way (parameter mapping)",
        ),
        (route(replace(FUNCTION, payload_format="3.0")), "its payload format is '3.0'"),
    ],
)
def test_what_is_not_served_says_why(found: HttpRoute, reason: str) -> None:
    assert entry(found).unserved == (UnservedRoute(key="GET /orders", reason=reason),)


def test_the_default_stage_comes_before_a_named_one() -> None:
    assert [entry(stages=stages).stage for stages in (("dev", "$default"), ("dev",), ())] == [
        *("$default", "dev", "$default"),
    ]


def test_cors_is_taken_over() -> None:
    told = {"AllowOrigins": ["http://localhost"], "AllowMethods": ["GET"], "MaxAge": 60, "AllowCredentials": True}

    assert entry(cors=told).cors == Cors(
        allow_origins=("http://localhost",), allow_methods=("GET",), max_age_s=60, allow_credentials=True
    )


def test_an_api_whose_routes_cannot_be_told_apart_is_named() -> None:
    routes = (route(), replace(route(), key="GET /orders"))

    with pytest.raises(SkykiteError) as refused:
        entry(*routes)

    assert str(refused.value) == (
        "routes-alike: the API `shop` is not served: the routes `GET /orders` and `GET /orders` match the same requests"
    )
