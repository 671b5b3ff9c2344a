"""Resource types that users bring: what has no effect in the embedded cloud fails the deploy, whatever the type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.embedded_cloud import RunningCloud, deploy

TYPE = "AWS::SecretsManager::Secret"


def _resource(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties}


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (_resource(TYPE, Colour="red"), "Encountered unsupported property Colour"),
        (
            _resource(TYPE, GenerateSecretString={"Length": 3}),
            (
                "Properties validation failed for resource Wrong with message: #/GenerateSecretString: "
                "extraneous key [Length] is not permitted"
            ),
        ),
        (
            _resource("AWS::Logs::MetricFilter", LogGroupName="group", FilterPattern="x"),
            (
                "Properties validation failed for resource Wrong with message: #: required key "
                "[MetricTransformations] not found"
            ),
        ),
        (
            _resource(TYPE, Name="refused", Type="PartnerManaged"),
            "The embedded cloud does not support the property Type of AWS::SecretsManager::Secret",
        ),
        (
            _resource(
                "AWS::Cognito::UserPool",
                UserPoolName="p",
                WebAuthnRelyingPartyID="example.com",
            ),
            "The embedded cloud does not support the property WebAuthnRelyingPartyID of AWS::Cognito::UserPool",
        ),
    ],
)
def test_what_would_have_no_effect_fails_with_the_reason(
    cloud: RunningCloud, request: pytest.FixtureRequest, resource: dict[str, Any], reason: str
) -> None:
    name = f"brought-{abs(hash(request.node.name))}"

    stack = deploy(cloud, name, {"Wrong": resource})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stack["Failures"] == [("Wrong", reason)]


def test_a_resource_that_is_refused_is_not_left_behind(cloud: RunningCloud) -> None:
    deploy(cloud, "left-behind", {"Secret": _resource(TYPE, Name="left-behind", Type="PartnerManaged")})

    names = [secret["Name"] for secret in cloud.client("secretsmanager").list_secrets()["SecretList"]]
    assert "left-behind" not in names


def test_an_update_is_held_to_it_and_rolled_back(cloud: RunningCloud) -> None:
    deploy(cloud, "updated", {"Secret": _resource(TYPE, Name="updated", Description="one")})

    stack = deploy(
        cloud, "updated", {"Secret": _resource(TYPE, Name="updated", Description="two", Type="PartnerManaged")}
    )

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stack["Failures"] == [
        ("Secret", "The embedded cloud does not support the property Type of AWS::SecretsManager::Secret")
    ]
    assert cloud.client("secretsmanager").describe_secret(SecretId="updated")["Description"] == "one"


def test_an_update_need_not_read_what_it_does_not_touch_and_takes_away_only_what_can_be(cloud: RunningCloud) -> None:
    def project(**changed: str) -> dict[str, Any]:
        given = {
            "Name": "untouched",
            "ServiceRole": "arn:aws:iam::000000000000:role/build",
            "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"},
            "Artifacts": {"Type": "NO_ARTIFACTS"},
            "Environment": {"Type": "LINUX_CONTAINER", "ComputeType": "BUILD_GENERAL1_SMALL", "Image": "x"},
            "EncryptionKey": "alias/aws/s3",
        }
        return {"Project": _resource("AWS::CodeBuild::Project", **given, **changed)}

    made = deploy(cloud, "untouched", project())
    assert made["StackStatus"] == "CREATE_COMPLETE", made["Failures"]

    stack = deploy(cloud, "untouched", project(Description="d"))

    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack["Failures"]

    without = project()
    del without["Project"]["Properties"]["EncryptionKey"]
    stack = deploy(cloud, "untouched", without)

    assert stack["Failures"] == [
        ("Project", "The embedded cloud cannot take the property EncryptionKey away from AWS::CodeBuild::Project")
    ]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    (found,) = cloud.client("codebuild").batch_get_projects(names=["untouched"])["projects"]
    assert found["description"] == "d"


def test_a_replacement_that_is_refused_leaves_what_was_there(cloud: RunningCloud) -> None:
    deploy(cloud, "replaced", {"Secret": _resource(TYPE, Name="first")})

    stack = deploy(cloud, "replaced", {"Secret": _resource(TYPE, Name="second", Type="PartnerManaged")})

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    names = [secret["Name"] for secret in cloud.client("secretsmanager").list_secrets()["SecretList"]]
    assert "first" in names
    assert "second" not in names


def test_a_property_that_asks_for_nothing_or_only_tells_aws_how_to_run_it_is_let_through(cloud: RunningCloud) -> None:
    schedule = _resource(
        "AWS::Glue::Job",
        Name="job",
        Role="arn:aws:iam::000000000000:role/glue",
        Command={"Name": "glueetl"},
        ExecutionClass="FLEX",
        JobRunQueuingEnabled=False,
        NotificationProperty={},
    )

    stack = deploy(cloud, "inert", {"Job": schedule})

    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]


def test_a_type_that_is_not_there_is_named_before_anything_is_made(cloud: RunningCloud) -> None:
    cloudformation = cloud.client("cloudformation")
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Ledger": _resource("AWS::QLDB::Ledger", PermissionsMode="STANDARD"),
    }

    with pytest.raises(cloudformation.exceptions.ClientError, match="ValidationError") as refused:
        cloudformation.create_change_set(
            StackName="no-such-type",
            ChangeSetName="c",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": resources}),
        )

    assert refused.value.response["Error"]["Message"] == (
        "Template format error: Unrecognized resource types: [AWS::QLDB::Ledger]: the embedded cloud does not have them"
    )


def test_what_is_kept_of_a_template_is_saved_with_the_cloud(cloud: RunningCloud) -> None:
    stack = deploy(
        cloud, "kept", {"Pool": _resource("AWS::Cognito::UserPool", UserPoolName="kept", AliasAttributes=["email"])}
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]

    cloud.stop()
    cloud.start()

    pools = cloud.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    assert "kept" in [pool["Name"] for pool in pools]
