"""CloudFormation of keys, secrets, managed policies, state machines, alarms and user pools: seen through their APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy, eventually

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
TAGS = [{"Key": "app", "Value": "notes"}]


def _of(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties}


def _deploy(cloud: RunningCloud, name: str, resources: dict[str, Any], **outputs: Any) -> dict[str, str]:
    values = {key: {"Value": value} for key, value in outputs.items()}
    stack = deploy(cloud, name, resources, **({"Outputs": values} if values else {}))
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack["Failures"]
    found: dict[str, str] = stack["OutputValues"]
    return found


def test_a_key_and_its_alias(cloud: RunningCloud) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }

    def resources(**more: Any) -> dict[str, Any]:
        key = _of("AWS::KMS::Key", KeyPolicy=policy, Description="d", EnableKeyRotation=True, Tags=TAGS, **more)
        return {"Key": key, "Alias": _of("AWS::KMS::Alias", AliasName="alias/notes", TargetKeyId={"Ref": "Key"})}

    key = _deploy(cloud, "key", resources(), Key={"Ref": "Key"})["Key"]

    kms = cloud.client("kms")
    found = kms.describe_key(KeyId="alias/notes")["KeyMetadata"]
    assert (found["KeyId"], found["Description"], found["Enabled"]) == (key, "d", True)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == policy
    assert {"TagKey": "app", "TagValue": "notes"} in kms.list_resource_tags(KeyId=key)["Tags"]

    _deploy(cloud, "key", resources(Enabled=False))

    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"] is False


def test_a_secret_that_is_generated(cloud: RunningCloud) -> None:
    generated = {
        "SecretStringTemplate": '{"user": "ada"}',
        "GenerateStringKey": "password",
        "PasswordLength": 40,
        "ExcludePunctuation": True,
    }
    secret = _of(
        "AWS::SecretsManager::Secret", Name="generated", Description="d", GenerateSecretString=generated, Tags=TAGS
    )

    arn = _deploy(cloud, "secret", {"Secret": secret}, Arn={"Ref": "Secret"})["Arn"]

    client = cloud.client("secretsmanager")
    value = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    assert value["user"] == "ada"
    assert len(value["password"]) == 40
    assert value["password"].isalnum()
    described = client.describe_secret(SecretId="generated")
    assert arn == described["ARN"]
    assert described["Description"] == "d"
    assert TAGS[0] in described["Tags"]

    def again(**changed: Any) -> str:
        given = {**secret["Properties"], **changed}
        _deploy(cloud, "secret", {"Secret": {**secret, "Properties": given}})
        found: str = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])["password"]
        return found

    assert again(Description="other") == value["password"]
    assert len(again(GenerateSecretString={**generated, "PasswordLength": 50})) == 50
    cloud.client("cloudformation").delete_stack(StackName="secret")
    eventually(lambda: "generated" not in [one["Name"] for one in client.list_secrets()["SecretList"]])


def test_a_managed_policy(cloud: RunningCloud) -> None:
    resources = {
        "Role": _of("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Policy": _of(
            "AWS::IAM::ManagedPolicy",
            ManagedPolicyName="reads",
            Description="d",
            Path="/notes/",
            PolicyDocument=POLICY,
            Roles=[{"Ref": "Role"}],
        ),
    }
    made = _deploy(cloud, "managed", resources, Arn={"Ref": "Policy"}, Role={"Ref": "Role"})

    iam = cloud.client("iam")
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:policy/notes/reads"
    policy = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert policy["Description"] == "d"
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert version["Document"] == POLICY
    attached = iam.list_attached_role_policies(RoleName=made["Role"])["AttachedPolicies"]
    assert attached == [{"PolicyName": "reads", "PolicyArn": made["Arn"]}]

    stack = deploy(
        cloud, "managed-by-nobody", {"Policy": _of("AWS::IAM::ManagedPolicy", PolicyDocument=POLICY, Roles=["gone"])}
    )

    assert stack["Failures"] == [("Policy", "The role with name gone cannot be found.")]


def test_a_state_machine_runs(cloud: RunningCloud) -> None:
    definition = {"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": "${word}", "End": True}}}
    resources = {
        "Role": _of("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Machine": _of(
            "AWS::StepFunctions::StateMachine",
            DefinitionString=json.dumps(definition),
            DefinitionSubstitutions={"word": "hello"},
            RoleArn={"Fn::GetAtt": ["Role", "Arn"]},
            StateMachineType="EXPRESS",
            Tags=TAGS,
        ),
    }
    arn = _deploy(cloud, "machine", resources, Arn={"Ref": "Machine"})["Arn"]

    client = cloud.client("stepfunctions")
    found = client.describe_state_machine(stateMachineArn=arn)
    assert (found["type"], json.loads(found["definition"])["States"]["Say"]["Result"]) == ("EXPRESS", "hello")
    assert {"key": "app", "value": "notes"} in client.list_tags_for_resource(resourceArn=arn)["tags"]


def test_an_alarm(cloud: RunningCloud) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
    given = {
        "AlarmName": "full",
        "AlarmDescription": "d",
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": "q"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "ActionsEnabled": True,
        "AlarmActions": [topic],
        "OKActions": [topic],
    }
    _deploy(cloud, "alarm", {"Alarm": _of("AWS::CloudWatch::Alarm", **given, Tags=TAGS)})

    (found,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["full"])["MetricAlarms"]
    assert {name: found[name] for name in given} == given


def test_a_user_pool_and_its_client(cloud: RunningCloud) -> None:
    resources = {
        "Pool": _of(
            "AWS::Cognito::UserPool",
            UserPoolName="users",
            AutoVerifiedAttributes=["email"],
            UsernameAttributes=["email"],
            Policies={"PasswordPolicy": {"MinimumLength": 12, "RequireNumbers": True}},
            UserPoolTags={"app": "notes"},
        ),
        "Client": _of(
            "AWS::Cognito::UserPoolClient",
            UserPoolId={"Ref": "Pool"},
            ClientName="web",
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            AccessTokenValidity=10,
            TokenValidityUnits={"AccessToken": "minutes"},
        ),
    }
    made = _deploy(cloud, "users", resources, Pool={"Ref": "Pool"}, Client={"Ref": "Client"})

    client = cloud.client("cognito-idp")
    pool = client.describe_user_pool(UserPoolId=made["Pool"])["UserPool"]
    assert (pool["AutoVerifiedAttributes"], pool["UsernameAttributes"]) == (["email"], ["email"])
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 12
    assert pool["UserPoolTags"]["app"] == "notes"
    web = client.describe_user_pool_client(UserPoolId=made["Pool"], ClientId=made["Client"])["UserPoolClient"]
    assert (web["ClientName"], web["AccessTokenValidity"]) == ("web", 10)
    assert sorted(web["ExplicitAuthFlows"]) == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH"]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (_of("AWS::KMS::Alias", AliasName="alias/gone", TargetKeyId="gone"), "Key 'gone' does not exist"),
        (
            _of("AWS::SecretsManager::Secret", SecretString="a", GenerateSecretString={}),
            "You can't specify both SecretString and GenerateSecretString.",
        ),
        (
            _of("AWS::SecretsManager::Secret", GenerateSecretString={"GenerateStringKey": "a"}),
            "SecretStringTemplate and GenerateStringKey must be specified together.",
        ),
        (
            _of("AWS::SecretsManager::Secret", GenerateSecretString={"PasswordLength": 2}),
            "PasswordLength too short to include required character types.",
        ),
        (
            _of(
                "AWS::StepFunctions::StateMachine", DefinitionString="no json", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r"
            ),
            "Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION",
        ),
        (_of("AWS::Cognito::UserPoolClient", UserPoolId=f"{REGION}_gone"), "User pool eu-west-1_gone does not exist"),
        (
            _of(
                "AWS::CloudWatch::Alarm",
                EvaluationPeriods=1,
                ComparisonOperator="GreaterThanThreshold",
                Metrics=[{"Id": "a"}],
            ),
            "metric math",
        ),
    ],
    ids=lambda value: value["Type"].rpartition(":")[2] if isinstance(value, dict) else None,
)
def test_what_aws_would_not_make_fails(
    cloud: RunningCloud, request: pytest.FixtureRequest, resource: dict[str, Any], reason: str
) -> None:
    stack = deploy(cloud, f"not-made-{abs(hash(request.node.name))}", {"Wrong": resource})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE", stack
    assert reason in dict(stack["Failures"])["Wrong"]
