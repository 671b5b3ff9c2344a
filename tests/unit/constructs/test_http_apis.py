"""HTTP APIs read out of templates: across stacks, behind aliases, and what is told about those that are not served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from skykite.constructs.http_apis import ReadApis, read_http_apis
from skykite.model.manifest import RouteEntry, UnservedApi, UnservedRoute
from skykite.model.names import ConstructPath, FunctionId, LogicalId, StackName
from skykite.model.references import Address, Expression, Templates

WEB, CODE = StackName("web"), StackName("code")
GET, NAMED = FunctionId("Code/Get"), FunctionId("Code/Named")
FUNCTIONS = {Address(CODE, LogicalId("Get")): GET, Address(CODE, LogicalId("Named")): NAMED}
ARN: Mapping[str, Any] = {"Fn::GetAtt": ["Get", "Arn"]}
CODE_TEMPLATE: Mapping[str, Any] = {
    "Resources": {
        "Get": {"Type": "AWS::Lambda::Function"},
        "Named": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "the-named-one"}},
        "Version": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Get"}}},
        "Alias": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Fn::GetAtt": "Version.FunctionArn"}}},
        "NamedAlias": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": "the-named-one"}},
    },
    "Outputs": {
        "Plain": {"Value": ARN, "Export": {"Name": "code:get"}},
        "Sub": {"Value": {"Fn::Sub": "${Get.Arn}"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-sub"}}},
        "Alias": {
            "Value": {"Ref": "Alias"},
            "Export": {"Name": {"Fn::Join": ["-", [{"Ref": "AWS::Region"}, "alias"]]}},
        },
        "Circle": {"Value": {"Fn::ImportValue": "circle"}, "Export": {"Name": "circle"}},
    },
}


def read(web: Mapping[str, Any], code: Mapping[str, Any] = CODE_TEMPLATE) -> ReadApis:
    return read_http_apis({WEB: {"Resources": web}, CODE: code}, FUNCTIONS)


def resource(type: str, **properties: object) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGatewayV2::{type}", "Properties": properties}


def route(key: object = "GET /", **properties: object) -> dict[str, Any]:
    target = {"Fn::Join": ["", ["integrations/", {"Ref": "Integration"}]]}
    return resource("Route", **{"ApiId": {"Ref": "Api"}, "RouteKey": key, "Target": target, **properties})


def integration(uri: object, **properties: object) -> dict[str, Any]:
    return resource(
        "Integration",
        **{
            "ApiId": {"Ref": "Api"},
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": uri,
            "PayloadFormatVersion": "2.0",
            **properties,
        },
    )


def api(**properties: object) -> dict[str, Any]:
    return resource("Api", **{"Name": "web", "ProtocolType": "HTTP", **properties})


IMPORT = {"Fn::ImportValue": "code:get"}
INVOKE = "/2015-03-31/functions/"


@pytest.mark.parametrize(
    ("uri", "function"),
    [
        (IMPORT, GET),
        ({"Fn::ImportValue": {"Fn::Sub": "code-sub"}}, GET),
        ({"Fn::ImportValue": {"Fn::Sub": "${AWS::Region}-alias"}}, GET),
        ({"Fn::GetStackOutput": {"StackName": "code", "OutputName": "Plain", "Region": "eu-west-1"}}, GET),
        ({"Fn::Join": ["", ["arn:aws:apigateway:eu-west-1:lambda:path", INVOKE, IMPORT, "/invocations"]]}, GET),
        ({"Fn::Sub": ["arn:aws:apigateway:x:lambda:path${a}${f}/invocations", {"a": INVOKE, "f": IMPORT}]}, GET),
        ({"Fn::Select": [0, {"Fn::Split": ["|", IMPORT]}]}, GET),
        ("arn:aws:lambda:eu-west-1:123456789012:function:the-named-one", NAMED),
        ({"Fn::Sub": "arn:${AWS::Partition}:lambda:eu-west-1:${AWS::AccountId}:function:the-named-one:live"}, NAMED),
    ],
)
def test_a_route_to_a_function_of_another_stack_is_lost(uri: object, function: FunctionId) -> None:
    (entry,) = read({"Api": api(), "Integration": integration(uri), "Route": route()}).served
    assert entry.routes == (RouteEntry(key="GET /", function=function),)


@pytest.mark.parametrize(
    ("uri", "function"),
    [
        ({"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/x/functions/${Get.Arn}/invocations"}, GET),
        ({"Fn::GetAtt": "Get.Arn"}, GET),
        ({"Ref": "Alias"}, GET),
        ({"Ref": "Version"}, GET),
        ({"Ref": "NamedAlias"}, NAMED),
    ],
)
def test_a_route_to_a_function_of_its_own_stack_is_lost(uri: object, function: FunctionId) -> None:
    web = {"Api": api(), "Integration": integration(uri), "Route": route()}
    template = {"Resources": {**CODE_TEMPLATE["Resources"], **web}}
    (entry,) = read_http_apis({CODE: template}, FUNCTIONS).served
    assert entry.routes == (RouteEntry(key="GET /", function=function),)


def test_routes_integrations_and_stages_in_another_stack_than_their_api_are_lost() -> None:
    exports = {
        "Api": {"Value": {"Ref": "Api"}, "Export": {"Name": "api"}},
        "Integration": {"Value": {"Ref": "Integration"}, "Export": {"Name": "integration"}},
    }
    first = {"Resources": {"Api": api(), "Integration": integration(IMPORT)}, "Outputs": exports}
    imported = {"Fn::ImportValue": "api"}
    own = integration({"Fn::ImportValue": "code:get"}, ApiId=imported, TimeoutInMillis=5000)
    theirs = {"Fn::Sub": ["integrations/${i}", {"i": {"Fn::ImportValue": "integration"}}]}
    second = {
        "Resources": {
            "Theirs": route("GET /a", ApiId=imported, Target=theirs),
            "Own": route("GET /b", ApiId=imported, Target={"Fn::Sub": "integrations/${Integration}"}),
            "Integration": own,
            "Stage": resource("Stage", ApiId=imported, StageName="v1"),
        }
    }
    found = read_http_apis({StackName("second"): second, WEB: first, CODE: CODE_TEMPLATE}, FUNCTIONS)
    assert found.unserved == ()
    (entry,) = found.served
    assert (entry.stack, entry.stage) == (WEB, "v1")
    assert entry.routes == (
        RouteEntry(key="GET /a", function=GET),
        RouteEntry(key="GET /b", function=GET, timeout_ms=5000),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"AuthorizationType": "JWT", "AuthorizerId": {"Ref": "A"}}, "it asks for a JSON web token"),
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "A"}}, "it asks a Lambda authorizer"),
        ({"AuthorizationType": "AWS_IAM"}, "it asks for requests signed with AWS credentials"),
        ({"AuthorizationType": {"Ref": "P"}}, "it asks for the authorization {'Ref': 'P'}"),
        ({"Target": "integrations/abc"}, "its integration is not in this app"),
    ],
)
def test_a_route_that_is_not_open_to_all_is_served_to_all(changes: dict[str, object], reason: str) -> None:
    (entry,) = read({"Api": api(), "Integration": integration(IMPORT), "Route": route(**changes)}).served
    assert (entry.routes, entry.unserved) == ((), (UnservedRoute(key="GET /", reason=reason),))


@pytest.mark.parametrize(
    ("uri", "changes", "reason"),
    [
        ("http://x", {"IntegrationType": "HTTP_PROXY"}, "it passes requests on to http://x"),
        ("arn:x", {"IntegrationType": "HTTP_PROXY", "ConnectionType": "VPC_LINK"}, "it passes requests into a VPC"),
        (None, {"IntegrationSubtype": "SQS-SendMessage"}, "it calls an AWS service (SQS-SendMessage)"),
        (None, {"IntegrationType": "MOCK"}, "its integration is of the type MOCK"),
        ({"Fn::ImportValue": "elsewhere"}, {}, "its function is not in this app"),
        ({"Fn::ImportValue": "circle"}, {}, "its function is not in this app"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:elsewhere", {}, "its function is not in this app"),
        (IMPORT, {"PayloadFormatVersion": "3.0"}, "its payload format is '3.0'"),
        (
            IMPORT,
            {"RequestParameters": {"overwrite:path": "/x"}},
            "its integration changes requests or responses on the way (parameter mapping)",
        ),
    ],
)
def test_what_a_gateway_here_cannot_do_is_dropped_silently(uri: object, changes: dict[str, Any], reason: str) -> None:
    (entry,) = read({"Api": api(), "Integration": integration(uri, **changes), "Route": route()}).served
    assert (entry.routes, entry.unserved) == ((), (UnservedRoute(key="GET /", reason=reason),))


def test_apis_of_other_kinds_are_dropped_silently() -> None:
    found = read(
        {
            "Socket": resource("Api", ProtocolType="WEBSOCKET"),
            "SocketRoute": route("$connect", ApiId={"Ref": "Socket"}),
            "Imported": resource("Api", Body={"openapi": "3.0.1"}),
            "Rest": {"Type": "AWS::ApiGateway::RestApi", "Metadata": {"aws:cdk:path": "Web/Rest/Resource"}},
            "Url": {"Type": "AWS::Lambda::Url"},
            "Foreign": route(ApiId="abcdefghij"),
            "Api": api(),
            "Late": route({"Fn::Sub": "GET /${AWS::AccountId}"}),
        }
    )
    assert [entry.path for entry in found.served] == ["web/Api"]
    assert found.unserved == tuple(
        UnservedApi(path=ConstructPath(path), reason=reason)
        for path, reason in (
            ("web/Socket", "it is a WebSocket API"),
            ("web/Imported", "its routes are in an OpenAPI document"),
            ("Web/Rest", "it is a REST API"),
            ("web/Url", "it is a function URL"),
            ("web/Foreign", "it is a route of an API that is not in this app"),
            ("web/Late", "it is a route whose key only a deploy will tell"),
        )
    )


def test_an_api_made_with_its_one_route_is_served_without_it() -> None:
    served = read({"Api": api(Target=IMPORT), "Other": api(Target="https://x", RouteKey="GET /x")}).served
    assert [(entry.routes, entry.unserved) for entry in served] == [
        ((RouteEntry(key="$default", function=GET),), ()),
        ((), (UnservedRoute(key="GET /x", reason="its target is no function of this app"),)),
    ]


def test_texts_are_compared_by_what_is_known_of_them() -> None:
    parameters = {
        "Stage": {"Type": "String", "Default": "blue"},
        "Key": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/k"},
    }
    templates = Templates({WEB: {"Parameters": parameters, "Resources": {}}})

    def text(value: object) -> str:
        return templates.text(Expression(WEB, value))

    assert text({"Fn::Sub": "${Stage}-${AWS::StackName}-${!kept}"}) == "blue-web-${kept}"
    assert text({"Fn::Join": ["/", ["a", {"Ref": "Stage"}, {"Ref": "AWS::Region"}]]}) == "a/blue/${AWS::Region}"
    assert text({"Ref": "Key"}) == "${web.Key}"
    assert templates.literal(Expression(WEB, {"Ref": "Key"})) is None
