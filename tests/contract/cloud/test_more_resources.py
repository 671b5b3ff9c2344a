"""CloudFormation of what stands around functions: networks, groups, global tables, parameters, and what CDK's own
custom resources do, which is done without running their functions."""

from __future__ import annotations

from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy, eventually

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}


def _of(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties}


def _get(logical_id: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, attribute]}


def _deploy(cloud: RunningCloud, name: str, resources: dict[str, Any], **outputs: Any) -> dict[str, str]:
    values = {key: {"Value": value} for key, value in outputs.items()}
    stack = deploy(cloud, name, resources, **({"Outputs": values} if values else {}))
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack["Failures"]
    found: dict[str, str] = stack["OutputValues"]
    return found


def _remove(cloud: RunningCloud, name: str) -> str:
    cloudformation = cloud.client("cloudformation")
    stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=name)

    def settled() -> str | None:
        status: str = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") else status

    return eventually(settled)


def test_a_function_is_put_in_a_vpc_with_everything_that_cdk_makes_for_one(cloud: RunningCloud) -> None:
    def rule(**more: Any) -> dict[str, Any]:
        return {"GroupId": _get("Group", "GroupId"), "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **more}

    resources = {
        "Vpc": _of("AWS::EC2::VPC", CidrBlock="10.1.0.0/16", EnableDnsSupport=True, EnableDnsHostnames=True),
        "Subnet": _of("AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.1.1.0/24"),
        "Address": _of("AWS::EC2::EIP", Domain="vpc", Tags=[{"Key": "app", "Value": "notes"}]),
        "Gateway": _of(
            "AWS::EC2::NatGateway", SubnetId={"Ref": "Subnet"}, AllocationId=_get("Address", "AllocationId")
        ),
        "Table": _of("AWS::EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        "Route": _of(
            "AWS::EC2::Route",
            RouteTableId={"Ref": "Table"},
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId={"Ref": "Gateway"},
        ),
        "Group": _of("AWS::EC2::SecurityGroup", GroupDescription="d", VpcId={"Ref": "Vpc"}),
        "In": _of("AWS::EC2::SecurityGroupIngress", **rule(CidrIp=_get("Vpc", "CidrBlock"), Description="d")),
        "Out": _of("AWS::EC2::SecurityGroupEgress", **rule(DestinationSecurityGroupId=_get("Group", "GroupId"))),
        "Closed": _of(
            "Custom::VpcRestrictDefaultSG",
            ServiceToken="nobody",
            DefaultSecurityGroupId=_get("Vpc", "DefaultSecurityGroup"),
        ),
        "Role": ROLE,
        "Function": _of(
            "AWS::Lambda::Function",
            FunctionName="inside",
            Runtime="python3.12",
            Handler="index.handler",
            Role=_get("Role", "Arn"),
            Code={"ZipFile": "def handler(event, context): ..."},
            VpcConfig={"SubnetIds": [{"Ref": "Subnet"}], "SecurityGroupIds": [_get("Group", "GroupId")]},
        ),
    }

    made = _deploy(
        cloud,
        "vpc",
        resources,
        Group=_get("Group", "GroupId"),
        Default=_get("Vpc", "DefaultSecurityGroup"),
        Address={"Ref": "Address"},
        Gateway={"Ref": "Gateway"},
    )

    ec2 = cloud.client("ec2")
    groups = {one["GroupId"]: one for one in ec2.describe_security_groups()["SecurityGroups"]}
    (inward,) = groups[made["Group"]]["IpPermissions"]
    assert inward["IpRanges"] == [{"CidrIp": "10.1.0.0/16", "Description": "d"}]
    outward = groups[made["Group"]]["IpPermissionsEgress"]
    assert [made["Group"]] in [[pair["GroupId"] for pair in one["UserIdGroupPairs"]] for one in outward]
    assert groups[made["Default"]]["IpPermissions"] == groups[made["Default"]]["IpPermissionsEgress"] == []
    assert made["Address"] in [one["PublicIp"] for one in ec2.describe_addresses()["Addresses"]]
    assert made["Gateway"] in [one["NatGatewayId"] for one in ec2.describe_nat_gateways()["NatGateways"]]
    config = cloud.client("lambda").get_function_configuration(FunctionName="inside")["VpcConfig"]
    assert config["SecurityGroupIds"] == [made["Group"]]

    del resources["In"]
    _deploy(cloud, "vpc", resources)

    (group,) = ec2.describe_security_groups(GroupIds=[made["Group"]])["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert _remove(cloud, "vpc") == "DELETE_COMPLETE"
    assert made["Address"] not in [one["PublicIp"] for one in ec2.describe_addresses()["Addresses"]]


def test_groups_of_users(cloud: RunningCloud) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    resources = {
        "User": _of("AWS::IAM::User", UserName="ada"),
        "Group": _of("AWS::IAM::Group", GroupName="makers", Policies=[{"PolicyName": "p", "PolicyDocument": policy}]),
        "In": _of("AWS::IAM::UserToGroupAddition", GroupName={"Ref": "Group"}, Users=[{"Ref": "User"}]),
    }
    arn = _deploy(cloud, "groups", resources, Arn=_get("Group", "Arn"))["Arn"]

    iam = cloud.client("iam")
    assert arn == f"arn:aws:iam::{ACCOUNT}:group/makers"
    assert [user["UserName"] for user in iam.get_group(GroupName="makers")["Users"]] == ["ada"]
    assert iam.get_group_policy(GroupName="makers", PolicyName="p")["PolicyDocument"] == policy

    del resources["In"]
    _deploy(cloud, "groups", {**resources, "Group": _of("AWS::IAM::Group", GroupName="makers")})

    assert iam.get_group(GroupName="makers")["Users"] == []
    assert iam.list_group_policies(GroupName="makers")["PolicyNames"] == []


def test_a_global_table_of_one_region_gets_everything_and_one_of_two_is_refused(cloud: RunningCloud) -> None:
    def table(*regions: str) -> dict[str, Any]:
        replica = {
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "DeletionProtectionEnabled": True,
            "TableClass": "STANDARD_INFREQUENT_ACCESS",
            "Tags": [{"Key": "app", "Value": "notes"}],
        }
        return _of(
            "AWS::DynamoDB::GlobalTable",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
            Replicas=[{"Region": region, **replica} for region in regions],
        )

    name = _deploy(cloud, "global", {"Table": table(REGION)}, Name={"Ref": "Table"}, Id=_get("Table", "TableId"))[
        "Name"
    ]

    dynamodb = cloud.client("dynamodb")
    assert dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["AttributeName"] == "expires"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    found = dynamodb.describe_table(TableName=name)["Table"]
    assert found["DeletionProtectionEnabled"] is True
    assert found["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert {"Key": "app", "Value": "notes"} in dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]

    stack = deploy(cloud, "two-regions", {"Table": table(REGION, "us-east-1")})

    assert stack["Failures"] == [
        (
            "Table",
            (
                "The embedded cloud does not support Replicas of AWS::DynamoDB::GlobalTable in other regions: "
                f"{REGION}, us-east-1"
            ),
        )
    ]


def test_a_parameter_without_a_name_is_named_as_on_aws_whatever_its_stack_is_called(cloud: RunningCloud) -> None:
    parameter = _of("AWS::SSM::Parameter", Type="String", Value="1")
    first = _deploy(cloud, "aws-parameters", {"Limit": parameter}, Name={"Ref": "Limit"})["Name"]

    changed = _of("AWS::SSM::Parameter", Type="String", Value="2")
    second = _deploy(cloud, "aws-parameters", {"Limit": changed}, Name={"Ref": "Limit"})["Name"]

    assert first.startswith("CFN-Limit-")
    assert second == first
    assert cloud.client("ssm").get_parameter(Name=first)["Parameter"]["Value"] == "2"


def test_a_target_group_gets_its_targets(cloud: RunningCloud) -> None:
    def group(*targets: str) -> dict[str, Any]:
        given = [{"Id": target, "Port": 80} for target in targets]
        return {
            "Group": _of(
                "AWS::ElasticLoadBalancingV2::TargetGroup", TargetType="ip", Port=80, Protocol="HTTP", Targets=given
            )
        }

    arn = _deploy(cloud, "targets", group("10.0.0.1", "10.0.0.2"), Arn={"Ref": "Group"})["Arn"]
    _deploy(cloud, "targets", group("10.0.0.2", "10.0.0.3"))

    health = cloud.client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert sorted(one["Target"]["Id"] for one in health) == ["10.0.0.2", "10.0.0.3"]


def test_a_bucket_keeps_where_it_would_log_to_and_its_access_control(cloud: RunningCloud) -> None:
    owned = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    resources = {
        "Logs": _of("AWS::S3::Bucket", AccessControl="LogDeliveryWrite", OwnershipControls=owned),
        "Bucket": _of(
            "AWS::S3::Bucket", LoggingConfiguration={"DestinationBucketName": {"Ref": "Logs"}, "LogFilePrefix": "a/"}
        ),
    }
    made = _deploy(cloud, "logging", resources, Logs={"Ref": "Logs"}, Bucket={"Ref": "Bucket"})

    s3 = cloud.client("s3")
    assert s3.get_bucket_logging(Bucket=made["Bucket"])["LoggingEnabled"] == {
        "TargetBucket": made["Logs"],
        "TargetPrefix": "a/",
    }
    uris = [grant["Grantee"].get("URI", "") for grant in s3.get_bucket_acl(Bucket=made["Logs"])["Grants"]]
    assert "http://acs.amazonaws.com/groups/s3/LogDelivery" in uris


def _notified(cloud: RunningCloud, bucket: str) -> dict[str, list[str]]:
    found = cloud.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {
        key: [
            rule["Value"] for one in found[key] for rule in one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        ]
        for key in found
        if key.endswith("Configurations")
    }


def _notifications(bucket: Any, managed: bool, **configuration: Any) -> dict[str, Any]:
    return _of(
        "Custom::S3BucketNotifications",
        ServiceToken="nobody",
        BucketName=bucket,
        NotificationConfiguration=configuration,
        Managed=managed,
    )


def _queue_notification(suffix: str) -> dict[str, Any]:
    rule = {"Name": "suffix", "Value": suffix}
    return {
        "Events": ["s3:ObjectCreated:*"],
        "QueueArn": _get("Queue", "Arn"),
        "Filter": {"Key": {"FilterRules": [rule]}},
    }


def test_notifications_as_cdk_configures_them(cloud: RunningCloud) -> None:
    allowed = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
        ],
    }

    def resources(suffix: str) -> dict[str, Any]:
        return {
            "Bucket": _of("AWS::S3::Bucket", BucketName="notifying"),
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Allowed": _of("AWS::SQS::QueuePolicy", Queues=[{"Ref": "Queue"}], PolicyDocument=allowed),
            "Notifications": {
                **_notifications({"Ref": "Bucket"}, True, QueueConfigurations=[_queue_notification(suffix)]),
                "DependsOn": ["Allowed"],
            },
        }

    _deploy(cloud, "notifying", resources(".png"))
    assert _notified(cloud, "notifying") == {"QueueConfigurations": [".png"]}

    url = _deploy(cloud, "notifying", resources(".jpg"), Url={"Ref": "Queue"})["Url"]
    assert _notified(cloud, "notifying") == {"QueueConfigurations": [".jpg"]}

    cloud.client("s3").put_object(Bucket="notifying", Key="a.jpg", Body=b"")
    sqs = cloud.client("sqs")
    bodies = eventually(
        lambda: [one["Body"] for one in sqs.receive_message(QueueUrl=url).get("Messages", []) if "a.jpg" in one["Body"]]
    )
    assert len(bodies) == 1


def test_notifications_of_a_bucket_of_another_stack_leave_the_others_alone(cloud: RunningCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="shared", CreateBucketConfiguration={"LocationConstraint": REGION})

    def stack(suffix: str) -> dict[str, Any]:
        skipped = _notifications("shared", False, QueueConfigurations=[_queue_notification(suffix)])
        skipped["Properties"]["SkipDestinationValidation"] = True
        return {"Queue": {"Type": "AWS::SQS::Queue"}, "Notifications": skipped}

    _deploy(cloud, "shares-one", stack(".png"))
    _deploy(cloud, "shares-two", stack(".jpg"))
    assert sorted(_notified(cloud, "shared")["QueueConfigurations"]) == [".jpg", ".png"]

    assert _remove(cloud, "shares-one") == "DELETE_COMPLETE"

    assert _notified(cloud, "shared") == {"QueueConfigurations": [".jpg"]}


@pytest.mark.parametrize("versioned", [False, True])
def test_a_bucket_that_cdk_empties_before_it_goes_goes(cloud: RunningCloud, versioned: bool) -> None:
    name = f"emptied-{versioned}".lower()
    given = {"VersioningConfiguration": {"Status": "Enabled"}} if versioned else {}
    resources = {
        "Bucket": _of(
            "AWS::S3::Bucket", BucketName=name, Tags=[{"Key": "aws-cdk:auto-delete-objects", "Value": "true"}], **given
        ),
        "Emptied": _of("Custom::S3AutoDeleteObjects", ServiceToken="nobody", BucketName={"Ref": "Bucket"}),
    }
    _deploy(cloud, name, resources)
    s3 = cloud.client("s3")
    for key in ("a & b", "c", "c"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    s3.delete_object(Bucket=name, Key="c")

    assert _remove(cloud, name) == "DELETE_COMPLETE"

    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_a_bucket_that_lost_the_tag_keeps_its_objects(cloud: RunningCloud) -> None:
    bucket = {**_of("AWS::S3::Bucket", BucketName="kept-full"), "DeletionPolicy": "Retain"}
    emptied = _of("Custom::S3AutoDeleteObjects", ServiceToken="nobody", BucketName={"Ref": "Bucket"})
    _deploy(cloud, "kept-full", {"Bucket": bucket, "Emptied": emptied})
    s3 = cloud.client("s3")
    s3.put_object(Bucket="kept-full", Key="a", Body=b"x")

    assert _remove(cloud, "kept-full") == "DELETE_COMPLETE"

    assert s3.list_objects_v2(Bucket="kept-full")["KeyCount"] == 1


def test_the_retention_of_a_log_group_as_cdk_sets_it(cloud: RunningCloud) -> None:
    def retention(days: int) -> dict[str, Any]:
        return {
            "Retention": _of(
                "Custom::LogRetention",
                ServiceToken="nobody",
                LogGroupName="/aws/lambda/some",
                RetentionInDays=days,
                RemovalPolicy="destroy",
            )
        }

    _deploy(cloud, "retention", retention(7))
    logs = cloud.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/some")["logGroups"]
    assert group["retentionInDays"] == 7

    _deploy(cloud, "retention", retention(30))
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/some")["logGroups"]
    assert group["retentionInDays"] == 30

    assert _remove(cloud, "retention") == "DELETE_COMPLETE"
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/some")["logGroups"] == []


def test_an_attribute_that_is_only_missing_here_is_told_from_one_that_is_none(cloud: RunningCloud) -> None:
    resources = {"Key": _of("AWS::Cognito::UserPool", UserPoolName="attributes")}

    missing = deploy(cloud, "missing", resources, Outputs={"Id": {"Value": _get("Key", "Nonsense")}})

    assert missing["StackStatus"] == "ROLLBACK_COMPLETE"
    events = cloud.client("cloudformation").describe_stack_events(StackName="missing")["StackEvents"]
    reasons = [event.get("ResourceStatusReason") for event in events]
    assert "Requested attribute Nonsense does not exist in schema for AWS::Cognito::UserPool" in reasons
