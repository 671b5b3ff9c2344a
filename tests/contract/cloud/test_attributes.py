"""Fn::GetAtt on the types that are held to AWS: every attribute that AWS documents is there."""

from __future__ import annotations

from typing import Any

import pytest

from kit.embedded_cloud import RunningCloud, deploy, empty_zip
from skykite_cloud.resources.schemas import schema_of
from skykite_cloud.resources.types import rules_by_type

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
READS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
KEYS = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
}
# Which have no value here, or none that an output could show.
ABSENT = {
    "AWS::AppSync::Api": {"Dns"},
    "AWS::DynamoDB::GlobalTable": set[str](),
    "AWS::EC2::NatGateway": {"AutoProvisionZones", "AutoScalingIps", "EniId", "RouteTableId"},
    "AWS::EC2::Subnet": {"BlockPublicAccessStates", "Ipv6CidrBlocks", "NetworkAclAssociationId"},
    "AWS::EC2::VPC": {"CidrBlockAssociations", "Ipv6CidrBlocks"},
    "AWS::ElasticLoadBalancingV2::TargetGroup": {"LoadBalancerArns"},
    "AWS::Kinesis::Stream": {"WarmThroughputObject"},
    "AWS::Lambda::Function": {"SnapStartResponse", "SnapStartResponse.ApplyOn", "SnapStartResponse.OptimizationStatus"},
}
BEYOND = ("MetadataConfiguration", "MetadataTableConfiguration", "VpcEncryptionControl")


def _of(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties}


def _get(logical_id: str, attribute: str = "Arn") -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, attribute]}


def _ref(logical_id: str) -> dict[str, str]:
    return {"Ref": logical_id}


def _resources() -> dict[str, dict[str, Any]]:
    auth = [{"AuthType": "AWS_IAM"}]
    event_config = {
        "AuthProviders": auth,
        "ConnectionAuthModes": auth,
        "DefaultPublishAuthModes": auth,
        "DefaultSubscribeAuthModes": auth,
    }
    rule = {
        "GroupId": _get("Group", "GroupId"),
        "IpProtocol": "tcp",
        "FromPort": 1,
        "ToPort": 2,
        "CidrIp": "10.0.0.0/8",
    }
    return {
        "Role": _of(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=TRUST,
            Policies=[{"PolicyName": "reads", "PolicyDocument": READS}],
        ),
        "Policy": _of("AWS::IAM::Policy", PolicyName="p", PolicyDocument=POLICY, Roles=[_ref("Role")]),
        "Managed": _of("AWS::IAM::ManagedPolicy", PolicyDocument=POLICY),
        "Key": _of("AWS::KMS::Key", KeyPolicy=POLICY),
        "KeyAlias": _of("AWS::KMS::Alias", AliasName="alias/attributes", TargetKeyId=_ref("Key")),
        "Secret": _of("AWS::SecretsManager::Secret", SecretString="s"),
        "Machine": _of(
            "AWS::StepFunctions::StateMachine",
            DefinitionString='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
            RoleArn=_get("Role"),
        ),
        "Makers": _of("AWS::IAM::Group"),
        "User": _of("AWS::IAM::User"),
        "Addition": _of("AWS::IAM::UserToGroupAddition", GroupName=_ref("Makers"), Users=[_ref("User")]),
        "Function": _of(
            "AWS::Lambda::Function",
            Runtime="python3.12",
            Handler="index.handler",
            Role=_get("Role"),
            Code={"ZipFile": "def handler(event, context): ..."},
        ),
        "Permission": _of(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=_ref("Function"),
            Principal="s3.amazonaws.com",
        ),
        "Version": _of("AWS::Lambda::Version", FunctionName=_ref("Function")),
        "Alias": _of(
            "AWS::Lambda::Alias",
            FunctionName=_ref("Function"),
            FunctionVersion=_get("Version", "Version"),
            Name="live",
        ),
        "Invoke": _of("AWS::Lambda::EventInvokeConfig", FunctionName=_ref("Function"), Qualifier="$LATEST"),
        "Url": _of("AWS::Lambda::Url", TargetFunctionArn=_get("Function"), AuthType="NONE"),
        "Layer": _of("AWS::Lambda::LayerVersion", Content={"S3Bucket": "layers", "S3Key": "layer.zip"}),
        "Queue": _of("AWS::SQS::Queue"),
        "QueuePolicy": _of("AWS::SQS::QueuePolicy", Queues=[_ref("Queue")], PolicyDocument=POLICY),
        "Mapping": _of("AWS::Lambda::EventSourceMapping", FunctionName=_ref("Alias"), EventSourceArn=_get("Queue")),
        "Topic": _of("AWS::SNS::Topic"),
        "TopicPolicy": _of("AWS::SNS::TopicPolicy", Topics=[_ref("Topic")], PolicyDocument=POLICY),
        "Subscription": _of("AWS::SNS::Subscription", TopicArn=_ref("Topic"), Protocol="sqs", Endpoint=_get("Queue")),
        "Bus": _of("AWS::Events::EventBus", Name="attributes"),
        "BusPolicy": _of(
            "AWS::Events::EventBusPolicy",
            EventBusName=_ref("Bus"),
            StatementId="s",
            Principal="*",
            Action="events:PutEvents",
        ),
        "Rule": _of("AWS::Events::Rule", EventBusName=_ref("Bus"), EventPattern={"source": ["a"]}),
        "Archive": _of("AWS::Events::Archive", SourceArn=_get("Bus")),
        "ScheduleGroup": _of("AWS::Scheduler::ScheduleGroup", Name="attributes"),
        "Schedule": _of(
            "AWS::Scheduler::Schedule",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            State="DISABLED",
            Target={"Arn": _get("Queue"), "RoleArn": _get("Role")},
        ),
        "Stream": _of("AWS::Kinesis::Stream", ShardCount=1),
        "Table": _of("AWS::DynamoDB::Table", **KEYS, BillingMode="PAY_PER_REQUEST"),
        "Global": _of(
            "AWS::DynamoDB::GlobalTable",
            **KEYS,
            BillingMode="PAY_PER_REQUEST",
            Replicas=[{"Region": {"Ref": "AWS::Region"}}],
        ),
        "Bucket": _of("AWS::S3::Bucket"),
        "BucketPolicy": _of("AWS::S3::BucketPolicy", Bucket=_ref("Bucket"), PolicyDocument=POLICY),
        "Logs": _of("AWS::Logs::LogGroup", LogGroupName="attributes"),
        "Parameter": _of("AWS::SSM::Parameter", Type="String", Value="v"),
        "Api": _of("AWS::ApiGatewayV2::Api", Name="attributes", ProtocolType="HTTP"),
        "Integration": _of(
            "AWS::ApiGatewayV2::Integration",
            ApiId=_ref("Api"),
            IntegrationType="AWS_PROXY",
            IntegrationUri=_get("Function"),
            PayloadFormatVersion="2.0",
        ),
        "Route": _of("AWS::ApiGatewayV2::Route", ApiId=_ref("Api"), RouteKey="GET /"),
        "Stage": _of("AWS::ApiGatewayV2::Stage", ApiId=_ref("Api"), StageName="$default", AutoDeploy=True),
        "EventApi": _of("AWS::AppSync::Api", Name="attributes", EventConfig=event_config),
        "Namespace": _of("AWS::AppSync::ChannelNamespace", ApiId=_get("EventApi", "ApiId"), Name="a"),
        "Vpc": _of("AWS::EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Subnet": _of("AWS::EC2::Subnet", VpcId=_ref("Vpc"), CidrBlock="10.0.1.0/24"),
        "Group": _of("AWS::EC2::SecurityGroup", GroupDescription="d", VpcId=_ref("Vpc")),
        "In": _of("AWS::EC2::SecurityGroupIngress", **rule),
        "Out": _of("AWS::EC2::SecurityGroupEgress", **rule),
        "Address": _of("AWS::EC2::EIP", Domain="vpc"),
        "Gateway": _of("AWS::EC2::NatGateway", SubnetId=_ref("Subnet"), AllocationId=_get("Address", "AllocationId")),
        "Targets": _of("AWS::ElasticLoadBalancingV2::TargetGroup", TargetType="lambda"),
    }


def _attributes(type_name: str) -> list[str]:
    schema = schema_of(type_name)
    assert schema is not None
    absent = ABSENT.get(type_name, set())
    return sorted(name for name in schema.attributes - absent if not name.startswith(BEYOND))


def test_every_type_that_is_held_to_aws_is_here() -> None:
    assert {resource["Type"] for resource in _resources().values()} >= set(rules_by_type())


@pytest.fixture(scope="module")
def layers(cloud: RunningCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="layers", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="layers", Key="layer.zip", Body=empty_zip())


@pytest.mark.usefixtures("layers")
def test_every_attribute_has_a_value_and_an_update_keeps_it(cloud: RunningCloud) -> None:
    resources = _resources()
    outputs = {
        f"{logical_id}{attribute}".replace(".", ""): {"Value": _get(logical_id, attribute)}
        for logical_id, resource in resources.items()
        for attribute in (_attributes(resource["Type"]) if resource["Type"] in rules_by_type() else ())
    }

    made = deploy(cloud, "attributes", resources, Outputs=outputs)

    assert made["StackStatus"] == "CREATE_COMPLETE", [*made["Failures"], _reason(cloud)]
    assert {key for key in outputs if made["OutputValues"][key] == ""} == set()
    changed = {
        **resources,
        "Function": {**resources["Function"], "Properties": {**resources["Function"]["Properties"], "Timeout": 9}},
    }
    for tagged in (
        "Role",
        "Queue",
        "Topic",
        "Bus",
        "Stream",
        "Table",
        "Bucket",
        "Logs",
        "Vpc",
        "Subnet",
        "Group",
        "Address",
        "Gateway",
    ):
        given = resources[tagged]["Properties"]
        changed[tagged] = {**resources[tagged], "Properties": {**given, "Tags": [{"Key": "a", "Value": "b"}]}}

    updated = deploy(cloud, "attributes", changed, Outputs=outputs)

    assert updated["StackStatus"] == "UPDATE_COMPLETE", [*updated["Failures"], _reason(cloud)]
    assert updated["OutputValues"] == made["OutputValues"]


def _reason(cloud: RunningCloud) -> list[str]:
    events = cloud.client("cloudformation").describe_stack_events(StackName="attributes")["StackEvents"]
    return [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]
