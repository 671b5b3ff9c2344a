"""CloudFormation makes Event APIs in the embedded cloud, as AWS does, and refuses what would not be served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy
from skykite.deploy.eventapi import REPLIES_HANDLER, REQUESTS_HANDLER

IAM = [{"AuthType": "AWS_IAM"}]
OUTPUTS = {
    "Id": {"Value": {"Fn::GetAtt": ["Api", "ApiId"]}},
    "Arn": {"Value": {"Fn::GetAtt": ["Api", "ApiArn"]}},
    "Http": {"Value": {"Fn::GetAtt": ["Api", "Dns.Http"]}},
    "Realtime": {"Value": {"Fn::GetAtt": ["Api", "Dns.Realtime"]}},
    "Ref": {"Value": {"Ref": "Api"}},
    "Namespace": {"Value": {"Fn::GetAtt": ["Namespace", "ChannelNamespaceArn"]}},
    "NamespaceRef": {"Value": {"Ref": "Namespace"}},
}


def _config(**more: Any) -> dict[str, Any]:
    return {
        "AuthProviders": IAM,
        "ConnectionAuthModes": IAM,
        "DefaultPublishAuthModes": IAM,
        "DefaultSubscribeAuthModes": IAM,
        **more,
    }


def _api(name: str, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::AppSync::Api", "Properties": {"Name": name, "EventConfig": _config(), **more}}


def _namespace(name: str, **more: Any) -> dict[str, Any]:
    properties = {"ApiId": {"Fn::GetAtt": ["Api", "ApiId"]}, "Name": name, **more}
    return {"Type": "AWS::AppSync::ChannelNamespace", "Properties": properties}


def test_an_api_and_its_namespace_have_what_was_asked_and_awss_names(cloud: RunningCloud) -> None:
    tags = [{"Key": "app", "Value": "notes"}]
    resources = {
        "Api": _api("full", OwnerContact="a.b", Tags=tags),
        "Namespace": _namespace("orders", CodeHandlers=REQUESTS_HANDLER, PublishAuthModes=IAM, Tags=tags),
    }

    stack = deploy(cloud, "full", resources, Outputs=OUTPUTS)

    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    outputs = stack["OutputValues"]
    arn = f"arn:aws:appsync:{REGION}:{ACCOUNT}:apis/{outputs['Id']}"
    assert (outputs["Arn"], outputs["Ref"]) == (arn, arn)
    assert outputs["Namespace"] == outputs["NamespaceRef"] == f"{arn}/channelNamespace/orders"
    found = re.fullmatch(rf"([a-z0-9]{{26}})\.appsync-api\.{REGION}\.amazonaws\.com", outputs["Http"])
    assert found is not None
    assert found[1] != outputs["Id"]
    assert outputs["Realtime"] == f"{found[1]}.appsync-realtime-api.{REGION}.amazonaws.com"
    appsync = cloud.client("appsync")
    api = appsync.get_api(apiId=outputs["Id"])["api"]
    assert (api["name"], api["ownerContact"], api["tags"]) == ("full", "a.b", {"app": "notes"})
    assert api["eventConfig"] == {
        "authProviders": [{"authType": "AWS_IAM"}],
        "connectionAuthModes": [{"authType": "AWS_IAM"}],
        "defaultPublishAuthModes": [{"authType": "AWS_IAM"}],
        "defaultSubscribeAuthModes": [{"authType": "AWS_IAM"}],
    }
    namespace = appsync.get_channel_namespace(apiId=outputs["Id"], name="orders")["channelNamespace"]
    assert namespace["codeHandlers"] == REQUESTS_HANDLER
    assert namespace["publishAuthModes"] == [{"authType": "AWS_IAM"}]
    assert namespace["tags"] == {"app": "notes"}


def test_an_update_keeps_the_api_and_what_it_loses_is_gone(cloud: RunningCloud) -> None:
    first = {
        "Api": _api("before", OwnerContact="me", Tags=[{"Key": "a", "Value": "b"}]),
        "Namespace": _namespace("kept", CodeHandlers=REQUESTS_HANDLER),
    }
    before = deploy(cloud, "updated", first, Outputs=OUTPUTS)["OutputValues"]

    both = [{"AuthType": "AWS_IAM"}, {"AuthType": "API_KEY"}]
    api = {"Name": "after", "EventConfig": _config(AuthProviders=both, DefaultPublishAuthModes=both)}
    second = {"Api": {"Type": "AWS::AppSync::Api", "Properties": api}, "Namespace": _namespace("kept")}
    stack = deploy(cloud, "updated", second, Outputs=OUTPUTS)

    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack["Failures"]
    assert stack["OutputValues"] == before
    appsync = cloud.client("appsync")
    described = appsync.get_api(apiId=before["Id"])["api"]
    assert described["name"] == "after"
    assert described["tags"] == {}
    assert described.get("ownerContact") is None
    assert described["eventConfig"]["defaultPublishAuthModes"] == [{"authType": "AWS_IAM"}, {"authType": "API_KEY"}]
    namespace = appsync.get_channel_namespace(apiId=before["Id"], name="kept")["channelNamespace"]
    assert namespace.get("codeHandlers") is None


def test_a_namespace_with_another_name_or_api_is_another_namespace(cloud: RunningCloud) -> None:
    resources = {"Api": _api("replaced"), "Namespace": _namespace("old")}
    before = deploy(cloud, "replaced", resources, Outputs=OUTPUTS)["OutputValues"]

    renamed = deploy(cloud, "replaced", {"Api": _api("replaced"), "Namespace": _namespace("new")}, Outputs=OUTPUTS)

    appsync = cloud.client("appsync")
    names = [one["name"] for one in appsync.list_channel_namespaces(apiId=before["Id"])["channelNamespaces"]]
    assert (names, renamed["OutputValues"]["Id"]) == (["new"], before["Id"])
    moved = _namespace("new", ApiId={"Fn::GetAtt": ["Second", "ApiId"]})
    deploy(cloud, "replaced", {"Api": _api("replaced"), "Second": _api("second"), "Namespace": moved}, Outputs=OUTPUTS)
    assert appsync.list_channel_namespaces(apiId=before["Id"])["channelNamespaces"] == []


def test_an_api_key_in_a_template_is_a_key_of_the_event_api(cloud: RunningCloud) -> None:
    def resources(**more: Any) -> dict[str, Any]:
        properties = {"ApiId": {"Fn::GetAtt": ["Api", "ApiId"]}, **more}
        return {"Api": _api("with-key"), "Key": {"Type": "AWS::AppSync::ApiKey", "Properties": properties}}

    outputs = {
        "Id": {"Value": {"Fn::GetAtt": ["Api", "ApiId"]}},
        "Key": {"Value": {"Fn::GetAtt": ["Key", "ApiKey"]}},
    }
    appsync = cloud.client("appsync")
    made = deploy(cloud, "with-key", resources(Description="first", Expires=2_000_000_000), Outputs=outputs)
    found = made["OutputValues"]
    (key,) = appsync.list_api_keys(apiId=found["Id"])["apiKeys"]
    assert (key["id"], key["description"], key["expires"]) == (found["Key"], "first", 2_000_000_000)

    changed = deploy(cloud, "with-key", resources(Description="second", Expires=2_100_000_000), Outputs=outputs)
    assert changed["OutputValues"] == found
    (key,) = appsync.list_api_keys(apiId=found["Id"])["apiKeys"]
    assert (key["description"], key["expires"]) == ("second", 2_100_000_000)

    deploy(cloud, "with-key", {"Api": _api("with-key")})
    assert appsync.list_api_keys(apiId=found["Id"])["apiKeys"] == []


def test_a_deleted_stack_leaves_no_api(cloud: RunningCloud) -> None:
    resources = {"Api": _api("deleted"), "Namespace": _namespace("orders")}
    api_id = deploy(cloud, "deleted", resources, Outputs=OUTPUTS)["OutputValues"]["Id"]
    cloudformation = cloud.client("cloudformation")

    cloudformation.delete_stack(StackName="deleted")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="deleted", WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )

    with pytest.raises(ClientError, match="NotFoundException"):
        cloud.client("appsync").get_api(apiId=api_id)


LACKS_CODE = (
    "CreateChannelNamespace failed: the embedded cloud lacks APPSYNC_JS in channel namespaces: it knows Skykite's own "
    "handlers only"
)


@pytest.mark.parametrize(
    ("api", "namespace", "reason"),
    [
        (
            _api("a", EventConfig=_config(AuthProviders=[{"AuthType": "AMAZON_COGNITO_USER_POOLS"}])),
            None,
            "CreateApi failed: the embedded cloud lacks authorization by AMAZON_COGNITO_USER_POOLS for Event APIs",
        ),
        (
            _api("a", EventConfig=_config(LogConfig={"LogLevel": "ALL", "CloudWatchLogsRoleArn": "arn"})),
            None,
            "The embedded cloud does not support EventConfig.LogConfig",
        ),
        (
            _api("a", EventConfig={"AuthProviders": IAM}),
            None,
            "#/EventConfig: required key [ConnectionAuthModes] not found",
        ),
        (
            _api("a", EventConfig=_config(ConnectionAuthModes=[{"AuthType": "API_KEY"}])),
            None,
            "CreateApi failed: connectionAuthModes names API_KEY, which is not among the authProviders",
        ),
        (_api("a", Colour="red"), None, "Encountered unsupported property Colour"),
        (_api("a"), _namespace("n", CodeHandlers=REQUESTS_HANDLER.replace("2", "3")), LACKS_CODE),
        (_api("a"), _namespace("n", CodeHandlers="export function onPublish(ctx) { return ctx.events }"), LACKS_CODE),
        (
            _api("a"),
            _namespace("n", CodeS3Location="s3://b/k"),
            "The embedded cloud does not support the property CodeS3Location of AWS::AppSync::ChannelNamespace",
        ),
        (
            _api("a"),
            _namespace("with_underscore"),
            "CreateChannelNamespace failed: `with_underscore` is not a name of a channel namespace",
        ),
        (_api("a"), _namespace("n", ApiId="gone"), "Api gone not found"),
    ],
)
def test_what_would_have_no_effect_fails_with_the_reason(
    cloud: RunningCloud, api: dict[str, Any], namespace: dict[str, Any] | None, reason: str
) -> None:
    name = f"fails-{abs(hash((reason, str(namespace))))}"

    stack = deploy(cloud, name, {"Api": api, **({"Namespace": namespace} if namespace else {})})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Namespace" if namespace else "Api", reason) in stack["Failures"]


def test_the_service_itself_refuses_handlers_that_it_cannot_run(cloud: RunningCloud) -> None:
    appsync = cloud.client("appsync")
    api_id = appsync.create_api(
        name="direct",
        eventConfig={
            "authProviders": [{"authType": "AWS_IAM"}],
            "connectionAuthModes": [],
            "defaultPublishAuthModes": [],
            "defaultSubscribeAuthModes": [],
        },
    )["api"]["apiId"]

    with pytest.raises(ClientError, match="lacks APPSYNC_JS"):
        appsync.create_channel_namespace(apiId=api_id, name="n", codeHandlers="export const onPublish = 1")
    appsync.create_channel_namespace(apiId=api_id, name="n", codeHandlers=REPLIES_HANDLER)
    with pytest.raises(ClientError, match="lacks APPSYNC_JS"):
        appsync.update_channel_namespace(apiId=api_id, name="n", codeHandlers="export const onPublish = 1")


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_an_event_api_survives_a_kill(own_cloud: RunningCloud) -> None:
    resources = {"Api": _api("kept"), "Namespace": _namespace("orders", CodeHandlers=REPLIES_HANDLER)}
    outputs = deploy(own_cloud, "kept", resources, Outputs=OUTPUTS)["OutputValues"]
    own_cloud.snapshot()

    own_cloud.kill()
    own_cloud.start()

    appsync = own_cloud.client("appsync")
    dns = appsync.get_api(apiId=outputs["Id"])["api"]["dns"]
    assert dns == {"HTTP": outputs["Http"], "REALTIME": outputs["Realtime"]}
    namespace = appsync.get_channel_namespace(apiId=outputs["Id"], name="orders")["channelNamespace"]
    assert namespace["codeHandlers"] == REPLIES_HANDLER
    assert deploy(own_cloud, "kept", resources, Outputs=OUTPUTS)["StackStatus"] == "NO_CHANGE_SET"
